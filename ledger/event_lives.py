"""The lives of events as their rows tell them: when each was made, received and settled, and the refunds that followed."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from ledger.rows import AnyRow
from ledger.states import IntentState
from ledger.tables import decisions, events, refund_intents

#: An intent in one of these goes on: its life is not to be told yet.
_UNDER_WAY: Final = tuple(
    state.value
    for state in (
        IntentState.OBSERVED,
        IntentState.RESERVED,
        IntentState.SUBMITTED,
        IntentState.UNKNOWN,
        IntentState.PENDING,
    )
)


def newest_event(connection: Connection) -> int:
    """The number of the newest event's row; 0 before the first."""
    return int(connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one())


def events_after(connection: Connection, row_id: int, count_max: int) -> Sequence[AnyRow]:
    """The next events after a row, the oldest first, whatever their state."""
    return connection.execute(_AFTER, {"row": row_id, "most": count_max}).all()


def events_of_rows(connection: Connection, row_ids: Sequence[int]) -> Sequence[AnyRow]:
    """The events of these rows, oldest first."""
    return connection.execute(_OF_ROWS, {"rows": list(row_ids)}).all()


def decisions_of_events(connection: Connection, row_ids: Sequence[int]) -> Sequence[AnyRow]:
    """What was decided from these events: `event_row_id`, `case_id`, `verdict`, `terms_version`, `made_ms`."""
    return connection.execute(_DECIDED, {"rows": list(row_ids)}).all()


def refunds_ended(
    connection: Connection, since_ms: int, until_ms: int, made_since_ms: int
) -> Sequence[AnyRow]:
    """Refunds that ended in a span (unix ms, its end exclusive), each with the event that its decision came from.

    Those that were made before `made_since_ms` are not looked for.
    """
    span = {"since": since_ms, "until": until_ms, "made_since": made_since_ms}
    return connection.execute(_ENDED, span).all()


_LIFE: Final = (
    events.c.id,
    events.c.event_id,
    events.c.account,
    events.c.livemode,
    events.c.type,
    events.c.source,
    events.c.state,
    events.c.created,
    events.c.received_ms,
    events.c.settled_ms,
    events.c.attempts,
    events.c.kills,
)
_AFTER: Final = (
    select(*_LIFE)
    .where(events.c.id > bindparam("row"))
    .order_by(events.c.id)
    .limit(bindparam("most"))
)
_OF_ROWS: Final = (
    select(*_LIFE).where(events.c.id.in_(bindparam("rows", expanding=True))).order_by(events.c.id)
)
_DECIDED: Final = (
    select(
        decisions.c.event_row_id,
        decisions.c.case_id,
        decisions.c.verdict,
        decisions.c.terms_version,
        decisions.c.made_ms,
    )
    .where(decisions.c.event_row_id.in_(bindparam("rows", expanding=True)))
    .order_by(decisions.c.id)
)
_ENDED: Final = (
    select(
        *_LIFE,
        refund_intents.c.id.label("intent_id"),
        refund_intents.c.charge_id,
        refund_intents.c.amount_minor,
        refund_intents.c.currency,
        refund_intents.c.state.label("intent_state"),
        refund_intents.c.attempts.label("calls"),
        refund_intents.c.created_ms,
        refund_intents.c.changed_ms,
    )
    .join(decisions, decisions.c.id == refund_intents.c.decision_id)
    .join(events, events.c.id == decisions.c.event_row_id)
    .where(
        refund_intents.c.created_ms >= bindparam("made_since", type_=BigInteger),
        refund_intents.c.changed_ms >= bindparam("since", type_=BigInteger),
        refund_intents.c.changed_ms < bindparam("until", type_=BigInteger),
        refund_intents.c.state.not_in(_UNDER_WAY),
    )
    .order_by(refund_intents.c.changed_ms)
)
