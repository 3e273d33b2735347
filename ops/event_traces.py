"""OpenTelemetry spans made from the ledger's rows: one trace for each event, from Stripe to the last cent.

Ids follow from the event, so whoever makes a span twice makes the same one, and a refund that ends hours later finds
its trace. Nothing in a span tells of a person.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from ledger.rows import AnyRow
from ledger.states import EventState, IntentState

_NS: Final = 1_000_000
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_WRONG: Final = frozenset({IntentState.REJECTED.value, IntentState.FAILED.value})

Attributes = dict[str, str | int | bool]


def event_spans(
    event: AnyRow, decided: Iterable[AnyRow], resource: Resource
) -> Sequence[ReadableSpan]:
    """The spans of a settled event: its whole life, the way to us, and the work on it with its decisions."""
    made_ms = min(event.created * 1000 or event.received_ms, event.received_ms)
    about: Attributes = {
        "redress.event_id": event.event_id,
        "redress.event_type": event.type,
        "redress.state": event.state,
        "redress.source": event.source,
    }
    parked = event.state == EventState.PARKED.value
    work: Attributes = {"redress.attempts": event.attempts, "redress.kills": event.kills}
    return (
        ReadableSpan(
            name=f"event {event.type}",
            context=_context(event, "event"),
            resource=resource,
            attributes=about,
            kind=SpanKind.CONSUMER,
            status=Status(StatusCode.ERROR if parked else StatusCode.OK),
            start_time=made_ms * _NS,
            end_time=event.settled_ms * _NS,
        ),
        _child(event, "deliver", resource, {}, (made_ms, event.received_ms)),
        _child(
            event,
            "work",
            resource,
            work,
            (event.received_ms, event.settled_ms),
            told=[_decision(row) for row in decided],
        ),
    )


def refund_span(row: AnyRow, resource: Resource) -> ReadableSpan:
    """The span of a refund that has ended, in the trace of the event that led to it."""
    about: Attributes = {
        "redress.intent_id": row.intent_id,
        "redress.charge_id": row.charge_id,
        "redress.amount_minor": row.amount_minor,
        "redress.currency": row.currency,
        "redress.state": row.intent_state,
        "redress.calls": row.calls,
    }
    return _child(
        row,
        f"refund {row.intent_id}",
        resource,
        about,
        (row.created_ms, row.changed_ms),
        wrong=row.intent_state in _WRONG,
    )


def _child(
    event: AnyRow,
    name: str,
    resource: Resource,
    about: Attributes,
    span_ms: tuple[int, int],
    *,
    told: Sequence[Event] = (),
    wrong: bool = False,
) -> ReadableSpan:
    begin_ms, end_ms = span_ms
    return ReadableSpan(
        name=name.partition(" ")[0],
        context=_context(event, name),
        parent=_context(event, "event"),
        resource=resource,
        attributes=about,
        events=told,
        status=Status(StatusCode.ERROR if wrong else StatusCode.OK),
        start_time=begin_ms * _NS,
        end_time=max(begin_ms, end_ms) * _NS,
    )


def _decision(row: AnyRow) -> Event:
    about: Attributes = {
        "redress.case_id": row.case_id,
        "redress.verdict": row.verdict,
        "redress.terms_version": row.terms_version,
    }
    return Event("decision", about, row.made_ms * _NS)


def _context(event: AnyRow, name: str) -> SpanContext:
    of_event = f"{event.account}\n{event.livemode}\n{event.event_id}"
    return SpanContext(
        trace_id=_number(of_event, 16),
        span_id=_number(f"{of_event}\n{event.id}\n{name}", 8),
        is_remote=False,
        trace_flags=_SAMPLED,
    )


def _number(text: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:size])
