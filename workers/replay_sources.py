"""Where the events of a replay come from: rows of the ledger, or bodies that somebody else kept.

Each source gives its events in batches, in order, and says after each where to go on from there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from ledger.engine import Store
from ledger.event_queries import EventFilter
from ledger.event_types import HANDLED
from ledger.events import NewEvent
from ledger.parsing import Expected, parse_event
from ledger.replaying import ReplayOrder, next_rows
from runtime.operator_limits import REPLAY_STEP_ROWS
from workers.gateway import Rendered
from workers.stripe_lists import StripeList


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some events: rows of the ledger, or bodies as the inbox takes them. `cursor` is the place after them."""

    cursor: str
    row_ids: tuple[int, ...] = ()
    events: tuple[NewEvent, ...] = ()


class ReplaySource(Protocol):
    """Events to be worked through again."""

    def batches(self, after: str) -> Iterator[Batch]:
        """Everything after the place `after` ("" is the beginning), a batch at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRows:
    """Settled rows of the ledger up to `last_row`: what arrives later is not meant. `most`: at most so many."""

    store: Store
    order: ReplayOrder
    last_row: int
    most: int | None = None

    def batches(self, after: str) -> Iterator[Batch]:
        """Everything after the row `after`, a batch at a time."""
        order = replace(self.order, after_row=int(after) if after else self.order.after_row)
        left = self.most
        while left is None or left > 0:
            count_max = REPLAY_STEP_ROWS if left is None else min(left, REPLAY_STEP_ROWS)
            with self.store.read() as connection:
                rows = next_rows(connection, order, last_row=self.last_row, count_max=count_max)
            if not rows:
                return
            yield Batch(cursor=str(rows[-1]), row_ids=tuple(rows))
            order = replace(order, after_row=rows[-1])
            left = None if left is None else left - len(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvents:
    """Events of the last 30 days as Stripe's API lists them, made in [since, until), unix seconds."""

    events: StripeList
    since: int
    until: int
    wanted: EventFilter
    expected: Expected

    def batches(self, after: str) -> Iterator[Batch]:
        """Everything after the event `after`, a page at a time."""
        listed = self.events.after(after, self.until) if after else None
        for page in listed or self.events.since(self.since, self.until):
            yield Batch(cursor=str(page[-1]["id"]), events=self._meant(page))

    def _meant(self, page: Iterable[Rendered]) -> tuple[NewEvent, ...]:
        taken = (polled_event(event, self.expected) for event in page)
        return tuple(event for event in taken if fits(self.wanted, event))


def polled_event(rendered: Rendered, expected: Expected) -> NewEvent:
    """An event that Stripe listed, as the inbox takes it: by the same parser as a delivery, its source noted."""
    return parse_event(orjson.dumps(rendered), expected, "poll")


def fits(wanted: EventFilter, event: NewEvent) -> bool:
    """Whether a filter means an event that is not in the ledger; only types that are handled are ever meant.

    The span is of when the event was made. What only the ledger knows (state, decisions) is not asked here.
    """
    at_ms = event.created * 1000
    return (
        event.type in HANDLED
        and (not wanted.event_ids or event.event_id in wanted.event_ids)
        and (not wanted.types or any(_is_type(event.type, one) for one in wanted.types))
        and wanted.object_id in (None, event.object_id)
        and wanted.lane in (None, event.lane)
        and (wanted.since_ms is None or at_ms >= wanted.since_ms)
        and (wanted.until_ms is None or at_ms < wanted.until_ms)
    )


def _is_type(found: str, wanted: str) -> bool:
    return found.startswith(wanted[:-1]) if wanted.endswith("*") else found == wanted
