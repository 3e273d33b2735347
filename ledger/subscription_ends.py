"""Subscriptions that a refund ends. Ending one twice is the same as once, so a row needs no outcome to ask for.

The row is committed with the refund that it follows; whoever carries it out reads the subscription
first. While one tries, the row is due again only after a while, which is its lease. The count of tries is
its fence: whoever was overtaken by the next try can no longer write.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Connection, Integer, bindparam, select, update

from ledger.ending_tables import subscription_ends
from ledger.insert_once import insert_once
from ledger.states import EndState


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEnd:
    """One subscription that is to end, taken for the try number `attempts`."""

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


def keep_end(connection: Connection, end: SubscriptionEnd, retry_ms: int) -> bool:
    """Keep one that was taken until `retry_ms`; False when it was ended or taken over meanwhile."""
    return connection.execute(_KEEP, {**_seen(end), "due": retry_ms}).rowcount == 1


def put_off_end(connection: Connection, end: SubscriptionEnd, due_ms: int, note: str) -> None:
    """Have it tried again at `due_ms`, unless it was taken over meanwhile."""
    connection.execute(_PUT_OFF, {**_seen(end), "due": due_ms, "why": note})


def give_back_end(connection: Connection, end: SubscriptionEnd, due_ms: int, note: str) -> None:
    """Have it tried again at `due_ms`, as if this try had never been."""
    connection.execute(_GIVE_BACK, {**_seen(end), "due": due_ms, "why": note})


def settle_end(
    connection: Connection, end: SubscriptionEnd, state: EndState, note: str | None, now_ms: int
) -> bool:
    """Record that it ended, or that a person has to see to it; False when others have settled that."""
    parameters = {**_seen(end), "after": state.value, "why": note, "at": now_ms}
    return connection.execute(_SETTLE, parameters).rowcount == 1


def note_ended(connection: Connection, subscription_id: str, now_ms: int) -> int | None:
    """Record that a subscription is over, whoever ended it, also after it was given up.

    Returns the case that the end belongs to; None when there was nothing to record.
    """
    parameters = {"subscription": subscription_id, "at": now_ms}
    case_id: int | None = connection.execute(_NOTE_ENDED, parameters).scalar()
    return case_id


def _seen(end: SubscriptionEnd) -> dict[str, object]:
    return {"end": end.end_id, "seen_attempts": end.attempts}


# Statements are built once: building one costs as much as running it.
_WANT = insert_once(subscription_ends, subscription_ends.c.id)
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
_MINE = update(subscription_ends).where(
    subscription_ends.c.id == bindparam("end"),
    subscription_ends.c.state == EndState.WANTED.value,
    subscription_ends.c.attempts == bindparam("seen_attempts"),
)
_KEEP = _MINE.values(next_attempt_ms=bindparam("due"))
_PUT_OFF = _KEEP.values(note=bindparam("why"))
_GIVE_BACK = _PUT_OFF.values(attempts=subscription_ends.c.attempts - 1)
_OVER: dict[str, Any] = {"next_attempt_ms": None, "changed_ms": bindparam("at")}
_SETTLE = _MINE.values(state=bindparam("after"), note=bindparam("why"), **_OVER)
_NOTE_ENDED = (
    update(subscription_ends)
    .where(
        subscription_ends.c.subscription_id == bindparam("subscription"),
        subscription_ends.c.state.in_([EndState.WANTED.value, EndState.FAILED.value]),
    )
    .values(state=EndState.ENDED.value, note=None, **_OVER)
    .returning(subscription_ends.c.case_id)
)
