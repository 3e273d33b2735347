"""Gathers the payments that the policy compares: one charge and everything that may be the same thing.

The search widens from the charge: its neighbours by customer, card, order and invoice; then the
neighbours of those that the policy relates to it, and so on until nothing new is found. The answer
depends on the rows alone, never on which event led here.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, select, union

from ledger.look_ups import was_answered
from ledger.rows import AnyRow
from ledger.stripe_tables import charges, disputes, invoice_payments, invoices, subscriptions
from policy.payments import DisputeStanding, InvoiceFacts, Payment, SubscriptionFacts
from runtime.limits import GROUP_PAYMENTS_MAX

#: A look-up of this type asks Stripe which invoices a PaymentIntent pays.
INVOICES_OF_PAYMENT_INTENT = "invoice_payments_of_payment_intent"

_INQUIRY_PREFIX = "warning_"
_WON = frozenset({"won", "prevented"})


class GroupTooLarge(Exception):
    """More payments are tied to one charge than a shop's customer ever makes; a person must look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far apart, in seconds, payments may be and still be compared.

    `purchase_seconds` is for any two of one customer or card, `subscription_seconds` for the first
    payments of one customer's subscriptions.
    """

    purchase_seconds: int
    subscription_seconds: int


def gather_group(
    connection: Connection,
    charge_id: str,
    reach: Reach,
    related: Callable[[Payment, Payment], bool],
) -> list[Payment]:
    """The payment of `charge_id` and all that hangs together with it; empty when nothing is near.

    Raises GroupTooLarge past GROUP_PAYMENTS_MAX payments.
    """
    found: dict[str, Payment] = {}
    tied: dict[str, Payment] = {}
    frontier = [charge_id]
    while frontier:
        rows = _neighbours(connection, frontier, reach)
        fresh = {row.charge_id: row for row in rows if row.charge_id not in found}
        if not found and len(fresh) < 2:  # noqa: PLR2004 - the usual case: nothing to compare with
            return []
        if len(found) + len(fresh) > GROUP_PAYMENTS_MAX:
            raise GroupTooLarge(f"more than {GROUP_PAYMENTS_MAX} payments are tied to {charge_id}")
        new = payments_from(connection, list(fresh.values()))
        found.update({payment.charge_id: payment for payment in new})
        if not tied:
            tied = {charge_id: found[charge_id]} if charge_id in found else {}
        frontier = _tie(found, tied, related)
    return list(tied.values())


def _tie(
    found: dict[str, Payment],
    tied: dict[str, Payment],
    related: Callable[[Payment, Payment], bool],
) -> list[str]:
    """Add to `tied` all of `found` that a chain of relations leads to; returns what was added."""
    added: list[str] = []
    reached = list(tied.values())
    while reached:
        one = reached.pop()
        for candidate in found.values():
            if candidate.charge_id not in tied and related(one, candidate):
                tied[candidate.charge_id] = candidate
                added.append(candidate.charge_id)
                reached.append(candidate)
    return added


def payments_by_charge(connection: Connection, charge_ids: Iterable[str]) -> dict[str, Payment]:
    """The facts of these charges alone, by charge; charges that are not known are left out."""
    rows = connection.execute(_CHARGES, {"ids": list(charge_ids)}).all()
    return {payment.charge_id: payment for payment in payments_from(connection, rows)}


def payments_from(connection: Connection, rows: Sequence[AnyRow]) -> list[Payment]:
    """Turn rows of `charges` into payments, with their invoices, subscriptions and disputes."""
    if not rows:
        return []
    payment_intents = [row.payment_intent_id for row in rows if row.payment_intent_id]
    links = _invoice_links(connection, payment_intents)
    asked = was_answered(connection, INVOICES_OF_PAYMENT_INTENT, payment_intents)
    subscription_ids = [link.subscription_id for link in links.values() if link.subscription_id]
    subscribed = _subscriptions(connection, subscription_ids)
    standings = _dispute_standings(connection, [row.charge_id for row in rows])
    return [
        _payment(
            row,
            links.get(row.payment_intent_id or ""),
            subscribed,
            standings.get(row.charge_id, (DisputeStanding.NONE, 0)),
            invoice_settled=row.payment_intent_id in asked or row.payment_intent_id is None,
        )
        for row in rows
    ]


def _neighbours(
    connection: Connection, charge_ids: Sequence[str], reach: Reach
) -> Sequence[AnyRow]:
    """These charges and their neighbours; at the limit of rows a group is too large in any case."""
    return connection.execute(
        _NEIGHBOURS,
        {
            "ids": charge_ids,
            "purchase_seconds": reach.purchase_seconds,
            "subscription_seconds": reach.subscription_seconds,
            "most": GROUP_PAYMENTS_MAX + 1,
        },
    ).all()


def _payment(
    row: AnyRow,
    invoice: InvoiceFacts | None,
    subscribed: dict[str, SubscriptionFacts],
    dispute: tuple[DisputeStanding, int],
    *,
    invoice_settled: bool,
) -> Payment:
    subscription_id = None if invoice is None else invoice.subscription_id
    return Payment(
        charge_id=row.charge_id,
        payment_intent_id=row.payment_intent_id,
        created=row.created,
        captured_minor=row.captured_minor if row.status == "succeeded" else 0,
        refunded_minor=row.refunded_minor,
        currency=row.currency,
        customer_id=row.customer_id,
        card_fingerprint=row.card_fingerprint,
        order_reference=row.order_reference,
        product=row.product or only_price(invoice),
        invoice=invoice,
        invoice_known=invoice is not None or invoice_settled,
        subscription=subscribed.get(subscription_id or ""),
        dispute=dispute[0],
        disputed_minor=dispute[1],
        livemode=row.livemode,
    )


def only_price(invoice: InvoiceFacts | None) -> str | None:
    """The price of an invoice that is for one price alone: what its payment bought."""
    return invoice.price_ids[0] if invoice is not None and len(invoice.price_ids) == 1 else None


def _invoice_links(connection: Connection, payment_intents: list[str]) -> dict[str, InvoiceFacts]:
    """The invoice that each PaymentIntent paid, as far as it is known."""
    if not payment_intents:
        return {}
    rows = connection.execute(_INVOICE_LINKS, {"ids": payment_intents}).all()
    return {
        row.payment_intent_id: InvoiceFacts(
            invoice_id=row.invoice_id,
            subscription_id=row.subscription_id,
            billing_reason=row.billing_reason,
            amount_due_minor=row.amount_due_minor,
            price_ids=tuple(json.loads(row.price_ids or "[]")),
        )
        for row in rows
    }


def _subscriptions(connection: Connection, ids: list[str]) -> dict[str, SubscriptionFacts]:
    if not ids:
        return {}
    rows = connection.execute(_SUBSCRIPTIONS, {"ids": ids}).all()
    return {
        row.subscription_id: SubscriptionFacts(
            subscription_id=row.subscription_id,
            created=row.created,
            ended_at=row.ended_at,
            status=row.status,
        )
        for row in rows
    }


def _dispute_standings(
    connection: Connection, charge_ids: list[str]
) -> dict[str, tuple[DisputeStanding, int]]:
    """The worst standing of each charge's disputes, and the money that they took."""
    rows = connection.execute(_DISPUTES, {"ids": charge_ids}).all()
    of_charge: dict[str, list[tuple[DisputeStanding, int]]] = {}
    for row in rows:
        standing = dispute_standing(row.status), row.amount_minor
        of_charge.setdefault(row.charge_id, []).append(standing)
    return {charge_id: worst_dispute(disputed) for charge_id, disputed in of_charge.items()}


