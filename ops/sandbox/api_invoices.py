"""Invoices and their payments (https://docs.stripe.com/api/invoices)."""

from ops.sandbox import (
    amounts,
    api_payment_intents,
    api_payment_methods,
    customer_balance,
    invoice_settlement,
    pending_updates,
)
from ops.sandbox import invoice_making as making
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter, invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json


def create(call: Call) -> Json:
    """Create a draft for a customer; emits invoice.created. Add lines by invoiceitems."""
    given = call.params
    if "customer" not in given:
        raise bad_parameter("Missing required param: customer.", "customer", "parameter_missing")
    customer = call.fetch("customers", given["customer"], "customer")
    invoice = making.draft(call, customer, given.get("currency", "usd"), "manual")
    invoice |= {
        "auto_advance": given.get("auto_advance", False),
        "collection_method": given.get("collection_method", "charge_automatically"),
        "default_payment_method": given.get("default_payment_method"),
        "description": given.get("description"),
        "metadata": merged_metadata({}, given.get("metadata")),
    }
    call.save("invoices", invoice)
    call.emit("invoice.created", invoice)
    return invoice


def retrieve(call: Call) -> Json:
    """Return one invoice."""
    return call.fetch("invoices")


def list_all(call: Call) -> Json:
    """List invoices; filters: customer, subscription, status, collection_method, created."""
    names = ("status", "collection_method")
    wanted = {name: call.params[name] for name in names if name in call.params}
    return list_objects(
        call,
        "invoices",
        "customer",
        "subscription",
        keep=lambda row: all(row[name] == value for name, value in wanted.items()),
    )


def finalize(call: Call) -> Json:
    """Open a draft invoice."""
    return making.finalize(call, call.fetch("invoices"), automatic=False)


def pay(call: Call) -> Json:
    """Pay an open invoice with a card or out of band; a declined card is a 402."""
    invoice = call.fetch("invoices")
    if invoice["status"] == "draft":
        invoice = making.finalize(call, invoice, automatic=False)
    if invoice["status"] != "open":
        message = f"Invoice is {invoice['status']}, so it cannot be paid."
        raise invalid(message, None, "invoice_not_editable")
    if call.params.get("paid_out_of_band"):
        invoice_settlement.cancel_open(call, invoice)
        invoice_settlement.mark_paid(call, invoice)
        return making.shown(call, invoice)
    method = _method(call, invoice)
    invoice, charge = making.collect(call, invoice, method)
    if charge is not None and charge["status"] == "failed":
        raise api_payment_intents.declined(call.fetch("payment_intents", charge["payment_intent"]))
    return invoice


def void(call: Call) -> Json:
    """Void an open invoice; emits invoice.voided."""
    invoice = call.fetch("invoices")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"Invoice is {invoice['status']}, so it cannot be voided.")
    return _voided(call, invoice, automatic=False)


def expire_update(call: Call, subscription: Json, invoice_id: str) -> None:
    """Void the invoice that a pending update has waited for in vain, if it still does."""
    invoice = call.fetch("invoices", invoice_id)
    if pending_updates.waits_for(subscription, invoice) and invoice["status"] == "open":
        _voided(call, invoice, automatic=True)


def _voided(call: Call, invoice: Json, *, automatic: bool) -> Json:
    """Void an invoice, and discard the pending update that waits for it."""
    invoice_settlement.cancel_open(call, invoice)
    customer_balance.give_back(call, invoice)
    invoice["status"] = "void"
    invoice["status_transitions"]["voided_at"] = call.now
    call.save("invoices", invoice)
    call.emit("invoice.voided", invoice, automatic=automatic)
    parent = invoice["parent"]
    if parent is not None:
        subscription = call.fetch("subscriptions", parent["subscription_details"]["subscription"])
        if pending_updates.waits_for(subscription, invoice):
            pending_updates.discard(call, subscription, automatic=automatic)
    return invoice


def attach_payment(call: Call) -> Json:
    """Attach a further payment intent; one that has succeeded is credited at once."""
    invoice = call.fetch("invoices")
    if "payment_intent" not in call.params:
        raise bad_parameter(
            "The sandbox attaches payment intents only.", "payment_intent", "parameter_missing"
        )
    if invoice["status"] not in ("open", "paid"):
        raise invalid(f"Invoice is {invoice['status']}, so no payment can be attached.")
    intent = call.fetch("payment_intents", call.params["payment_intent"], "payment_intent")
    if intent["customer"] != invoice["customer"] or intent["currency"] != invoice["currency"]:
        raise invalid(
            "The payment must have the invoice's customer and currency.", "payment_intent"
        )
    invoice_settlement.attach(call, invoice, intent["id"], is_default=False)
    if intent["status"] == "succeeded":
        invoice_settlement.credit_intent(call, intent)
    return making.shown(call, invoice)


def retrieve_payment(call: Call) -> Json:
    """Return one invoice payment."""
    return call.fetch("invoice_payments")


def list_payments(call: Call) -> Json:
    """List invoice payments; filters: payment, invoice, status, created (never by charge)."""
    payment = call.params.get("payment")
    if payment is not None:
        if payment["type"] != "payment_intent" or "payment_intent" not in payment:
            raise bad_parameter(
                "The sandbox filters payments by payment[payment_intent] only.", "payment"
            )
        call.params["payment_intent"] = payment["payment_intent"]
    status = call.params.get("status")
    return list_objects(
        call,
        "invoice_payments",
        "invoice",
        "payment_intent",
        keep=None if status is None else lambda row: row["status"] == status,
    )


def _method(call: Call, invoice: Json) -> Json:
    customer = call.fetch("customers", invoice["customer"])
    given = call.params.get("payment_method")
    if given:
        return api_payment_methods.resolve(call, given, "payment_method")
    method = making.paying_method(call, customer, invoice["default_payment_method"])
    if method is None:
        raise invalid("There is no default_payment_method set on this Customer or Invoice.")
    amounts.check_charge(invoice["amount_due"], invoice["currency"])
    return method
