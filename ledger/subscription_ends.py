"""Subscriptions that a refund ends. Ending one twice is the same as once, so a row needs no outcome to ask for.

The row is committed with the refund that it follows; whoever carries it out reads the subscription
first. While one tries, the row is due again only after a while, which is its lease.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, BindParameter, Connection, Integer, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.ending_tables import subscription_ends
from ledger.states import EndState


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEnd:
    """One subscription that is to end."""

    end_id: int
    subscription_id: str
    livemode: bool
    case_id: int
    attempts: int


def want_end(
    connection: Connection,
    *,
    subscription_id: str,
    livemode: bool,
    case_id: int,
    decision_id: int,
    now_ms: int,
) -> int | None:
    """Write down that a subscription is to end; returns the row's id, None when it is known already."""
    values = {
        "subscription_id": subscription_id,
        "livemode": livemode,
        "case_id": case_id,
        "decision_id": decision_id,
        "state": EndState.WANTED.value,
        "next_attempt_ms": now_ms,
        "created_ms": now_ms,
        "changed_ms": now_ms,
    }
    row_id: int | None = connection.execute(_WANT[connection.dialect.name], values).scalar()
    return row_id


def due_ends(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The row ids of the subscriptions to be ended now, longest due first."""
    return list(connection.execute(_DUE, {"now": now_ms, "most": count_max}).scalars())


def take_end(
    connection: Connection, end_id: int, now_ms: int, retry_ms: int
) -> SubscriptionEnd | None:
    """Take one for an attempt; without an outcome it is due again at `retry_ms`. None when not due."""
    row = connection.execute(_TAKE, {"end": end_id, "now": now_ms, "due": retry_ms}).first()
    if row is None:
        return None
    return SubscriptionEnd(
        end_id=row.id,
        subscription_id=row.subscription_id,
        livemode=row.livemode,
        case_id=row.case_id,
        attempts=row.attempts,
    )


def put_off_end(connection: Connection, end: SubscriptionEnd, due_ms: int, note: str) -> None:
    """Have it tried again at `due_ms`."""
    connection.execute(_PUT_OFF, {"end": end.end_id, "due": due_ms, "why": note})


def settle_end(
    connection: Connection, end_id: int, state: EndState, note: str | None, now_ms: int
) -> None:
    """Record that it ended, or that a person has to see to it."""
    parameters = {"end": end_id, "after": state.value, "why": note, "at": now_ms}
    connection.execute(_SETTLE, parameters)


# Statements are built once: building one costs as much as running it.
_WANT = {
    "sqlite": sqlite.insert(subscription_ends)
    .on_conflict_do_nothing()
    .returning(subscription_ends.c.id),
    "postgresql": postgresql.insert(subscription_ends)
    .on_conflict_do_nothing()
    .returning(subscription_ends.c.id),
}
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_IS_DUE = (
    subscription_ends.c.state == EndState.WANTED.value,
    subscription_ends.c.next_attempt_ms <= _NOW,
)
_DUE = (
    select(subscription_ends.c.id)
    .where(*_IS_DUE)
    .order_by(subscription_ends.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_TAKE = (
    update(subscription_ends)
    .where(subscription_ends.c.id == bindparam("end"), *_IS_DUE)
    .values(attempts=subscription_ends.c.attempts + 1, next_attempt_ms=bindparam("due"))
    .returning(subscription_ends)
)
_OPEN = update(subscription_ends).where(
    subscription_ends.c.id == bindparam("end"),
    subscription_ends.c.state == EndState.WANTED.value,
)
_PUT_OFF = _OPEN.values(next_attempt_ms=bindparam("due"), note=bindparam("why"))
_SETTLE = _OPEN.values(
    state=bindparam("after"),
    note=bindparam("why"),
    next_attempt_ms=None,
    changed_ms=bindparam("at"),
)
