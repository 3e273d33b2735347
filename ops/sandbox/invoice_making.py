"""How an invoice comes to be: lines, totals, finalisation and its first payment.

Lines carry `pricing.price_details` and `parent`, as since basil; the payments of an invoice are
separate invoice_payment objects.
"""

from collections.abc import Sequence
from typing import Any

from ops.sandbox import api_payment_intents, customer_balance, invoice_settlement, tax_rates
from ops.sandbox.api_call import Call, public
from ops.sandbox.api_errors import invalid
from ops.sandbox.api_lists import sublist
from ops.sandbox.book_tables import Json


def draft(
    call: Call,
    customer: Json,
    currency: str,
    billing_reason: str,
    subscription: Json | None = None,
) -> Json:
    """Write an empty draft invoice, not yet announced."""
    invoice_id = call.new_id("in")
    parent = None
    if subscription is not None:
        details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
        parent = {
            "quote_details": None,
            "subscription_details": details,
            "type": "subscription_details",
        }
    return _blank() | {
        "id": invoice_id,
        "billing_reason": billing_reason,
        "created": call.now,
        "currency": currency,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "hosted_invoice_url": f"https://pay.example/invoices/{invoice_id}",
        "lines": sublist(f"/v1/invoices/{invoice_id}/lines", []),
        "parent": parent,
        "period_end": call.now,
        "period_start": call.now,
    }


def add_line(
    call: Call,
    invoice: Json,
    amount_minor: int,
    *,
    description: str | None = None,
    price: Json | None = None,
    quantity: int = 1,
    period: tuple[int, int] | None = None,
    parent: Json,
    taken_off: Sequence[Json] = (),
    rates: Sequence[Json] = (),
) -> None:
    """Add a line to a draft, and its amount less discounts and with taxes to the totals."""
    discount = sum(one["amount"] for one in taken_off)
    line_taxes = tax_rates.taxes(list(rates), amount_minor - discount)
    start, end = period or (call.now, call.now)
    pricing = None
    if price is not None:
        pricing = {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    line = {
        "id": call.new_id("il"),
        "object": "line_item",
        "amount": amount_minor,
        "currency": invoice["currency"],
        "description": description,
        "discount_amounts": list(taken_off),
        "discountable": True,
        "discounts": [one["discount"] for one in taken_off],
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"end": end, "start": start},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "subtotal": amount_minor,
        "taxes": line_taxes,
    }
    invoice["lines"]["data"].append(line)
    _add_up(invoice)


def _add_up(invoice: Json) -> None:
    """Write the totals of a draft from its lines."""
    lines = invoice["lines"]["data"]
    taxes = [tax for line in lines for tax in line["taxes"]]
    discounts = [one for line in lines for one in line["discount_amounts"]]
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal - sum(one["amount"] for one in discounts) + tax_rates.on_top(taxes)
    included = sum(tax["amount"] for tax in taxes) - tax_rates.on_top(taxes)
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - included,
        "total": total,
        "total_excluding_tax": total - sum(tax["amount"] for tax in taxes),
        "total_discount_amounts": discounts,
        "total_taxes": taxes,
    }
    invoice |= dict.fromkeys(("amount_due", "amount_remaining"), max(total, 0))


def subscription_line_parent(subscription: Json, item: Json) -> Json:
    """Return the `parent` of a line that bills a whole period of a subscription's item."""
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": None,
            "subscription": subscription["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }


def finalize(call: Call, invoice: Json, *, automatic: bool) -> Json:
    """Open a draft: number it and give it its default payment; emits invoice.finalized."""
    if invoice["status"] != "draft":
        raise invalid(f"This invoice is {invoice['status']}, so it cannot be finalized.")
    invoice |= {
        "status": "open",
        "effective_at": call.now,
        "number": f"SANDBOX-{call.rng.randrange(10**8):08}",
    }
    invoice["status_transitions"]["finalized_at"] = call.now
    customer_balance.settle(call, invoice)
    call.save("invoices", invoice)
    if invoice["amount_due"] > 0:
        intent = api_payment_intents.start(
            call, invoice["amount_due"], invoice["currency"], invoice["customer"], {}
        )
        call.emit("payment_intent.created", intent, automatic=automatic)
        invoice_settlement.attach(call, invoice, intent["id"], is_default=True)
    call.emit("invoice.finalized", invoice, automatic=automatic)
    if invoice["amount_due"] == 0:
        invoice_settlement.mark_paid(call, invoice)
    return call.fetch("invoices", invoice["id"])


def collect(call: Call, invoice: Json, method: Json | None) -> tuple[Json, Json | None]:
    """Try to pay an open invoice with a card; returns (invoice, charge).

    A decline emits invoice.payment_failed and leaves the invoice open.
    """
    payment = invoice_settlement.default_payment(call, invoice)
    if payment is None or method is None:
        return invoice, None
    intent = call.fetch("payment_intents", payment["payment"]["payment_intent"])
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    call.save("invoices", invoice)
    charge = api_payment_intents.pay(call, intent, method)
    invoice = call.fetch("invoices", invoice["id"])
    if charge["status"] == "failed":
        call.emit("invoice.payment_failed", invoice)
    return invoice, charge


def paying_method(call: Call, customer: Json, *candidates: str | None) -> Json | None:
    """Return the card to charge: the first given, else the customer's default, else None."""
    default = customer["invoice_settings"]["default_payment_method"]
    for wanted in (*candidates, default):
        if wanted:
            return call.fetch("payment_methods", wanted, "default_payment_method")
    return None


def shown(call: Call, invoice: Json) -> Json:
    """Return the invoice as it stands in the book now, as the API answers it."""
    return public(call.fetch("invoices", invoice["id"]))


def _blank() -> Json:
    nothing: dict[str, Any] = dict.fromkeys((
        "account_name", "account_tax_ids", "application", "automatically_finalizes_at",
        "confirmation_secret", "custom_fields", "customer_shipping", "default_payment_method",
        "default_source", "description", "due_date", "effective_at", "ending_balance", "footer",
        "from_invoice", "invoice_pdf", "last_finalization_error", "latest_revision",
        "next_payment_attempt", "number", "on_behalf_of", "receipt_number", "rendering",
        "shipping_cost", "shipping_details", "statement_descriptor", "test_clock",
        "webhooks_delivered_at",
    ))  # fmt: skip
    zeros = dict.fromkeys(
        ("amount_due", "amount_overpaid", "amount_paid", "amount_remaining", "amount_shipping",
         "attempt_count", "post_payment_credit_notes_amount", "pre_payment_credit_notes_amount",
         "starting_balance", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"),
        0,
    )  # fmt: skip
    tax = {"disabled_reason": None, "enabled": False, "liability": None, "provider": None}
    return (
        nothing
        | zeros
        | {
            "object": "invoice",
            "account_country": "US",
            "attempted": False,
            "auto_advance": False,
            "automatic_tax": tax | {"status": None},
            "collection_method": "charge_automatically",
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_tax_rates": [],
            "discounts": [],
            "issuer": {"type": "self"},
            "livemode": False,
            "metadata": {},
            "payment_settings": {
                "default_mandate": None,
                "payment_method_options": None,
                "payment_method_types": None,
            },
            "status": "draft",
            "status_transitions": dict.fromkeys(
                ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
            ),
            "total_discount_amounts": [],
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
        }
    )
