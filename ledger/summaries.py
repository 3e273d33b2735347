"""Counts over the whole ledger, for people who watch it work."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, select

from ledger.states import CaseState, EventState, IntentState, LookUpState
from ledger.tables import cases, events, look_ups, refund_intents

#: States in which a refund still has a step ahead of it that nobody needs to decide.
_UNDER_WAY = [
    state.value
    for state in (
        IntentState.RESERVED,
        IntentState.SUBMITTED,
        IntentState.UNKNOWN,
        IntentState.PENDING,
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """How far the processor has come: what was found and still stands, and rows with a step ahead."""

    events: int
    parked: int
    findings: int
    refunded: int
    open_rows: int


def day_progress(connection: Connection) -> Progressed:
    """Count events, cases and refunds, in one read."""
    unsettled = events.c.state.in_([EventState.NEW.value, EventState.CLAIMED.value])
    counts = connection.execute(
        select(
            select(func.count()).select_from(events).scalar_subquery(),
            _count(events.c.state == EventState.PARKED.value),
            _count(cases.c.state != CaseState.CLOSED.value),
            _count(refund_intents.c.state == IntentState.SUCCEEDED.value),
            _count(unsettled),
            _count(refund_intents.c.state.in_(_UNDER_WAY)),
            _count(look_ups.c.state == LookUpState.WANTED.value),
        )
    ).one()
    return Progressed(
        events=counts[0],
        parked=counts[1],
        findings=counts[2],
        refunded=counts[3],
        open_rows=counts[4] + counts[5] + counts[6],
    )


def refunds_by_charge(connection: Connection) -> dict[str, tuple[int, str]]:
    """The refunds that Stripe confirmed: minor units and currency, by charge."""
    rows = connection.execute(
        select(
            refund_intents.c.charge_id,
            func.sum(refund_intents.c.amount_minor),
            refund_intents.c.currency,
        )
        .where(refund_intents.c.state == IntentState.SUCCEEDED.value)
        .group_by(refund_intents.c.charge_id, refund_intents.c.currency)
    ).all()
    return {row[0]: (int(row[1]), row[2]) for row in rows}


def reviews_by_charge(connection: Connection) -> list[str]:
    """The charges whose cases wait for a person."""
    query = select(cases.c.charge_id).where(cases.c.state == CaseState.REVIEW.value)
    return list(connection.execute(query).scalars())


def _count(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(condition).scalar_subquery()
