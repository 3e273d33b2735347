"""Payment intents: create, confirm, capture, cancel (https://docs.stripe.com/api/payment_intents)."""

from typing import Any

from ops.sandbox import amounts, api_charges, api_payment_methods, invoice_settlement
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import CardDeclined, bad_parameter, invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.api_refunds import release_authorization
from ops.sandbox.book_tables import Json

_CONFIRMABLE = ("requires_payment_method", "requires_confirmation")
_CANCELABLE = (*_CONFIRMABLE, "requires_capture", "requires_action", "processing")


def create(call: Call) -> Json:
    """Create a payment intent and, with `confirm`, charge it; emits payment_intent.created first."""
    given = call.params
    amounts.check_currency(given["currency"])
    amounts.check_charge(given["amount"], given["currency"])
    if given.get("customer"):
        call.fetch("customers", given["customer"], "customer")
    intent = start(call, given["amount"], given["currency"], given.get("customer"), given)
    if given.get("payment_method"):
        method = _usable_method(call, given["payment_method"], intent)
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        call.save("payment_intents", intent)
    call.emit("payment_intent.created", intent)
    if given.get("confirm"):
        _pay_or_decline(call, intent)
    return call.fetch("payment_intents", intent["id"])


def retrieve(call: Call) -> Json:
    """Return one payment intent."""
    return call.fetch("payment_intents")


def list_all(call: Call) -> Json:
    """List payment intents; filters: customer, created."""
    return list_objects(call, "payment_intents", "customer")


def update(call: Call) -> Json:
    """Change metadata, description, receipt_email or, before it is paid, the amount."""
    intent = call.fetch("payment_intents")
    given = call.params
    fields: Json = {n: given[n] for n in ("description", "receipt_email", "shipping") if n in given}
    if "amount" in given:
        if intent["status"] not in _CONFIRMABLE:
            raise _unexpected_state(intent, "its amount cannot be changed")
        amounts.check_charge(given["amount"], intent["currency"])
        fields["amount"] = given["amount"]
    intent |= fields | {"metadata": merged_metadata(intent["metadata"], given.get("metadata"))}
    return call.save("payment_intents", intent)


def confirm(call: Call) -> Json:
    """Charge a payment intent; a declined card is a 402 that leaves the failed charge behind."""
    intent = call.fetch("payment_intents")
    if intent["status"] not in _CONFIRMABLE:
        raise _unexpected_state(intent, "it cannot be confirmed")
    if call.params.get("payment_method"):
        method = _usable_method(call, call.params["payment_method"], intent)
        intent["payment_method"] = method["id"]
    if intent["payment_method"] is None:
        raise invalid("You cannot confirm this PaymentIntent: it has no payment method.")
    _pay_or_decline(call, intent)
    return call.fetch("payment_intents", intent["id"])


def capture(call: Call) -> Json:
    """Capture an authorization, whole, in part (the rest is released) or in several parts."""
    intent = call.fetch("payment_intents")
    if intent["status"] != "requires_capture":
        raise _unexpected_state(intent, "it cannot be captured")
    capturable: int = intent["amount_capturable"]
    amount = call.params.get("amount_to_capture", capturable)
    amounts.check_positive(amount, "amount_to_capture", intent["currency"])
    if amount > capturable:
        raise invalid(
            "The amount to capture is greater than what is capturable.",
            "amount_to_capture",
            "amount_too_large",
        )
    charge = call.fetch("charges", intent["latest_charge"])
    captured = charge["amount_captured"] + amount
    if call.params.get("final_capture", True):
        _finish_capture(call, intent, charge, captured)
    else:
        call.update("charges", charge, "charge.updated", amount_captured=captured)
        intent |= {"amount_capturable": capturable - amount, "amount_received": captured}
        call.save("payment_intents", intent)
        call.emit("payment_intent.amount_capturable_updated", intent)
    return intent


def cancel(call: Call) -> Json:
    """Cancel a payment intent; an authorization is released. Emits payment_intent.canceled."""
    intent = call.fetch("payment_intents")
    if intent["status"] not in _CANCELABLE:
        raise _unexpected_state(intent, "it cannot be canceled")
    if intent["status"] == "requires_capture":
        release_authorization(call, call.fetch("charges", intent["latest_charge"]))
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": call.now,
        "cancellation_reason": call.params.get("cancellation_reason"),
    }
    call.save("payment_intents", intent)
    call.emit("payment_intent.canceled", intent)
    return intent


