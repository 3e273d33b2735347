"""How payments settle invoices: one invoice may have several payments, even too many.

Source: https://docs.stripe.com/api/invoice-payment. A payment that succeeds after the invoice is
paid makes it overpaid (`amount_overpaid`, event invoice.overpaid).
"""

from ops.sandbox import pending_updates
from ops.sandbox.api_call import Call
from ops.sandbox.book_tables import Json


def attach(call: Call, invoice: Json, intent_id: str, *, is_default: bool) -> Json:
    """Write an open invoice payment that links a payment intent to an invoice."""
    payment: Json = {
        "id": call.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": call.fetch("payment_intents", intent_id)["amount"],
        "created": call.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": is_default,
        "livemode": False,
        "payment": {"payment_intent": intent_id, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    return call.save("invoice_payments", payment)


def default_payment(call: Call, invoice: Json) -> Json | None:
    """Return the invoice's own open payment, or None."""
    rows = call.book.newest_first("invoice_payments", {"invoice": invoice["id"]})
    return next((row for row in rows if row["is_default"] and row["status"] == "open"), None)


def credit_intent(call: Call, intent: Json) -> None:
    """Credit a succeeded payment intent to every invoice that waits for it."""
    where = {"payment_intent": intent["id"]}
    for payment in list(call.book.newest_first("invoice_payments", where)):
        if payment["status"] == "open":
            _credit(call, payment, intent["amount_received"])


def mark_paid(call: Call, invoice: Json) -> None:
    """Close an invoice as paid; emits invoice.paid and invoice.payment_succeeded."""
    invoice |= {"status": "paid", "amount_remaining": 0}
    invoice["status_transitions"]["paid_at"] = call.now
    call.save("invoices", invoice)
    call.emit("invoice.paid", invoice)
    call.emit("invoice.payment_succeeded", invoice)


def cancel_open(call: Call, invoice: Json) -> None:
    """Cancel the payments that a voided invoice no longer waits for."""
    for payment in list(call.book.newest_first("invoice_payments", {"invoice": invoice["id"]})):
        if payment["status"] == "open":
            payment["status"] = "canceled"
            payment["status_transitions"]["canceled_at"] = call.now
            call.save("invoice_payments", payment)


def _credit(call: Call, payment: Json, amount_minor: int) -> None:
    payment |= {"status": "paid", "amount_paid": amount_minor}
    payment["status_transitions"]["paid_at"] = call.now
    call.save("invoice_payments", payment)
    call.emit("invoice_payment.paid", payment)
    invoice = call.fetch("invoices", payment["invoice"])
    paid = invoice["amount_paid"] + amount_minor
    was_paid = invoice["status"] == "paid"
    invoice |= {
        "amount_paid": paid,
        "amount_remaining": max(invoice["amount_due"] - paid, 0),
        "amount_overpaid": max(paid - invoice["amount_due"], 0),
    }
    call.save("invoices", invoice)
    if paid >= invoice["amount_due"] and not was_paid:
        mark_paid(call, invoice)
        _activate(call, invoice)
    if invoice["amount_overpaid"]:
        call.emit("invoice.overpaid", invoice)


def _activate(call: Call, invoice: Json) -> None:
    """Wake the subscription that waited for this invoice."""
    parent = invoice["parent"]
    if parent is None:
        return
    subscription = call.fetch("subscriptions", parent["subscription_details"]["subscription"])
    if pending_updates.waits_for(subscription, invoice):
        pending_updates.apply(call, subscription)
    if subscription["status"] in ("incomplete", "past_due"):
        call.update("subscriptions", subscription, "customer.subscription.updated", status="active")
