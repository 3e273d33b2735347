"""Refunds, with every refusal that protects a charge (https://docs.stripe.com/api/refunds).

A refund counts against its charge from its creation; one that fails or is canceled gives its
amount back. Amounts are minor units of the charge's currency.
"""

from typing import Any

from ops.sandbox import amounts, fraud_standing
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_charges import balance_transaction
from ops.sandbox.api_errors import bad_parameter, invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

SETTLE_CHORE = "settle_refund"

# Settings `refund_life` and what a new refund does under it: (status at once, status later).
_LIVES: dict[str, tuple[str, str | None]] = {
    "succeeded": ("succeeded", None),
    "pending": ("pending", None),
    "pending_then_succeeded": ("pending", "succeeded"),
    "pending_then_failed": ("pending", "failed"),
}
LIVES = tuple(_LIVES)
_GONE = ("failed", "canceled")
_NOT_MODELLED = ("origin", "refund_application_fee", "reverse_transfer", "instructions_email")


def create(call: Call) -> Json:
    """Refund a charge or a payment intent; emits refund.created and charge.refunded."""
    given = call.params
    for name in _NOT_MODELLED:
        if name in given:
            raise bad_parameter(f"The sandbox does not model {name}.", name)
    charge = _charge_of(call)
    amount = _permitted_amount(call, charge)
    if given.get("currency", charge["currency"]) != charge["currency"]:
        raise invalid("The refund's currency must be the charge's.", "currency")
    return make(call, charge, amount, given.get("reason"), given.get("metadata"))


def retrieve(call: Call) -> Json:
    """Return one refund."""
    return call.fetch("refunds")


def update(call: Call) -> Json:
    """Change a refund's metadata; emits refund.updated."""
    refund = call.fetch("refunds")
    metadata = merged_metadata(refund["metadata"], call.params.get("metadata"))
    return call.update("refunds", refund, "refund.updated", metadata=metadata)


def list_all(call: Call) -> Json:
    """List refunds; filters: charge, payment_intent, created."""
    return list_objects(call, "refunds", "charge", "payment_intent")


def cancel(call: Call) -> Json:
    """Cancel a refund that waits for the customer (requires_action); others are refused."""
    refund = call.fetch("refunds")
    if refund["status"] != "requires_action":
        raise invalid(f"A refund with status {refund['status']} cannot be canceled.")
    return move(call, refund, "canceled", automatic=False)


def make(call: Call, charge: Json, amount_minor: int, reason: str | None, metadata: Any) -> Json:
    """Write a refund that was found permitted, under the `refund_life` in force."""
    status, later = _LIVES[call.book.setting("refund_life", "succeeded")]
    refund = _render(call, charge, amount_minor, reason)
    refund |= {"metadata": merged_metadata({}, metadata), "status": status}
    if status == "succeeded":
        _settle(call, refund)
    call.save("refunds", refund)
    call.emit("refund.created", refund)
    _count(call, charge, amount_minor, reason)
    call.emit("charge.refunded", charge)
    if later is not None:
        delay_seconds = call.book.setting("refund_delay_seconds", 5)
        body = {"id": refund["id"], "status": later, "created": call.now + delay_seconds}
        call.book.add_chore(call.now_ms + delay_seconds * 1000, SETTLE_CHORE, body)
    if charge["refunded"]:
        fraud_standing.fully_refunded(call, charge)
    fraud_standing.close_reviews(
        call, charge, "refunded_as_fraud" if reason == "fraudulent" else "refunded"
    )
    return refund


def move(
    call: Call,
    refund: Json,
    status: str,
    failure_reason: str = "expired_or_canceled_card",
    *,
    automatic: bool = True,
) -> Json:
    """Move a refund to a later status; emits refund.updated, and refund.failed for a failure."""
    before = dict(refund)
    refund |= {"status": status, "pending_reason": None}
    if status == "succeeded":
        _settle(call, refund)
    if status in _GONE and before["status"] not in _GONE:
        _give_back(call, refund, failure_reason if status == "failed" else None)
    call.save("refunds", refund)
    call.emit("refund.updated", refund, before, automatic=automatic)
    if status == "failed":
        call.emit("refund.failed", refund, automatic=automatic)
    return refund


def release_authorization(call: Call, charge: Json) -> None:
    """Give an uncaptured authorization back, which Stripe books as a refund of all of it."""
    refund = _render(call, charge, charge["amount"], None) | {"status": "succeeded"}
    call.save("refunds", refund)
    call.emit("refund.created", refund)
    charge |= {"refunded": True, "amount_refunded": charge["amount"]}
    call.save("charges", charge)
    call.emit("charge.refunded", charge)


def _charge_of(call: Call) -> Json:
    charge_id, intent_id = call.params.get("charge"), call.params.get("payment_intent")
    if bool(charge_id) == bool(intent_id):
        raise bad_parameter(
            "Give exactly one of charge and payment_intent.", "charge", "parameter_missing"
        )
    if charge_id:
        return call.fetch("charges", charge_id, "charge")
    intent = call.fetch("payment_intents", str(intent_id), "payment_intent")
    if intent["latest_charge"] is None:
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            "payment_intent",
            "charge_not_refundable",
        )
    return call.fetch("charges", intent["latest_charge"])


def _permitted_amount(call: Call, charge: Json) -> int:
    name = charge["id"]
    if charge["status"] != "succeeded" or not charge["captured"]:
        message = f"Charge {name} was not captured, so it cannot be refunded."
        raise invalid(message, "charge", "charge_not_refundable")
    if fraud_standing.forbids_refund(call, charge):
        message = f"Charge {name} has been charged back; cannot issue a refund."
        raise invalid(message, "charge", "charge_disputed")
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount: int = call.params.get("amount", left or 1)
    amounts.check_positive(amount, "amount", charge["currency"])
    if left == 0:
        message = f"Charge {name} has already been refunded."
        raise invalid(message, "charge", "charge_already_refunded")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, "amount", "amount_too_large")
    return amount


def _settle(call: Call, refund: Json) -> None:
    if refund["balance_transaction"] is None:
        entry = balance_transaction(call, refund, "refund", -refund["amount"], 0)
        refund["balance_transaction"] = entry["id"]


def _count(call: Call, charge: Json, amount_minor: int, reason: str | None) -> None:
    charge["amount_refunded"] += amount_minor
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    if reason == "fraudulent":
        charge["fraud_details"] = {"user_report": "fraudulent"}
    call.save("charges", charge)


def _give_back(call: Call, refund: Json, failure_reason: str | None) -> None:
    charge = call.fetch("charges", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    call.save("charges", charge)
    if failure_reason is not None:
        refund["failure_reason"] = failure_reason
    if refund["balance_transaction"] is not None:
        entry = balance_transaction(call, refund, "refund_failure", refund["amount"], 0)
        refund["failure_balance_transaction"] = entry["id"]


def _render(call: Call, charge: Json, amount_minor: int, reason: str | None) -> Json:
    return {
        "id": call.new_id("re"),
        "object": "refund",
        "amount": amount_minor,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "pending_reason": None,
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending",
        "transfer_reversal": None,
    }
