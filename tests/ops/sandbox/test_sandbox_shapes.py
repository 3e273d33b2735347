"""What the sandbox renders has the shapes of the installed client's classes (API 2026-10-28.endive)."""

import typing

import pytest
import stripe

# Every field that the processor reads, by kind of the book.
READ = {
    "charges": "id amount amount_captured amount_refunded captured created currency customer"
    " payment_intent disputed refunded status metadata balance_transaction livemode"
    " payment_method_details.card.fingerprint payment_method_details.card.last4"
    " payment_method_details.card.brand payment_method_details.card.country"
    " payment_method_details.card.checks.cvc_check outcome.type outcome.risk_level review"
    " fraud_details billing_details.address.country receipt_email failure_code",
    "invoiceitems": "id customer invoice proration parent.subscription_details.subscription",
    "credit_notes": "id invoice amount metadata refunds.refund status type",
    "customer_balance_transactions": "id amount type metadata customer ending_balance",
    "portal_sessions": "id customer created",
    "refunds": "id amount charge payment_intent created currency status reason metadata"
    " balance_transaction customer pending_reason destination_details.card.type",
    "payment_intents": "id amount amount_received amount_capturable currency customer created"
    " latest_charge status metadata last_payment_error capture_method livemode",
    "disputes": "id amount charge payment_intent created currency reason status metadata livemode"
    " is_charge_refundable evidence_details.due_by evidence_details.submission_count"
    " payment_method_details.card.case_type balance_transactions",
    "invoices": "id status customer currency billing_reason amount_due amount_paid amount_overpaid"
    " created metadata livemode total parent.type parent.subscription_details.subscription"
    " parent.subscription_details.metadata lines.data.pricing.price_details.price"
    " lines.data.pricing.price_details.product lines.data.amount lines.data.period.start"
    " lines.data.period.end lines.data.parent.subscription_item_details.subscription"
    " lines.data.parent.subscription_item_details.subscription_item"
    " lines.data.parent.subscription_item_details.proration status_transitions.paid_at",
    "invoice_payments": "id invoice amount_paid amount_requested is_default status created"
    " currency livemode payment.type payment.payment_intent status_transitions.paid_at",
    "subscriptions": "id customer status created start_date ended_at canceled_at cancel_at"
    " cancel_at_period_end metadata livemode schedule latest_invoice currency"
    " items.data.id items.data.quantity items.data.price.id items.data.price.product"
    " items.data.price.unit_amount items.data.price.recurring.interval"
    " items.data.current_period_start items.data.current_period_end"
    " cancellation_details.reason billing_mode.type pending_update",
    "subscription_schedules": "id status subscription released_subscription end_behavior customer"
    " current_phase.start_date current_phase.end_date phases.start_date phases.end_date"
    " phases.items.price phases.items.quantity phases.proration_behavior",
    "early_fraud_warnings": "id actionable charge payment_intent fraud_type created livemode",
    "reviews": "id charge payment_intent open opened_reason closed_reason reason created livemode",
    "balance_transactions": "id amount fee net currency source type created",
    "customers": "id email name created metadata livemode",
    "events": "id type created livemode api_version data.object request.id"
    " request.idempotency_key pending_webhooks",
    "prices": "id product unit_amount currency recurring.interval type",
    "products": "id name active metadata",
}

CLASSES = {
    "charges": stripe.Charge,
    "invoiceitems": stripe.InvoiceItem,
    "credit_notes": stripe.CreditNote,
    "customer_balance_transactions": stripe.CustomerBalanceTransaction,
    "portal_sessions": stripe.billing_portal.Session,
    "refunds": stripe.Refund,
    "payment_intents": stripe.PaymentIntent,
    "disputes": stripe.Dispute,
    "invoices": stripe.Invoice,
    "invoice_payments": stripe.InvoicePayment,
    "subscriptions": stripe.Subscription,
    "subscription_schedules": stripe.SubscriptionSchedule,
    "early_fraud_warnings": stripe.radar.EarlyFraudWarning,
    "reviews": stripe.Review,
    "balance_transactions": stripe.BalanceTransaction,
    "customers": stripe.Customer,
    "events": stripe.Event,
    "prices": stripe.Price,
    "products": stripe.Product,
    "payment_methods": stripe.PaymentMethod,
    "webhook_endpoints": stripe.WebhookEndpoint,
}

