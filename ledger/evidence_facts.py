"""What the ledger holds about a disputed payment that a bank may want to see. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, or_, select

from ledger.cases import cases_of_charges
from ledger.credit_tables import credit_entries
from ledger.dispute_rows import Dispute, dispute_by_id
from ledger.notice_tables import NoticeChannel, notices
from ledger.request_tables import refund_requests
from ledger.rows import AnyRow
from ledger.states import CreditKind, NoticeState
from ledger.stripe_tables import charges, disputes, early_fraud_warnings
from ledger.tables import decisions, events
from policy.compelling_evidence import (
    OLDER_DAYS_MAX,
    CardPayment,
    CompellingEvidence,
    Element,
    compelling_evidence,
)
from policy.fraud_signals import DAY_SECONDS

_ROWS_MAX: Final = 1_000
_ELEMENTS: Final = {
    Element.PURCHASE_IP: "ip_digest",
    Element.DEVICE: "device_digest",
    Element.EMAIL: "email_digest",
    Element.ACCOUNT: "customer_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFacts:
    """Rows of the tables of the same names, the oldest first; `told` are renderings of charges by their ids, as bytes of JSON."""

    dispute: Dispute
    charge: AnyRow
    compelling: CompellingEvidence
    payments: Sequence[AnyRow]  # the customer's and the card's, this one included
    accused: frozenset[str]  # those of them that were disputed or reported
    usage: Sequence[AnyRow]  # what was drawn after the purchase by the customer
    decisions: Sequence[AnyRow]
    requests: Sequence[AnyRow]
    notices: Sequence[AnyRow]  # e-mails that were sent, without their addresses
    told: dict[str, bytes]


def evidence_facts(connection: Connection, dispute_id: str) -> EvidenceFacts | None:
    """Everything about one dispute; None when the ledger does not know it or its charge."""
    dispute = dispute_by_id(connection, dispute_id)
    if dispute is None:
        return None
    charge = connection.execute(
        select(charges).where(charges.c.charge_id == dispute.charge_id)
    ).first()
    if charge is None:
        return None
    payments = _payments(connection, charge)
    accused = _accused(connection, [row.charge_id for row in payments])
    compelling = compelling_evidence(
        _card_payment(charge, accused),
        [
            _card_payment(row, accused)
            for row in payments
            if row.charge_id != charge.charge_id and _same_card(row, charge)
        ],
        network=charge.card_network,
        reason_code=dispute.network_reason_code,
    )
    about = [charge.charge_id, *([charge.customer_id] if charge.customer_id else [])]
    case_ids = [one.case_id for one in cases_of_charges(connection, [charge.charge_id])]
    wanted = {charge.charge_id, *compelling.prior}
    return EvidenceFacts(
        dispute=dispute,
        charge=charge,
        compelling=compelling,
        payments=payments,
        accused=accused,
        usage=_usage(connection, charge),
        decisions=connection.execute(
            select(decisions).where(decisions.c.case_id.in_(case_ids)).order_by(decisions.c.id)
        ).all(),
        requests=connection.execute(
            select(refund_requests)
            .where(
                or_(
                    refund_requests.c.charge_id == charge.charge_id,
                    refund_requests.c.case_id.in_(case_ids),
                )
            )
            .order_by(refund_requests.c.id)
        ).all(),
        notices=_emails(connection, [*about, *map(str, case_ids)]),
        told=_told(connection, [row for row in payments if row.charge_id in wanted]),
    )


def _payments(connection: Connection, charge: AnyRow) -> Sequence[AnyRow]:
    """The payments of the card and the customer in the year and a half around, and no more than a page can show."""
    whose = [
        column == value
        for column, value in (
            (charges.c.card_fingerprint, charge.card_fingerprint),
            (charges.c.customer_id, charge.customer_id),
        )
        if value is not None
    ]
    since = charge.created - (OLDER_DAYS_MAX + 1) * DAY_SECONDS
    rows = connection.execute(
        select(charges)
        .where(
            or_(charges.c.charge_id == charge.charge_id, *whose),
            charges.c.created >= since,
            charges.c.status == "succeeded",
        )
        .order_by(charges.c.created.desc(), charges.c.charge_id)
        .limit(_ROWS_MAX)
    ).all()
    return rows[::-1]


def _accused(connection: Connection, charge_ids: Sequence[str]) -> frozenset[str]:
    return frozenset(
        charge_id
        for table in (disputes, early_fraud_warnings)
        for charge_id in connection.execute(
            select(table.c.charge_id).where(table.c.charge_id.in_(charge_ids))
        ).scalars()
    )


def _same_card(one: AnyRow, other: AnyRow) -> bool:
    return one.card_fingerprint is not None and one.card_fingerprint == other.card_fingerprint


def _card_payment(row: AnyRow, accused: frozenset[str]) -> CardPayment:
    found = {element: getattr(row, column) for element, column in _ELEMENTS.items()}
    return CardPayment(
        charge_id=row.charge_id,
        created=row.created,
        elements={element: value for element, value in found.items() if value is not None},
        accused=row.charge_id in accused,
        paid=row.status == "succeeded" and row.captured_minor > 0,
    )


def _usage(connection: Connection, charge: AnyRow) -> Sequence[AnyRow]:
    if charge.customer_id is None:
        return ()
    return connection.execute(
        select(credit_entries)
        .where(
            credit_entries.c.customer_id == charge.customer_id,
            credit_entries.c.kind == CreditKind.USAGE.value,
            credit_entries.c.at >= charge.created,
        )
        .order_by(credit_entries.c.at, credit_entries.c.id)
        .limit(_ROWS_MAX)
    ).all()


def _emails(connection: Connection, subjects: Sequence[str]) -> Sequence[AnyRow]:
    return connection.execute(
        select(notices.c.id, notices.c.event, notices.c.subject_id, notices.c.sent_ms)
        .where(
            notices.c.subject_id.in_(subjects),
            notices.c.channel == NoticeChannel.EMAIL.value,
            notices.c.state == NoticeState.SENT.value,
        )
        .order_by(notices.c.id)
    ).all()


def _told(connection: Connection, rows: Sequence[AnyRow]) -> dict[str, bytes]:
    """The payload of the event that told each charge's newest state; a charge that was only looked up has none."""
    event_of = {row.seen_event_id: row.charge_id for row in rows}
    found = connection.execute(
        select(events.c.event_id, events.c.payload).where(events.c.event_id.in_(list(event_of)))
    )
    return {event_of[row.event_id]: row.payload for row in found}
