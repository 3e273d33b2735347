"""Sends the traces of new events to an OpenTelemetry collector, while `OTEL_EXPORTER_OTLP_ENDPOINT` names one.

It reads rows and nothing else: no process that receives, decides or pays waits for a collector or knows of it.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ledger.event_lives import (
    decisions_of_events,
    events_after,
    events_of_rows,
    newest_event,
    refunds_ended,
)
from runtime.wiring import Wiring

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PAUSE_SECONDS: Final = 5.0
_ROWS_MAX: Final = 500
#: Events that wait to be settled; beyond so many the oldest are told of no more.
_OPEN_MAX: Final = 10_000
_REFUND_MS_MAX: Final = 86_400_000

_log = structlog.get_logger("ops.traces")


class TracesMissing(Exception):
    """A collector is named, and the packages that speak to it are not installed."""


class TraceFeed:
    """The traces of one merchant, from the newest event at its making on."""

    def __init__(self, wiring: Wiring, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- an extra

        self._wiring = wiring
        self._exporter = exporter
        self._resource = Resource.create(
            {
                "service.name": "redress",
                "redress.merchant": wiring.settings.redress_merchant,
            }
        )
        self._open: list[int] = []
        self._refunds_until_ms = wiring.clock.now_ms()
        with wiring.store.read() as connection:
            self._row = newest_event(connection)

    def send(self) -> int:
        """Send what has ended since the last time; how many spans. They are lost if the collector does not take them."""
        spans = [*self._of_events(), *self._of_refunds()]
        if spans:
            self._exporter.export(spans)
        return len(spans)

    def _of_events(self) -> Iterator["ReadableSpan"]:
        from ops.event_traces import event_spans  # noqa: PLC0415 -- needs the extra

        with self._wiring.store.read() as connection:
            fresh = events_after(connection, self._row, _ROWS_MAX)
            waited = events_of_rows(connection, self._open[:_ROWS_MAX])
            found = [*waited, *fresh]
            ended = [row for row in found if row.settled_ms is not None]
            decided = decisions_of_events(connection, [row.id for row in ended])
        if fresh:
            self._row = fresh[-1].id
        done = {row.id for row in ended}
        self._open = [row_id for row_id in self._open if row_id not in done]
        self._open += [row.id for row in fresh if row.id not in done]
        self._open = self._open[-_OPEN_MAX:]
        for row in ended:
            mine = [one for one in decided if one.event_row_id == row.id]
            yield from event_spans(row, mine, self._resource)

    def _of_refunds(self) -> Iterator["ReadableSpan"]:
        from ops.event_traces import refund_span  # noqa: PLC0415 -- needs the extra

        since, now_ms = self._refunds_until_ms, self._wiring.clock.now_ms()
        with self._wiring.store.read() as connection:
            found = refunds_ended(connection, since, now_ms, since - _REFUND_MS_MAX)
        self._refunds_until_ms = now_ms
        for row in found:
            yield refund_span(row, self._resource)


@contextmanager
def traces_sent(wirings: Mapping[str, Wiring]) -> Iterator[bool]:
    """Send traces from a thread of its own while inside, if a collector is named; whether one is. Raises TracesMissing."""
    if not (os.environ.get(ENDPOINT) or os.environ.get(TRACES_ENDPOINT)):
        yield False
        return
    exporter = _exporter()
    stopped = threading.Event()
    thread = threading.Thread(
        target=_feed, args=(wirings, exporter, stopped), name="traces", daemon=True
    )
    thread.start()
    try:
        yield True
    finally:
        stopped.set()
        thread.join()
        exporter.shutdown()


def _exporter() -> "SpanExporter":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 -- an extra
            OTLPSpanExporter,
        )
    except ImportError:
        raise TracesMissing(
            f"{ENDPOINT} is set, and OpenTelemetry's packages are missing: install redress[traces], or unset it."
        ) from None
    return OTLPSpanExporter(timeout=_PAUSE_SECONDS)


def _feed(
    wirings: Mapping[str, Wiring], exporter: "SpanExporter", stopped: threading.Event
) -> None:
    feeds: dict[str, TraceFeed] = {}
    while not stopped.wait(_PAUSE_SECONDS):
        for name, wiring in wirings.items():
            try:
                if name not in feeds:
                    feeds[name] = TraceFeed(wiring, exporter)
                feeds[name].send()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("traces.not_read", merchant=name, error=type(error).__name__)