def worst_dispute(disputed: Sequence[tuple[DisputeStanding, int]]) -> tuple[DisputeStanding, int]:
    """The worst standing among one charge's disputes, and the minor units that they took together."""
    standings = [standing for standing, _ in disputed]
    worst = max(standings, key=_SEVERITY.index, default=DisputeStanding.NONE)
    taken = (DisputeStanding.OPEN, DisputeStanding.LOST)
    return worst, sum(amount for standing, amount in disputed if standing in taken)


def dispute_standing(status: str) -> DisputeStanding:
    """Sort one of Stripe's dispute statuses; one that is not known yet counts as open."""
    if status.startswith(_INQUIRY_PREFIX):
        return DisputeStanding.INQUIRY
    if status in _WON:
        return DisputeStanding.WON
    return DisputeStanding.LOST if status in ("lost", "charge_refunded") else DisputeStanding.OPEN


_SEVERITY = (
    DisputeStanding.NONE,
    DisputeStanding.INQUIRY,
    DisputeStanding.WON,
    DisputeStanding.OPEN,
    DisputeStanding.LOST,
)

# Statements are built once: building one costs as much as running it.
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_INVOICE_LINKS = (
    select(
        invoice_payments.c.payment_intent_id,
        invoice_payments.c.invoice_id,
        invoices.c.subscription_id,
        invoices.c.billing_reason,
        invoices.c.amount_due_minor,
        invoices.c.price_ids,
    )
    .outerjoin(invoices, invoices.c.invoice_id == invoice_payments.c.invoice_id)
    .where(invoice_payments.c.payment_intent_id.in_(_IDS))
    .order_by(invoice_payments.c.invoice_payment_id.desc())
)
_CHARGES = select(charges).where(charges.c.charge_id.in_(_IDS))
_SUBSCRIPTIONS = select(subscriptions).where(subscriptions.c.subscription_id.in_(_IDS))
_DISPUTES = select(disputes.c.charge_id, disputes.c.status, disputes.c.amount_minor).where(
    disputes.c.charge_id.in_(_IDS)
)

