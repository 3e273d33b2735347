"""The stop switch for all money, and what was spent against the caps."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.audit_log import record
from ledger.engine import lock_names
from ledger.states import IntentState
from ledger.tables import brakes, refund_intents

#: Intents that were handed to Stripe and whose money is, or may be, gone.
SPENT = (
    IntentState.SUBMITTED,
    IntentState.UNKNOWN,
    IntentState.PENDING,
    IntentState.SUCCEEDED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """The stop switch: while `stopped`, no refund leaves; intents wait and none is lost."""

    stopped: bool
    reason: str
    actor: str
    changed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Refunds handed to Stripe since a moment, in one currency (minor units)."""

    day_minor: int
    day_count: int
    customer_minor: int
    customer_count: int


def lock_brakes(connection: Connection) -> None:
    """Hold the switch and the day's spend until the transaction ends, against every other worker."""
    lock_names(connection, ["money brakes"])


def read_brake(connection: Connection) -> Brake:
    """The switch as it stands; released when nobody has ever touched it."""
    row = connection.execute(_READ).first()
    if row is None:
        return Brake(stopped=False, reason="", actor="", changed_ms=0)
    return Brake(stopped=row.stopped, reason=row.reason, actor=row.actor, changed_ms=row.changed_ms)


def set_brake(connection: Connection, brake: Brake, *, origin: str) -> None:
    """Throw or release the switch, audited in the same transaction."""
    values = {
        "stopped": brake.stopped,
        "reason": brake.reason,
        "actor": brake.actor,
        "changed_ms": brake.changed_ms,
    }
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    first = dialect.insert(brakes).values(id=1, **values)
    connection.execute(first.on_conflict_do_update(index_elements=["id"], set_=values))
    record(
        connection,
        at_ms=brake.changed_ms,
        actor=brake.actor,
        action="brake.on" if brake.stopped else "brake.off",
        object_id="brake",
        result="done",
        origin=origin,
        detail=brake.reason,
    )


def spend_since(
    connection: Connection,
    *,
    since_ms: int,
    currency: str,
    customer_id: str | None,
    except_intent: str,
) -> Spend:
    """What left for Stripe since `since_ms` in `currency`: in all, and for one customer.

    An intent that is about to be sent again (`except_intent`) does not count against itself.
    """
    spent = {"without": except_intent, "since": since_ms, "in_currency": currency}
    day = connection.execute(_SPEND, spent).one()
    mine = (0, 0)
    if customer_id is not None:
        row = connection.execute(_SPEND_OF_CUSTOMER, {**spent, "by": customer_id}).one()
        mine = (int(row[0]), int(row[1]))
    return Spend(
        day_minor=int(day[0]),
        day_count=int(day[1]),
        customer_minor=mine[0],
        customer_count=mine[1],
    )


# Statements are built once: building one costs as much as running it.
_READ = select(brakes)
_SPEND = select(func.coalesce(func.sum(refund_intents.c.amount_minor), 0), func.count()).where(
    refund_intents.c.id != bindparam("without"),
    refund_intents.c.first_sent_ms >= bindparam("since", type_=BigInteger),
    refund_intents.c.currency == bindparam("in_currency"),
    refund_intents.c.state.in_(SPENT),
)
_SPEND_OF_CUSTOMER = _SPEND.where(refund_intents.c.customer_id == bindparam("by"))
