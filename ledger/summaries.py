"""Counts over the whole ledger, for people who watch it work."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, select

from ledger.claim_tables import credit_claims
from ledger.ending_tables import subscription_ends
from ledger.notice_tables import NoticeChannel, notices
from ledger.request_tables import refund_requests
from ledger.states import (
    CaseState,
    ClaimState,
    EndState,
    EventState,
    IntentState,
    LookUpState,
    NoticeState,
    RequestState,
)
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
    """Count events, cases, refunds and all that is on its way, in one read."""
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
            _count(refund_requests.c.state == RequestState.WAITING.value),
            _count(credit_claims.c.state == ClaimState.WAITING.value),
            _count(subscription_ends.c.state == EndState.WANTED.value),
            _count(notices.c.state.in_([NoticeState.WAITING.value, NoticeState.SENDING.value])),
        )
    ).one()
    return Progressed(
        events=counts[0],
        parked=counts[1],
        findings=counts[2],
        refunded=counts[3],
        open_rows=sum(counts[4:]),
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


def emails_sent(connection: Connection, since_ms: int) -> int:
    """How many e-mails to customers were sent since then."""
    sent = notices.c.state == NoticeState.SENT.value
    query = select(
        _count(
            (notices.c.channel == NoticeChannel.EMAIL.value)
            & sent
            & (notices.c.sent_ms >= since_ms)
        )
    )
    return int(connection.execute(query).scalar_one())


def _count(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(condition).scalar_subquery()
