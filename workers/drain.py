"""Works through the inbox: claims what is new in batches, judges it, commits in small groups.

A bad event fails alone: a group in which one fails is worked again with a savepoint around each
event. The first try does without, because savepoints are a quarter of an event's cost (measured) and
events hardly ever fail. A group's transaction is short, so that other writers are not kept waiting.
Nothing here talks to Stripe: what must is left as a row and rung for.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from ledger.events import ClaimedEvent
from ledger.inbox import (
    claim_events,
    release_event,
    settle_events,
    still_mine,
    waiting_count,
)
from ledger.object_links import lock_links
from ledger.states import EventState
from runtime.limits import (
    DRAIN_BATCH_ROWS,
    DRAIN_GROUP_ROWS,
    DRAIN_LOOK_SECONDS,
    DRAIN_SECONDS_MAX,
)
from runtime.meters import count, observe
from runtime.probes import probe
from workers import crash_points
from workers.context import WorkerContext, ring_for
from workers.handlers import handle, shown_object
from workers.judging_rounds import judge_in_turn
from workers.rendered_fields import UnreadableRendering
from workers.retries import Trouble, exhausted, next_try_ms

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Group:
    """What one group's transaction has come to so far."""

    settled: list[tuple[ClaimedEvent, EventState, str | None]] = field(default_factory=list)
    intents: set[str] = field(default_factory=set)
    look_ups: set[int] = field(default_factory=set)
    notices: set[int] = field(default_factory=set)


class _OneFailed(Exception):
    """An event of a group failed and takes the group's transaction with it."""


def drain_events(context: WorkerContext, linger_seconds: float = 0.0) -> int:
    """Work until nothing new has come for `linger_seconds` or the time is up.

    Returns how many events it settled. Lingering saves a busy inbox a job for every few events.
    """
    # Cleared before the first look: an event committed after it rings a bell of its own.
    context.wakeups.clear_events_flag()
    worked_at = context.clock.monotonic()
    ends = worked_at + DRAIN_SECONDS_MAX
    settled = 0
    while True:
        with context.store.write() as connection:
            claimed = claim_events(connection, context.clock.now_ms(), DRAIN_BATCH_ROWS)
        if not claimed:
            if not _more_came(context, min(ends, worked_at + linger_seconds)):
                return settled
            continue
        context.crash.reach(crash_points.DRAIN_CLAIMED)
        for group in _chunks(claimed, DRAIN_GROUP_ROWS):
            settled += _work_group(context, group)
        worked_at = context.clock.monotonic()
        if worked_at >= ends:
            context.wakeups.wake_events()
            return settled


def _more_came(context: WorkerContext, until: float) -> bool:
    """Whether something waits in the inbox before the monotonic second `until`."""
    while context.clock.monotonic() < until:
        context.clock.sleep(DRAIN_LOOK_SECONDS)
        with context.store.read() as connection:
            if waiting_count(connection, context.clock.now_ms()):
                return True
    return False


def _work_group(context: WorkerContext, claimed: Sequence[ClaimedEvent]) -> int:
    """Judge and commit one group; on a fault of the database all of it is tried again later."""
    try:
        try:
            group = _judge_group(context, claimed, one_by_one=False)
        except _OneFailed:
            probe("drain.one_by_one")
            group = _judge_group(context, claimed, one_by_one=True)
    except DBAPIError as error:
        probe("drain.group_put_off")
        _log.warning("a group of events failed and is tried again: %s", type(error).__name__)
        _release(context, claimed, f"database: {type(error).__name__}")
        return 0
    _measure(group, context.clock.now_ms())
    context.crash.reach(crash_points.DRAIN_COMMITTED)
    ring_for(context.wakeups, group.intents, group.look_ups, notices=group.notices)
    context.crash.reach(crash_points.DRAIN_WOKEN)
    return len(group.settled)


