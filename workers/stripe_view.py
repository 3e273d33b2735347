"""One payment as Stripe sees it at this moment: its charge, disputes, invoice and subscription."""

import json
from dataclasses import replace

from ledger.payment_facts import dispute_standing, only_price, worst_dispute
from policy.payments import DisputeStanding, InvoiceFacts, Payment, SubscriptionFacts
from policy.terms_file import DuplicateTerms
from workers.gateway import Gateway, Rendered
from workers.rendered_fields import RenderedFields
from workers.stripe_objects import Seen, read_object


def as_stripe_says(gateway: Gateway, payment: Payment, terms: DuplicateTerms) -> Payment:
    """The payment with everything that can have changed read from Stripe; two to five calls.

    Raises GatewayError when Stripe does not answer, UnreadableRendering when it cannot be understood.
    """
    charge = RenderedFields(gateway.charge(payment.charge_id), "charge")
    captured_minor = charge.amount("amount_captured")
    dispute, disputed_minor = (DisputeStanding.NONE, 0)
    if charge.flag("disputed"):
        dispute, disputed_minor = _disputes(gateway, payment.charge_id, captured_minor)
    invoice = payment.invoice
    if invoice is None or not invoice.told:
        invoice = _invoice(gateway, payment.payment_intent_id, terms) or invoice
    return replace(
        payment,
        captured_minor=captured_minor if charge.text("status") == "succeeded" else 0,
        refunded_minor=charge.amount_or("amount_refunded", 0),
        currency=charge.currency("currency"),
        livemode=charge.flag("livemode"),
        dispute=dispute,
        disputed_minor=disputed_minor,
        invoice=invoice,
        invoice_known=True,
        product=payment.product or only_price(invoice),
        subscription=_subscription(gateway, invoice),
    )


def _disputes(gateway: Gateway, charge_id: str, captured_minor: int) -> tuple[DisputeStanding, int]:
    found = [RenderedFields(one, "dispute") for one in gateway.disputes_of(charge_id)]
    disputes = [(dispute_standing(one.text("status")), one.amount("amount")) for one in found]
    # A charge that is flagged and lists no dispute has one that was opened just now.
    return worst_dispute(disputes or [(DisputeStanding.OPEN, captured_minor)])


def _invoice(
    gateway: Gateway, payment_intent_id: str | None, terms: DuplicateTerms
) -> InvoiceFacts | None:
    """The invoice that a PaymentIntent paid; None when it paid none."""
    if payment_intent_id is None:
        return None
    for found in gateway.invoice_payments_of(payment_intent_id):
        return _invoice_facts(found["invoice"], terms)
    return None


def _invoice_facts(rendered: Rendered, terms: DuplicateTerms) -> InvoiceFacts:
    sighting = read_object(rendered, _NOW, terms)
    values = sighting.values
    subscription_id, reason = values["subscription_id"], values["billing_reason"]
    return InvoiceFacts(
        invoice_id=sighting.key,
        subscription_id=None if subscription_id is None else str(subscription_id),
        billing_reason=None if reason is None else str(reason),
        amount_due_minor=int(str(values["amount_due_minor"])),
        price_ids=tuple(json.loads(str(values["price_ids"]))),
    )


def _subscription(gateway: Gateway, invoice: InvoiceFacts | None) -> SubscriptionFacts | None:
    if invoice is None or invoice.subscription_id is None:
        return None
    rendered = gateway.stripe_object("subscription", invoice.subscription_id)
    fields = RenderedFields(rendered, "subscription")
    return SubscriptionFacts(
        subscription_id=invoice.subscription_id,
        created=fields.whole("created"),
        ended_at=fields.whole_or_none("ended_at"),
        status=fields.text("status"),
    )


#: Answers of Stripe's that are compared and not stored need no place among the events.
_NOW = Seen(account="", livemode=False, created=0, event_id="", first=True)
