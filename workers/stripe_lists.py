"""Walks one of Stripe's lists from the oldest object to the newest, some calls a second and no more.

Stripe's pages go from the newest to the oldest. Upwards one gets with `ending_before` an object that is known
already; the first one after a moment is found by asking for wider and wider stretches of time
(docs.stripe.com/api/pagination). `created` is unix seconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.clock import Clock
from runtime.operator_limits import LIST_PAGE_ROWS, LIST_PAUSE_SECONDS
from workers.gateway import Gateway, Rendered
from workers.stripe_answers import ListPage

_HOUR_SECONDS = 3_600
_WIDER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeList:
    """One list, such as `events`, with what is always asked of it. All calls raise GatewayError."""

    gateway: Gateway
    clock: Clock
    resource: str
    query: Mapping[str, Any] = field(default_factory=dict)

    def after(self, object_id: str, until: int) -> Iterator[list[Rendered]]:
        """Pages of what was made after the object `object_id` and before `until`, oldest first."""
        while True:
            page = self._page({"ending_before": object_id, "created": {"lt": until}})
            if page.data:
                yield page.data[::-1]
                object_id = str(page.data[0]["id"])
            if not page.has_more:
                return

    def since(self, since: int, until: int) -> Iterator[list[Rendered]]:
        """Pages of what was made in [since, until), oldest first."""
        first = self._first_since(since, until)
        if first:
            yield first
            yield from self.after(str(first[-1]["id"]), until)

    def _first_since(self, since: int, until: int) -> list[Rendered]:
        begin, seconds = since, _HOUR_SECONDS
        while begin < until:
            end = min(begin + seconds, until)
            page = self._page({"created": {"gte": begin, "lt": end}})
            if page.has_more and seconds > 1:
                seconds = max(1, seconds // _WIDER)
            elif page.has_more:
                return self._whole_second(begin, page)
            elif page.data:
                return page.data[::-1]
            else:
                begin, seconds = end, seconds * _WIDER
        return []

    def _whole_second(self, at: int, page: ListPage) -> list[Rendered]:
        found = list(page.data)
        while page.has_more:
            span = {"gte": at, "lt": at + 1}
            page = self._page({"created": span, "starting_after": found[-1]["id"]})
            found += page.data
        return found[::-1]

    def _page(self, query: Mapping[str, Any]) -> ListPage:
        self.clock.sleep(LIST_PAUSE_SECONDS)
        asked = {**self.query, **query, "limit": LIST_PAGE_ROWS}
        return self.gateway.list_page(self.resource, asked)