_subject = charges.alias("subject")
_near = charges.alias("near")
_own_link = invoice_payments.alias("own_link")
_link = invoice_payments.alias("link")
_first_invoice = invoices.alias("first_invoice")
_is_subject = _subject.c.charge_id.in_(bindparam("ids", expanding=True))
_purchase: BindParameter[int] = bindparam("purchase_seconds")
_subscription: BindParameter[int] = bindparam("subscription_seconds")


def _within(seconds: BindParameter[int]) -> ColumnElement[bool]:
    return _near.c.created.between(_subject.c.created - seconds, _subject.c.created + seconds)


_BY_CUSTOMER = select(_near.c.charge_id).join(
    _subject, (_near.c.customer_id == _subject.c.customer_id) & _within(_purchase)
)
_BY_CARD = select(_near.c.charge_id).join(
    _subject, (_near.c.card_fingerprint == _subject.c.card_fingerprint) & _within(_purchase)
)
_BY_SUBSCRIPTION = (
    select(_near.c.charge_id)
    .join(_subject, (_near.c.customer_id == _subject.c.customer_id) & _within(_subscription))
    .join(_link, _link.c.payment_intent_id == _near.c.payment_intent_id)
    .join(_first_invoice, _first_invoice.c.invoice_id == _link.c.invoice_id)
    .where(_first_invoice.c.billing_reason == "subscription_create")
)
_BY_ORDER = select(_near.c.charge_id).join(
    _subject, _near.c.order_reference == _subject.c.order_reference
)
_BY_INVOICE = (
    select(_near.c.charge_id)
    .join(_link, _link.c.payment_intent_id == _near.c.payment_intent_id)
    .join(_own_link, _own_link.c.invoice_id == _link.c.invoice_id)
    .join(_subject, _subject.c.payment_intent_id == _own_link.c.payment_intent_id)
)
_WAYS = (_BY_CUSTOMER, _BY_CARD, _BY_SUBSCRIPTION, _BY_ORDER, _BY_INVOICE)
_ITSELF = select(_subject.c.charge_id)
# One IN over one union: PostgreSQL answers `id IN (…) OR id IN (SELECT …)` by reading every charge.
_NEIGHBOURS = (
    select(charges)
    .where(charges.c.charge_id.in_(union(*(way.where(_is_subject) for way in (_ITSELF, *_WAYS)))))
    .order_by(charges.c.created, charges.c.charge_id)
    .limit(bindparam("most"))
)
