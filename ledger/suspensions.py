"""Accounts that a suspicion suspended: which case did it, and when it was lifted."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from ledger.fraud_tables import suspensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """One suspension. `ended_ms`: None while it holds."""

    case_id: int
    customer_id: str
    ended_ms: int | None


def note_suspension(
    connection: Connection, *, case_id: int, customer_id: str, decision_id: int, now_ms: int
) -> bool:
    """Write down that a case suspends an account, also one that it had let go; False when it does so already."""
    values = {
        "case_id": case_id,
        "customer_id": customer_id,
        "decision_id": decision_id,
        "began_ms": now_ms,
        "ended_ms": None,
    }
    return connection.execute(_NOTE[connection.dialect.name], values).scalar() is not None


def suspension_of(connection: Connection, case_id: int) -> Suspension | None:
    """The suspension of a case; None when it suspended nobody."""
    row = connection.execute(_OF_CASE, {"case": case_id}).first()
    if row is None:
        return None
    return Suspension(case_id=row.case_id, customer_id=row.customer_id, ended_ms=row.ended_ms)


def others_hold(connection: Connection, customer_id: str, but_of_case: int) -> bool:
    """Whether another case keeps the same account suspended."""
    parameters = {"customer": customer_id, "case": but_of_case}
    return connection.execute(_OTHERS, parameters).first() is not None


def end_suspension(connection: Connection, case_id: int, now_ms: int) -> bool:
    """Lift the suspension of a case; False when there is none that holds."""
    return connection.execute(_END, {"case": case_id, "at": now_ms}).rowcount == 1


# Statements are built once: building one costs as much as running it.
def _upsert(statement: sqlite.Insert | postgresql.Insert) -> ReturningInsert[Any]:
    names = ("decision_id", "began_ms", "ended_ms")
    newer = {name: statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(
        index_elements=["case_id"], set_=newer, where=suspensions.c.ended_ms.is_not(None)
    ).returning(suspensions.c.case_id)


_NOTE = {
    "sqlite": _upsert(sqlite.insert(suspensions)),
    "postgresql": _upsert(postgresql.insert(suspensions)),
}
_OF_CASE = select(suspensions).where(suspensions.c.case_id == bindparam("case", type_=BigInteger))
_OTHERS = select(suspensions.c.case_id).where(
    suspensions.c.customer_id == bindparam("customer"),
    suspensions.c.case_id != bindparam("case", type_=BigInteger),
    suspensions.c.ended_ms.is_(None),
)
_END = (
    update(suspensions)
    .where(
        suspensions.c.case_id == bindparam("case", type_=BigInteger),
        suspensions.c.ended_ms.is_(None),
    )
    .values(ended_ms=bindparam("at"))
)