def _measure(group: _Group, now_ms: int) -> None:
    for event, state, _ in group.settled:
        count("settled", state.value)
        if event.attempts == 1 and not event.replayed:
            observe("decision_lag", max(0.0, now_ms / 1000 - event.created))


def _judge_group(
    context: WorkerContext, claimed: Sequence[ClaimedEvent], *, one_by_one: bool
) -> _Group:
    """Judge and commit one group in one transaction.

    Raises _OneFailed for an event that fails, unless `one_by_one`: then it fails alone.
    """
    group = _Group()
    with context.store.write() as connection:
        mine = still_mine(connection, claimed, context.clock.now_ms())
        if connection.dialect.name == "postgresql":
            lock_links(connection, [shown_object(one) for one in claimed if one.row_id in mine])
        for event in claimed:
            if event.row_id in mine:
                _work_event(context, connection, event, group, one_by_one=one_by_one)
        settle_events(connection, group.settled, context.clock.now_ms())
        context.crash.reach(crash_points.DRAIN_JUDGED)
    return group


def _work_event(
    context: WorkerContext,
    connection: Connection,
    event: ClaimedEvent,
    group: _Group,
    *,
    one_by_one: bool,
) -> None:
    """Handle and judge one event, and note what became of it."""
    try:
        with connection.begin_nested() if one_by_one else nullcontext():
            handled = handle(context, connection, event)
            judged = judge_in_turn(
                context, connection, handled.charge_ids, handled.suspects, event.row_id
            )
    except (OperationalError, InterfaceError):
        raise  # the transaction is broken, not the event
    except Exception as error:
        if not one_by_one:
            raise _OneFailed from error
        _fail(context, connection, event, group, error)
    else:
        group.settled.append((event, EventState.DECIDED, handled.note))
        group.intents |= judged.intents
        group.notices |= judged.notices
        group.look_ups |= judged.look_ups
        group.look_ups |= set(handled.look_ups)


def _fail(
    context: WorkerContext,
    connection: Connection,
    event: ClaimedEvent,
    group: _Group,
    error: Exception,
) -> None:
    """Park an event that cannot be read, or has failed too often; else have it tried again later."""
    if isinstance(error, UnreadableRendering):
        group.settled.append((event, EventState.PARKED, str(error)))
        return
    # A database's error quotes whole rows: then the class alone is told.
    traced = None if isinstance(error, DBAPIError) else error
    told = {"event_id": event.event_id, "error_type": type(error).__name__}
    _log.error("event failed", extra=told, exc_info=traced)
    note = f"failed {event.attempts} times: {type(error).__name__}"
    if exhausted(event.attempts):
        group.settled.append((event, EventState.PARKED, note))
        return
    release_event(connection, event, _later(context, event), note)


def _release(context: WorkerContext, claimed: Sequence[ClaimedEvent], note: str) -> None:
    """Have a group tried again; what was tried as often as anything is, and alone by then, is parked."""
    try:
        with context.store.write() as connection:
            for event in claimed:
                if exhausted(event.attempts):
                    probe("drain.parked_at_last")
                    told = f"failed {event.attempts} times: {note}"
                    parked = [(event, EventState.PARKED, told)]
                    settle_events(connection, parked, context.clock.now_ms())
                else:
                    release_event(connection, event, _later(context, event), note)
    except DBAPIError:
        probe("drain.left_to_the_sweeper")
        # The database is away altogether; the leases run out and the sweeper takes the rows back.
        _log.warning("a group of events waits for its lease to run out")


def _later(context: WorkerContext, event: ClaimedEvent) -> int:
    now_ms = context.clock.now_ms()
    return next_try_ms(Trouble.EVENT_FAILED, event.event_id, event.attempts, now_ms)


def _chunks(claimed: Sequence[ClaimedEvent], size: int) -> Iterator[Sequence[ClaimedEvent]]:
    for start in range(0, len(claimed), size):
        yield claimed[start : start + size]
