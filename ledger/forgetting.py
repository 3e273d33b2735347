"""One customer's personal data is erased; amounts, states and decisions stay, so that the books can still be proved.

What stays names the customer by Stripe's ids alone. Refused while anything of the customer's is open, because the
data is needed for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, insert, or_, select, update

from ledger.claim_tables import credit_claims
from ledger.erasure_tables import erasures
from ledger.notice_tables import NoticeChannel, notices
from ledger.payload_retention import ERASED
from ledger.request_tables import refund_requests
from ledger.rows import AnyRow
from ledger.states import CaseState, EventState, NoticeState, RequestState
from ledger.stripe_tables import (
    charges,
    customers,
    disputes,
    early_fraud_warnings,
    invoice_payments,
    invoices,
    payment_intents,
    refunds,
    reviews,
    subscriptions,
)
from ledger.tables import cases, events

#: Where an e-mail went that is not known any more; `.invalid` reaches nobody (RFC 2606).
ERASED_RECIPIENT = "erased@erased.invalid"
_ERASED_TEXT = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerData:
    """How many rows hold personal data of a customer, by what they are; `open_business` must end first.

    `erased_ms` is when it was erased before, None if it never was: what came since is personal again.
    """

    counts: dict[str, int]
    open_business: tuple[str, ...]
    erased_ms: int | None

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


def customer_data(connection: Connection, customer_id: str) -> CustomerData:
    """What `forget` would erase, and what stands against it."""
    counts = {
        name: connection.execute(
            select(func.count()).select_from(table).where(condition)
        ).scalar_one()
        for name, table, condition, _ in _erased(customer_id)
    }
    before = select(erasures.c.erased_ms).where(erasures.c.customer_id == customer_id)
    return CustomerData(
        counts=counts,
        open_business=tuple(_open_business(connection, customer_id)),
        erased_ms=connection.execute(before).scalar(),
    )


def forget_customer(connection: Connection, customer_id: str, now_ms: int) -> None:
    """Erase it. The caller has looked at `customer_data` in the same transaction, and audits."""
    # Last what the others are found by.
    for _, table, condition, values in _erased(customer_id):
        connection.execute(update(table).where(condition).values(values))
    again = update(erasures).where(erasures.c.customer_id == customer_id)
    if not connection.execute(again.values(erased_ms=now_ms)).rowcount:
        connection.execute(insert(erasures).values(customer_id=customer_id, erased_ms=now_ms))


def mails_of(connection: Connection, customer_id: str) -> Sequence[AnyRow]:
    """The e-mails that a customer was sent (key, created_ms): copies of them may lie in the outbox."""
    return connection.execute(
        select(notices.c.key, notices.c.created_ms).where(
            _notices_of(customer_id), notices.c.channel == NoticeChannel.EMAIL.value
        )
    ).all()


def _erased(customer_id: str) -> list[tuple[str, Table, ColumnElement[bool], dict[str, Any]]]:
    """What is erased: its name, where it is, which rows, and what stands there afterwards."""
    no_digests = dict.fromkeys(("email_digest", "ip_digest", "device_digest"))
    mails = notices.c.channel == NoticeChannel.EMAIL.value
    return [
        (
            "bodies of events",
            events,
            (_events_of(customer_id)) & (events.c.payload != ERASED),
            {"payload": ERASED},
        ),
        (
            "e-mails",
            notices,
            _notices_of(customer_id) & mails & (notices.c.recipient != ERASED_RECIPIENT),
            {"recipient": ERASED_RECIPIENT, "content": "{}"},
        ),
        (
            "refund requests",
            refund_requests,
            _requests_of(customer_id) & (refund_requests.c.product != _ERASED_TEXT),
            {
                "email": None,
                "email_digest": "",
                "product": _ERASED_TEXT,
                "evidence": None,
                "stated": "{}",
            },
        ),
        (
            "credit claims",
            credit_claims,
            (credit_claims.c.customer_id == customer_id)
            & (credit_claims.c.evidence != _ERASED_TEXT),
            {"evidence": _ERASED_TEXT},
        ),
        (
            "payments",
            charges,
            (charges.c.customer_id == customer_id)
            & or_(
                *(charges.c[name].is_not(None) for name in (*no_digests, "card_fingerprint")),
                charges.c.signals != "{}",
            ),
            {**no_digests, "card_fingerprint": None, "signals": "{}"},
        ),
        (
            "customer",
            customers,
            (customers.c.customer_id == customer_id) & customers.c.email_digest.is_not(None),
            {"email_digest": None, "disposable": None},
        ),
    ]


def _open_business(connection: Connection, customer_id: str) -> list[str]:
    found = []
    for kind, state in connection.execute(
        select(cases.c.kind, cases.c.state)
        .where(
            _case_of(customer_id),
            cases.c.state.in_((CaseState.REVIEW.value, CaseState.REFUNDING.value)),
        )
        .order_by(cases.c.id)
    ):
        found.append(f"a case ({kind}) is in {state}")
    waiting: tuple[tuple[str, Select[Any]], ...] = (
        (
            "a refund request waits",
            select(refund_requests.c.id).where(
                _requests_of(customer_id), refund_requests.c.state == RequestState.WAITING.value
            ),
        ),
        (
            "an e-mail waits to be sent",
            select(notices.c.id).where(
                _notices_of(customer_id),
                notices.c.state.in_((NoticeState.WAITING.value, NoticeState.SENDING.value)),
            ),
        ),
        (
            "an event waits for a worker",
            select(events.c.id).where(
                _events_of(customer_id),
                events.c.state.in_((EventState.NEW.value, EventState.CLAIMED.value)),
            ),
        ),
        (
            "a dispute is open",
            select(disputes.c.dispute_id).where(
                disputes.c.charge_id.in_(_charges_of(customer_id)),
                disputes.c.status.not_in(_ENDED_DISPUTES),
            ),
        ),
        (
            "a subscription runs",
            select(subscriptions.c.subscription_id).where(
                subscriptions.c.customer_id == customer_id,
                subscriptions.c.status.not_in(("canceled", "incomplete_expired")),
            ),
        ),
    )
    return found + [
        sentence
        for sentence, query in waiting
        if connection.execute(query.limit(1)).first() is not None
    ]


_ENDED_DISPUTES = ("won", "lost", "warning_closed", "prevented")


def _charges_of(customer_id: str) -> Select[Any]:
    return select(charges.c.charge_id).where(charges.c.customer_id == customer_id)


def _case_of(customer_id: str) -> ColumnElement[bool]:
    return or_(cases.c.customer_id == customer_id, cases.c.charge_id.in_(_charges_of(customer_id)))


def _cases_of(customer_id: str) -> Select[Any]:
    return select(cases.c.id).where(_case_of(customer_id))


def _requests_of(customer_id: str) -> ColumnElement[bool]:
    address = select(customers.c.email_digest).where(
        customers.c.customer_id == customer_id, customers.c.email_digest.is_not(None)
    )
    return or_(
        refund_requests.c.charge_id.in_(_charges_of(customer_id)),
        refund_requests.c.case_id.in_(_cases_of(customer_id)),
        refund_requests.c.email_digest.in_(address),
    )


def _notices_of(customer_id: str) -> ColumnElement[bool]:
    about = select(func.cast(cases.c.id, notices.c.subject_id.type)).where(_case_of(customer_id))
    return or_(
        notices.c.subject_id == customer_id,
        notices.c.subject_id.in_(about),
        notices.c.subject_id.in_(_charges_of(customer_id)),
    )


def _events_of(customer_id: str) -> ColumnElement[bool]:
    """Events about the customer, or about anything of the customer's."""
    own = _charges_of(customer_id)
    of_charges = (
        select(table.c[key]).where(table.c.charge_id.in_(own))
        for table, key in (
            (refunds, "refund_id"),
            (disputes, "dispute_id"),
            (reviews, "review_id"),
            (early_fraud_warnings, "warning_id"),
        )
    )
    of_customer = (
        select(table.c[key]).where(table.c.customer_id == customer_id)
        for table, key in (
            (payment_intents, "payment_intent_id"),
            (invoices, "invoice_id"),
            (subscriptions, "subscription_id"),
        )
    )
    bills = select(invoices.c.invoice_id).where(invoices.c.customer_id == customer_id)
    payments = select(invoice_payments.c.invoice_payment_id).where(
        invoice_payments.c.invoice_id.in_(bills)
    )
    return or_(
        events.c.lane == customer_id,
        events.c.object_id == customer_id,
        *(events.c.object_id.in_(ids) for ids in (own, *of_charges, *of_customer, payments)),
    )
