"""Reads Stripe's lists for what was never delivered: events first, and the objects themselves as a second source.

What is found comes in by the same door as a delivery, marked as polled, and a delivery that follows finds it known.
An object of which no event told is asked about like any other question. One list is read at a time, a few calls a
second, from where it was left (docs.stripe.com/webhooks/process-undelivered-events).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import Column, Connection, select, union
from sqlalchemy.exc import DBAPIError

from ledger.backfill_cursors import (
    BackfillCursor,
    give_back,
    read_to_its_end,
    save_page,
    take_stream,
)
from ledger.backfill_tables import BackfillStream
from ledger.event_types import HANDLED
from ledger.inbox import store_events
from ledger.look_ups import want_look_up
from ledger.parsing import Expected
from ledger.states import EventState
from ledger.stripe_tables import charges, disputes, early_fraud_warnings, refunds
from ledger.tables import events
from runtime.operator_limits import (
    BACKFILL_AGAIN_SECONDS,
    BACKFILL_LEASE_MS,
    BACKFILL_OBJECT_DELAY_SECONDS,
    BACKFILL_PAGES_AT_ONCE,
    BACKFILL_SETTLE_SECONDS,
    EVENTS_KEPT_SECONDS,
    UNDELIVERED_SECONDS,
)
from runtime.probes import probe
from workers.context import WorkerContext, ring_for
from workers.gateway import Rendered
from workers.gateway_errors import GatewayError, Rejected
from workers.replay_sources import polled_event
from workers.stripe_lists import StripeList

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objects:
    """A list of objects: where it is at Stripe, what its objects are called, and where the ledger has them."""

    resource: str
    object_type: str
    key: Column[Any]


_OBJECTS: Final[Mapping[BackfillStream, _Objects]] = {
    BackfillStream.CHARGES: _Objects(
        resource="charges", object_type="charge", key=charges.c.charge_id
    ),
    BackfillStream.REFUNDS: _Objects(
        resource="refunds", object_type="refund", key=refunds.c.refund_id
    ),
    BackfillStream.DISPUTES: _Objects(
        resource="disputes", object_type="dispute", key=disputes.c.dispute_id
    ),
    BackfillStream.WARNINGS: _Objects(
        resource="radar/early_fraud_warnings",
        object_type="radar.early_fraud_warning",
        key=early_fraud_warnings.c.warning_id,
    ),
}
_WHY: Final = "Stripe lists it, and no event told of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one page brought: events that the ledger lacked, and the rows of questions to ask."""

    events: int = 0
    look_ups: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many things the ledger did not have."""
        return self.events + len(self.look_ups)


def backfill(context: WorkerContext, stream_name: str) -> None:
    """Read some pages of one list, if it is due and nobody else reads any."""
    stream, now_ms = BackfillStream(stream_name), context.clock.now_ms()
    with context.store.write() as connection:
        taken = take_stream(connection, stream, now_ms, now_ms + BACKFILL_LEASE_MS)
    if taken is None:
        return
    try:
        read_on = _read_pages(context, taken)
    except GatewayError as error:
        probe("backfill.put_off")
        _end(context, taken, BACKFILL_AGAIN_SECONDS, f"Stripe did not answer: {error.code}")
    except DBAPIError as error:
        _log.warning("a backfill failed and goes on later: %s", type(error).__name__)
    else:
        wait = 0 if read_on else context.settings.redress_backfill_seconds
        _end(context, taken, wait, "more is to be read" if read_on else None)


def take_in(
    context: WorkerContext, connection: Connection, stream: BackfillStream, page: Sequence[Rendered]
) -> Found:
    """Store what a page has and the ledger has not. One transaction's work."""
    now_ms = context.clock.now_ms()
    if stream in _OBJECTS:
        return _ask_about(connection, _OBJECTS[stream], page, now_ms)
    expected = Expected.by(context.settings)
    meant = [polled_event(event, expected) for event in page if event.get("type") in HANDLED]
    receipts = store_events(connection, meant, now_ms)
    stored = [
        event
        for event, receipt in zip(meant, receipts, strict=True)
        if receipt.outcome == "stored" and event.state is EventState.NEW
    ]
    return Found(events=len(stored))


def ring_for_found(context: WorkerContext, found: Found) -> None:
    """Wake whoever works on what was found, after its commit."""
    if found.events:
        probe("backfill.found_event")
        context.wakeups.wake_events()
    if found.look_ups:
        probe("backfill.found_object")
        ring_for(context.wakeups, (), found.look_ups)


