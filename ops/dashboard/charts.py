"""Events over an hour, a day or a month as bars, drawn by the server: a picture needs no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from ledger.event_counts import received_between
from ops.dashboard.remembered import remembered

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_HEIGHT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How far back a chart goes: so many bars of so long each."""

    bars: int
    bar_ms: int
    each: str


SPANS: Final[Mapping[str, Span]] = {
    "hour": Span(bars=60, bar_ms=_MINUTE_MS, each="minute"),
    "day": Span(bars=48, bar_ms=_HOUR_MS // 2, each="half hour"),
    "month": Span(bars=30, bar_ms=_DAY_MS, each="day"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: when it begins (unix ms), how many events, and how high it is of 100."""

    from_ms: int
    count: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """All bars, the oldest first; the last one is not over yet."""

    bars: Sequence[Bar]
    each: str
    highest: int
    total: int
    per_second: float


def event_chart(connection: Connection, merchant: str, span_name: str, now_ms: int) -> Chart:
    """The events that were received over a span. Bars that are over do not change, so each is counted once."""
    span = SPANS[span_name]
    last = now_ms - now_ms % span.bar_ms
    edges = [last - place * span.bar_ms for place in range(span.bars - 1, -1, -1)]
    kept_seconds = span.bars * span.bar_ms / 1000
    counts = [
        remembered(
            (merchant, "received", span_name, str(edge)),
            kept_seconds,
            partial(received_between, connection, edge, edge + span.bar_ms),
        )
        for edge in edges[:-1]
    ]
    counts.append(received_between(connection, last, now_ms + 1))
    highest = max(counts)
    bars = [
        Bar(from_ms=edge, count=count, height=_height(count, highest))
        for edge, count in zip(edges, counts, strict=True)
    ]
    seconds = (now_ms - edges[0]) / 1000
    total = sum(counts)
    return Chart(
        bars=bars,
        each=span.each,
        highest=highest,
        total=total,
        per_second=total / seconds if seconds else 0.0,
    )


def _height(count: int, highest: int) -> int:
    """Of 100; what is there at all can be seen."""
    return 0 if not count else max(2, count * _HEIGHT // highest)