def start(call: Call, amount_minor: int, currency: str, customer: str | None, given: Json) -> Json:
    """Write a new payment intent, not yet announced; `given` holds optional fields of Stripe's."""
    intent_id = call.new_id("pi")
    blanks: dict[str, Any] = dict.fromkeys(
        (
            "application",
            "application_fee_amount",
            "canceled_at",
            "cancellation_reason",
            "last_payment_error",
            "latest_charge",
            "next_action",
            "on_behalf_of",
            "payment_method",
            "payment_method_configuration_details",
            "processing",
            "review",
            "source",
            "statement_descriptor",
            "transfer_data",
            "transfer_group",
        )
    )
    copied = ("description", "receipt_email", "setup_future_usage", "shipping")
    optional: Json = {n: given.get(n) for n in (*copied, "statement_descriptor_suffix")}
    intent: Json = (
        blanks
        | optional
        | {
            "id": intent_id,
            "object": "payment_intent",
            "amount": amount_minor,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "capture_method": given.get("capture_method", "automatic_async"),
            "client_secret": f"{intent_id}_secret_{call.new_id('x')[2:]}",
            "confirmation_method": "automatic",
            "created": call.now,
            "currency": currency,
            "customer": customer,
            "livemode": False,
            "metadata": merged_metadata({}, given.get("metadata")),
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
        }
    )
    return call.save("payment_intents", intent)


def pay(call: Call, intent: Json, method: Json) -> Json:
    """Charge the card and move the intent; returns the charge, whose status tells the outcome."""
    manual = intent["capture_method"] == "manual"
    intent["payment_method"] = method["id"]
    charge = api_charges.make(call, intent, method, capture=not manual)
    intent["latest_charge"] = charge["id"]
    if charge["status"] == "failed":
        intent |= {"status": "requires_payment_method", "payment_method": None}
        intent["last_payment_error"] = decline_error(charge, method)
        name = "payment_intent.payment_failed"
    elif manual:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        name = "payment_intent.amount_capturable_updated"
    else:
        intent |= {"status": "succeeded", "amount_received": intent["amount"]}
        intent["last_payment_error"] = None
        name = "payment_intent.succeeded"
    call.save("payment_intents", intent)
    call.emit(name, intent)
    if intent["status"] == "succeeded":
        invoice_settlement.credit_intent(call, intent)
    return charge


def decline_error(charge: Json, method: Json) -> Json:
    """Return Stripe's description of a decline, as in last_payment_error and in the 402."""
    return {
        "charge": charge["id"],
        "code": charge["failure_code"],
        "decline_code": charge["outcome"]["reason"],
        "message": charge["failure_message"],
        "payment_method": {n: v for n, v in method.items() if not n.startswith("_")},
        "type": "card_error",
    }


def _pay_or_decline(call: Call, intent: Json) -> None:
    method = call.fetch("payment_methods", intent["payment_method"])
    charge = pay(call, intent, method)
    if charge["status"] == "failed":
        raise declined(call.fetch("payment_intents", intent["id"]))


def declined(intent: Json) -> CardDeclined:
    """Return the 402 that carries the payment intent and what its bank said."""
    error = dict(intent["last_payment_error"])
    message, code = error.pop("message"), error.pop("code")
    error.pop("type")
    return CardDeclined(402, "card_error", code, message, extra=error | {"payment_intent": intent})


def _usable_method(call: Call, wanted: str, intent: Json) -> Json:
    method = api_payment_methods.resolve(call, wanted, "payment_method")
    if method["customer"] not in (None, intent["customer"]):
        raise bad_parameter(
            "The payment method belongs to another customer: give that customer.", "payment_method"
        )
    return method


def _finish_capture(call: Call, intent: Json, charge: Json, captured_minor: int) -> None:
    charge |= {"captured": True, "amount_captured": captured_minor}
    call.save("charges", charge)
    call.emit("charge.captured", charge)
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": captured_minor}
    call.save("payment_intents", intent)
    call.emit("payment_intent.succeeded", intent)
    api_charges.settle_later(call, charge)
    invoice_settlement.credit_intent(call, intent)


def _unexpected_state(intent: Json, consequence: str) -> Exception:
    return invalid(
        f"This PaymentIntent has a status of {intent['status']}, so {consequence}.",
        None,
        "payment_intent_unexpected_state",
    )
