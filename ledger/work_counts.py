"""How much work waits where, and since when: what operators, doctors and gauges read."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select, text

from ledger.look_ups import due_look_ups
from ledger.notice_tables import notices
from ledger.states import EventState, IntentState, LookUpState, NoticeState
from ledger.tables import decisions, events, look_ups, refund_intents, seals

#: Different sentences of brakes that are told apart; each names an amount, so they can be many.
HELD_REASONS_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxCounts:
    """Events that are not settled, or settled for a person. Ages are milliseconds."""

    waiting: int  # could be worked on now
    delayed: int  # wait for their next try
    claimed: int
    parked: int
    oldest_waiting_ms: int | None  # since the oldest of `waiting` was due; None when none is
    overdue_lease_ms: int | None  # since the oldest lease ended that nobody took back


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectCounts:
    """Refund intents by state, those that a brake keeps back by its words, and look-ups wanted."""

    intents: Mapping[str, int]
    held: Mapping[str, int]
    look_ups: int
    look_ups_due: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCounts:
    """E-mails and webhooks that are on their way, and those that were given up."""

    waiting: int  # to be sent, or being handed over
    failed: int
    oldest_failed: int | None  # the id of the one that was given up first
    oldest_failed_ms: int | None  # for how long that has waited for a person


def count_inbox(connection: Connection, now_ms: int) -> InboxCounts:
    """What stands in the inbox at `now_ms`. The states are literal so that partial indexes apply."""
    is_new = events.c.state == text("'new'")
    due = events.c.not_before_ms <= now_ms
    is_claimed = events.c.state == text("'claimed'")
    oldest = connection.execute(
        select(events.c.received_ms, events.c.not_before_ms)
        .where(is_new, due)
        .order_by(events.c.id)
        .limit(1)
    ).first()
    lease_end = connection.execute(select(func.min(events.c.lease_until_ms)).where(is_claimed))
    ended_ms = lease_end.scalar()
    return InboxCounts(
        waiting=_count(connection, is_new, due),
        delayed=_count(connection, is_new, ~due),
        claimed=_count(connection, is_claimed),
        parked=_count(connection, events.c.state == EventState.PARKED.value),
        oldest_waiting_ms=None if oldest is None else now_ms - max(oldest),
        overdue_lease_ms=now_ms - ended_ms if ended_ms and ended_ms < now_ms else None,
    )


def count_effects(connection: Connection, now_ms: int) -> EffectCounts:
    """What stands between the decisions and the customers' money."""
    states = connection.execute(
        select(refund_intents.c.state, func.count()).group_by(refund_intents.c.state)
    ).all()
    known = {row[0]: int(row[1]) for row in states}
    held = connection.execute(
        select(refund_intents.c.held, func.count())
        .where(refund_intents.c.held.is_not(None))
        .group_by(refund_intents.c.held)
        .order_by(func.count().desc(), refund_intents.c.held)
        .limit(HELD_REASONS_MAX)
    ).all()
    wanted = look_ups.c.state == LookUpState.WANTED.value
    return EffectCounts(
        intents={state.value: known.get(state.value, 0) for state in IntentState},
        held={str(row[0]): int(row[1]) for row in held},
        look_ups=connection.execute(select(func.count()).where(wanted)).scalar_one(),
        look_ups_due=len(due_look_ups(connection, now_ms, _DUE_MAX)),
    )


def count_notices(connection: Connection, now_ms: int) -> NoticeCounts:
    """What of the notices has not got through at `now_ms`."""
    rows = connection.execute(
        select(notices.c.state, func.count())
        .where(notices.c.state.in_([state.value for state in _NOT_THROUGH]))
        .group_by(notices.c.state)
    ).all()
    counts = {row[0]: int(row[1]) for row in rows}
    oldest = connection.execute(
        select(notices.c.id, notices.c.changed_ms)
        .where(notices.c.state == NoticeState.FAILED.value)
        .order_by(notices.c.changed_ms, notices.c.id)
        .limit(1)
    ).first()
    failed = counts.pop(NoticeState.FAILED.value, 0)
    return NoticeCounts(
        waiting=sum(counts.values()),
        failed=failed,
        oldest_failed=None if oldest is None else oldest.id,
        oldest_failed_ms=None if oldest is None else now_ms - oldest.changed_ms,
    )


def oldest_unsealed_ms(connection: Connection, now_ms: int) -> int | None:
    """How long the oldest decision has waited for its seal, which the sweeper sets; None for none."""
    made_ms = connection.execute(
        select(decisions.c.made_ms)
        .outerjoin(seals, seals.c.decision_id == decisions.c.id)
        .where(seals.c.seq.is_(None))
        .order_by(decisions.c.id)
        .limit(1)
    ).scalar()
    return None if made_ms is None else now_ms - made_ms


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    counted = select(func.count()).select_from(events).where(*conditions)
    return connection.execute(counted).scalar_one()


_DUE_MAX = 10_000
_NOT_THROUGH = (NoticeState.WAITING, NoticeState.SENDING, NoticeState.FAILED)