def stripe_list(context: WorkerContext, stream: BackfillStream) -> StripeList:
    """The list of a stream at Stripe."""
    objects = _OBJECTS.get(stream)
    return StripeList(
        gateway=context.gateway,
        clock=context.clock,
        resource="events" if objects is None else objects.resource,
        query={"delivery_success": False} if stream is BackfillStream.UNDELIVERED else {},
    )


def _read_pages(context: WorkerContext, taken: BackfillCursor) -> bool:
    """Take in the next pages of a list; whether there may be more."""
    until = context.clock.now_ms() // 1000 - _delay(taken.stream)
    count = 0
    for page in islice(_pages(context, taken, until), BACKFILL_PAGES_AT_ONCE):
        if not _store_page(context, taken, page):
            return False  # overtaken: whoever reads now goes on
        count += 1
    if count == BACKFILL_PAGES_AT_ONCE:
        return True
    with context.store.write() as connection:
        _note_end(connection, taken, until, context.clock.now_ms())
    return False


def _pages(context: WorkerContext, taken: BackfillCursor, until: int) -> Iterator[list[Rendered]]:
    """The pages from where the list was left, oldest first."""
    listed = stripe_list(context, taken.stream)
    since = max(taken.seen_until, context.clock.now_ms() // 1000 - EVENTS_KEPT_SECONDS)
    if not taken.cursor:
        yield from listed.since(since, until)
        return
    try:
        yield from listed.after(taken.cursor, until)
    except Rejected:
        # The object is gone: Stripe keeps events for 30 days. From its time on, then.
        yield from listed.since(since, until)


def _store_page(context: WorkerContext, taken: BackfillCursor, page: Sequence[Rendered]) -> bool:
    with context.store.write() as connection:
        found = take_in(context, connection, taken.stream, page)
        mine = save_page(
            connection,
            taken,
            cursor=str(page[-1]["id"]),
            seen_until=_seen_until(taken, page),
            listed=len(page),
            found=found.count,
            now_ms=context.clock.now_ms(),
        )
    ring_for_found(context, found)
    return mine


def _seen_until(taken: BackfillCursor, page: Sequence[Rendered]) -> int:
    """Until when everything is known. Undelivered events are a few among many, and say nothing of that."""
    if taken.stream is BackfillStream.UNDELIVERED:
        return taken.seen_until
    return max(taken.seen_until, int(page[-1]["created"]))


def _note_end(connection: Connection, taken: BackfillCursor, until: int, now_ms: int) -> None:
    """Note that a list was read to its end; undelivered events are looked for anew from some days back."""
    undelivered = taken.stream is BackfillStream.UNDELIVERED
    reached = until - UNDELIVERED_SECONDS if undelivered else until
    read_to_its_end(
        connection,
        taken,
        seen_until=max(taken.seen_until, reached),
        forget_cursor=undelivered,
        now_ms=now_ms,
    )


def _ask_about(
    connection: Connection, objects: _Objects, page: Sequence[Rendered], now_ms: int
) -> Found:
    """Have Stripe asked about the objects that no event told of."""
    object_ids = [str(one["id"]) for one in page]
    projected = select(objects.key).where(objects.key.in_(object_ids))
    # Workers that are behind will come to these by themselves.
    waiting = select(events.c.object_id).where(
        events.c.object_id.in_(object_ids),
        events.c.state.in_((EventState.NEW.value, EventState.CLAIMED.value)),
    )
    known = set(connection.execute(union(projected, waiting)).scalars())
    asked = [
        want_look_up(connection, objects.object_type, object_id, _WHY, now_ms)
        for object_id in object_ids
        if object_id not in known
    ]
    return Found(look_ups=tuple(row_id for row_id in asked if row_id is not None))


def _end(context: WorkerContext, taken: BackfillCursor, seconds: int, note: str | None) -> None:
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        give_back(connection, taken, due_ms=now_ms + seconds * 1000, note=note, now_ms=now_ms)


def _delay(stream: BackfillStream) -> int:
    """What is newer is left to Stripe's own deliveries, in seconds."""
    return BACKFILL_OBJECT_DELAY_SECONDS if stream in _OBJECTS else BACKFILL_SETTLE_SECONDS
