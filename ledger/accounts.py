"""How each customer stands: whether access rests or ended, and why. No row means active."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.request_tables import accounts
from ledger.states import Standing, StandingCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One customer's standing. A cause may outlive the standing: an account freed of a mistake."""

    customer_id: str
    standing: Standing
    cause: StandingCause | None

    @property
    def in_breach(self) -> bool:
        """Whether access rests or ended because rules were broken, or were said to be."""
        return self.standing is not Standing.ACTIVE

    @property
    def wrongly_flagged(self) -> bool | None:
        """Whether a check flagged it by mistake; None while nobody has looked at the flag."""
        return None if self.cause is StandingCause.FLAG else self.cause is StandingCause.MISTAKE


def account_of(connection: Connection, customer_id: str | None) -> Account:
    """How a customer stands; active where nothing else is known."""
    row = connection.execute(_OF, {"customer": customer_id}).first()
    if row is None:
        return Account(customer_id=customer_id or "", standing=Standing.ACTIVE, cause=None)
    return Account(
        customer_id=row.customer_id,
        standing=Standing(row.standing),
        cause=None if row.cause is None else StandingCause(row.cause),
    )


def set_standing(connection: Connection, account: Account, now_ms: int) -> None:
    """Write how a customer stands from now on."""
    cause = None if account.cause is None else account.cause.value
    values = {
        "customer_id": account.customer_id,
        "standing": account.standing.value,
        "cause": cause,
        "changed_ms": now_ms,
    }
    connection.execute(_SET[connection.dialect.name], values)


# Statements are built once: building one costs as much as running it.
_OF = select(accounts).where(accounts.c.customer_id == bindparam("customer"))


def _upsert(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    newer = {name: statement.excluded[name] for name in ("standing", "cause", "changed_ms")}
    return statement.on_conflict_do_update(index_elements=["customer_id"], set_=newer)


_SET = {
    "sqlite": _upsert(sqlite.insert(accounts)),
    "postgresql": _upsert(postgresql.insert(accounts)),
}
