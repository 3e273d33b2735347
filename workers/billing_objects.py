"""Reads Stripe's billing objects: invoices, their payments, subscriptions and schedules.

Since the basil release an invoice names its subscription under `parent`, a line its price under
`pricing`, and a subscription's period stands on its items (docs.stripe.com/changelog, 2025-03-31).
"""

import json

from policy.catalogue import METADATA_PREFIX
from policy.terms_file import DuplicateTerms
from workers.rendered_fields import RenderedFields, UnreadableRendering

Values = dict[str, object]

#: The states of a subscription that has ended, and of a schedule that still steers one.
SUBSCRIPTION_OVER = frozenset({"canceled", "incomplete_expired"})
SCHEDULE_LIVE = frozenset({"not_started", "active"})


def invoice_values(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    """The columns of `invoices`."""
    of_parent = fields.part("parent").part("subscription_details").reference("subscription")
    return {
        "customer_id": fields.reference("customer"),
        "subscription_id": of_parent or fields.reference("subscription"),
        "billing_reason": fields.text_or_none("billing_reason"),
        "status": fields.text_or_none("status"),
        "currency": fields.currency("currency"),
        "amount_due_minor": fields.amount("amount_due"),
        "price_ids": json.dumps(_price_ids(fields)),
        "lines": json.dumps(_full_lines(fields), sort_keys=True),
        "paid_at": fields.part("status_transitions").whole_or_none("paid_at"),
        "created": fields.whole("created"),
    }


def _price_ids(fields: RenderedFields) -> list[str]:
    prices = (price_of_line(line) for line in fields.part("lines").parts("data"))
    return sorted({price for price in prices if price is not None})


def _full_lines(fields: RenderedFields) -> list[dict[str, object]]:
    """The lines that charge a price for a whole period, with what they come to; prorations of a change are none."""
    return [
        {
            "price": price_id,
            "quantity": 1 if quantity is None else quantity,
            "amount": None if line.raw("amount") is None else net_of_line(line),
        }
        for line in fields.part("lines").parts("data")
        for price_id, quantity in [(price_of_line(line), line.whole_or_none("quantity"))]
        if price_id is not None and not is_proration(line)
    ]


def period_prices(lines: RenderedFields) -> tuple[str, ...]:
    """The prices that an invoice's `lines` bill for a whole period, each once, sorted."""
    found = (price_of_line(line) for line in lines.parts("data") if not is_proration(line))
    return tuple(sorted({price for price in found if price is not None}))


def price_of_line(line: RenderedFields) -> str | None:
    """The id of the price that an invoice's line bills; None for a line of its own amount."""
    return line.part("pricing").part("price_details").reference("price") or line.reference("price")


def is_proration(line: RenderedFields) -> bool:
    """Whether an invoice's line charges or credits a part of a period, because something changed within it."""
    parent = line.part("parent")
    kinds = (parent.part("subscription_item_details"), parent.part("invoice_item_details"), line)
    return any(kind.flag("proration") for kind in kinds)


def invoice_payment_values(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    """The columns of `invoice_payments`."""
    payment = fields.part("payment")
    invoice_id = fields.reference("invoice")
    if invoice_id is None:
        raise UnreadableRendering("invoice_payment.invoice must be an id")
    return {
        "invoice_id": invoice_id,
        "payment_intent_id": payment.reference("payment_intent"),
        "charge_id": payment.reference("charge"),
        "amount_paid_minor": fields.amount_or("amount_paid", 0),
        "status": fields.text("status"),
    }


def subscription_values(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    """The columns of `subscriptions`; each item carries its own billing period."""
    return {
        "customer_id": fields.reference("customer"),
        "status": fields.text("status"),
        "created": fields.whole("created"),
        "ended_at": fields.whole_or_none("ended_at"),
        "cancel_at_period_end": fields.flag("cancel_at_period_end"),
        "schedule_id": fields.reference("schedule"),
        "items": json.dumps(
            [
                {
                    "id": item.text("id"),
                    "price": item.reference("price"),
                    "quantity": item.whole_or_none("quantity"),
                    "period_start": item.whole_or_none("current_period_start"),
                    "period_end": item.whole_or_none("current_period_end"),
                }
                for item in fields.part("items").parts("data")
            ],
            sort_keys=True,
        ),
    }


def price_values(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    """The columns of `prices`."""
    return {
        "product_id": fields.reference("product"),
        "currency": fields.currency("currency"),
        "unit_amount_minor": fields.whole_or_none("unit_amount"),
        "interval": interval_of(fields),
        "active": fields.flag("active"),
        "offer": json.dumps(offer_metadata(fields), sort_keys=True),
    }


def interval_of(price: RenderedFields) -> str | None:
    """The words "month", or "3 month" for longer ones, None for a price that is paid once."""
    recurring = price.part("recurring")
    interval, count = recurring.text_or_none("interval"), recurring.whole_or_none("interval_count")
    return f"{count} {interval}" if interval and count not in (None, 1) else interval


def offer_metadata(price: RenderedFields) -> dict[str, str]:
    """Of a price's metadata, only what describes the offer to us (policy/catalogue.py)."""
    metadata = price.raw("metadata")
    return {
        key: value
        for key, value in (metadata.items() if isinstance(metadata, dict) else ())
        if isinstance(value, str) and key.startswith(METADATA_PREFIX)
    }


def schedule_values(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    """The columns of `subscription_schedules`."""
    return {
        "subscription_id": fields.reference("subscription")
        or fields.reference("released_subscription"),
        "status": fields.text("status"),
        "phases": json.dumps(
            [
                {
                    "start": phase.whole_or_none("start_date"),
                    "end": phase.whole_or_none("end_date"),
                    "prices": [item.reference("price") for item in phase.parts("items")],
                }
                for phase in fields.parts("phases")
            ],
            sort_keys=True,
        ),
    }


def net_of_line(line: RenderedFields) -> int:
    """A line's amount less its discounts and with the tax that comes on top (minor units)."""
    discounts = sum(one.amount("amount") for one in line.parts("discount_amounts"))
    taxes = sum(
        one.signed("amount")
        for one in line.parts("taxes")
        if one.text_or_none("tax_behavior") == "exclusive"
    )
    return line.signed("amount") - discounts + taxes