CASES = [(kind, path) for kind, paths in READ.items() for path in paths.split()]


@pytest.fixture
def book(shop):
    """Dump a book in which every kind of object exists."""
    v1 = shop.v1
    customer = shop.customer()
    card = v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    price = v1.prices.create({
        "currency": "usd", "unit_amount": 900, "product_data": {"name": "Plan"},
        "recurring": {"interval": "month"},
    })  # fmt: skip
    subscription = v1.subscriptions.create({
        "customer": customer.id, "items": [{"price": price.id}], "default_payment_method": card.id,
    })  # fmt: skip
    v1.subscription_schedules.create({"from_subscription": subscription.id})
    item = subscription["items"].data[0].id
    change = {"by": "portal", "items": [{"id": item, "quantity": 2}]}
    shop.control("POST", f"/sandbox/subscriptions/{subscription.id}/change", change)
    v1.customers.balance_transactions.create(customer.id, {"amount": -10, "currency": "usd"})
    v1.credit_notes.create({
        "invoice": subscription.latest_invoice, "amount": 5, "credit_amount": 2, "refund_amount": 3,
    })  # fmt: skip
    charge = shop.pay(customer=customer.id)
    shop.control("POST", "/sandbox/reviews", {"charge": charge.id})
    shop.control("POST", "/sandbox/early_fraud_warnings", {"charge": charge.id})
    v1.refunds.create({"charge": charge.id, "amount": 10})
    shop.control("POST", "/sandbox/disputes", {"charge": charge.id})
    v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
    return {kind: shop.control("GET", f"/sandbox/book?kind={kind}")["data"] for kind in CLASSES}


def test_every_field_that_is_read_is_rendered(book):
    """No path that the processor reads is missing from what the sandbox answers."""
    missing = [
        f"{kind}: {path}"
        for kind, path in CASES
        if not any(has_path(row, path.split(".")) for row in book[kind])
    ]

    assert not missing


@pytest.mark.parametrize(("kind", "path"), CASES)
def test_every_field_that_is_read_exists_at_stripe(kind, path):
    """Each path that the processor reads is a field of the installed client's class."""
    node = CLASSES[kind]
    # A list is one class with the type of its members, so the step into its `data` is left out.
    for step in path.split(".") if kind == "events" else path.replace(".data", "").split("."):
        node = member(node, step)


def test_nothing_is_rendered_that_stripe_does_not_have(book):
    """No removed or invented field (Charge.invoice, Subscription.current_period_end) is shown."""
    invented = {
        f"{kind}.{name}"
        for kind, rows in book.items()
        for row in rows
        for name in set(row) - set(fields(CLASSES[kind]))
    }

    assert not invented


def test_every_compulsory_field_is_rendered(book):
    """What is not optional at Stripe is never missing here."""
    missing = {
        f"{kind}.{name}"
        for kind, rows in book.items()
        for row in rows
        for name, hint in fields(CLASSES[kind]).items()
        if name not in row and "None" not in str(hint) and "Optional" not in str(hint)
    }

    assert not missing


def test_events_hold_the_object_as_it_was_rendered(book):
    """data.object of an event has the same fields as the API's own answer."""
    event = next(e for e in book["events"] if e["type"] == "charge.refunded")

    assert set(event["data"]["object"]) == set(book["charges"][0])


def has_path(node, steps):
    if isinstance(node, list):
        return any(has_path(row, steps) for row in node)
    if not steps:
        return True
    return isinstance(node, dict) and steps[0] in node and (has_path(node[steps[0]], steps[1:]))


def fields(cls):
    """Return the annotations of a class of the client, its bases' included."""
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("stripe.") and base is not stripe.StripeObject:
            found |= vars(base).get("__annotations__", {})
    return {name: hint for name, hint in found.items() if name.islower()}


def member(cls, name):
    """Return the class of a field, or None for a plain value; KeyError when there is no such field."""
    if cls is None:
        return None
    hint = fields(cls)[name]
    return class_in(cls, hint)


def class_in(cls, hint):
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        word = hint.replace("ListObject[", "").replace("Optional[", "").strip('"]').strip("'")
        return getattr(cls, word, None) or getattr(stripe, word, None)
    if isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
        return hint
    for part in typing.get_args(hint):
        found = class_in(cls, part)
        if found is not None:
            return found
    return None
