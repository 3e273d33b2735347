"""Charges and balance transactions (https://docs.stripe.com/api/charges).

A charge is made by a payment intent only. Since asynchronous capture is the default,
charge.succeeded has no balance transaction; a later, automatic charge.updated brings it.
"""

from typing import Any

from ops.sandbox import amounts, api_payment_methods
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

SETTLE_CHORE = "settle_charge"

_DECLINE_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
}


_APPROVED: Json = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 20,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def retrieve(call: Call) -> Json:
    """Return one charge."""
    return call.fetch("charges")


def update(call: Call) -> Json:
    """Change metadata, description, receipt_email, fraud_details …; emits charge.updated."""
    charge = call.fetch("charges")
    given = call.params
    names = ("description", "receipt_email", "shipping", "transfer_group", "fraud_details")
    fields: Json = {name: given[name] for name in names if name in given}
    fields["metadata"] = merged_metadata(charge["metadata"], given.get("metadata"))
    return call.update("charges", charge, "charge.updated", **fields)


def list_all(call: Call) -> Json:
    """List charges; filters: customer, payment_intent, created, transfer_group."""
    group = call.params.get("transfer_group")
    keep = None if group is None else lambda row: row["transfer_group"] == group
    return list_objects(call, "charges", "customer", "payment_intent", keep=keep)


def retrieve_balance_transaction(call: Call) -> Json:
    """Return one balance transaction."""
    return call.fetch("balance_transactions")


def list_balance_transactions(call: Call) -> Json:
    """List balance transactions; filters: source, type, currency, created."""
    wanted = {n: call.params[n] for n in ("source", "type", "currency") if n in call.params}
    return list_objects(
        call,
        "balance_transactions",
        keep=lambda row: all(row[name] == value for name, value in wanted.items()),
    )


def make(call: Call, intent: Json, method: Json, *, capture: bool) -> Json:
    """Charge the card of a payment intent; emits charge.succeeded or charge.failed.

    The caller looks at `status`: "failed" charges stay in the book, as at Stripe.
    """
    charge = _render(call, intent, method, capture=capture)
    if method["_declines"]:
        code, decline_code = method["_declines"]
        message = _DECLINE_MESSAGES.get(decline_code, "Your card was declined.")
        charge |= {
            "status": "failed",
            "paid": False,
            "captured": False,
            "amount_captured": 0,
            "failure_code": code,
            "failure_message": message,
        }
        charge["outcome"] = _APPROVED | {
            "network_status": "declined_by_network",
            "reason": decline_code,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
    call.save("charges", charge)
    call.emit("charge.failed" if method["_declines"] else "charge.succeeded", charge)
    if charge["captured"]:
        settle_later(call, charge)
    return charge


def settle_later(call: Call, charge: Json) -> None:
    """Give a captured charge its balance transaction, at once or after `settle_seconds`."""
    delay_seconds = call.book.setting("settle_seconds", 0)
    if delay_seconds:
        due_ms = call.now_ms + delay_seconds * 1000
        created = call.now + delay_seconds
        call.book.add_chore(due_ms, SETTLE_CHORE, {"id": charge["id"], "created": created})
    else:
        settle(call, charge)


def settle(call: Call, charge: Json) -> None:
    """Write the balance transaction of a captured charge; emits charge.updated."""
    amount = charge["amount_captured"]
    entry = balance_transaction(call, charge, "charge", amount, amounts.fee(amount))
    call.update(
        "charges", charge, "charge.updated", automatic=True, balance_transaction=entry["id"]
    )


def balance_transaction(
    call: Call, source: Json, kind: str, amount_minor: int, fee_minor: int
) -> Json:
    """Write one balance transaction of `source` (negative amounts leave the balance)."""
    fees = [
        {
            "amount": fee_minor,
            "application": None,
            "currency": source["currency"],
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    entry: Json = {
        "id": call.new_id("txn"),
        "object": "balance_transaction",
        "amount": amount_minor,
        "available_on": call.now + 2 * 86400,
        "balance_type": "payments",
        "created": call.now,
        "currency": source["currency"],
        "description": source.get("description"),
        "exchange_rate": None,
        "fee": fee_minor,
        "fee_details": fees if fee_minor else [],
        "net": amount_minor - fee_minor,
        "reporting_category": {"adjustment": "dispute"}.get(kind, kind),
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }
    return call.save("balance_transactions", entry)


def _render(call: Call, intent: Json, method: Json, *, capture: bool) -> Json:
    amount = intent["amount"]
    blanks: dict[str, Any] = dict.fromkeys(
        (
            "application",
            "application_fee",
            "application_fee_amount",
            "balance_transaction",
            "failure_balance_transaction",
            "failure_code",
            "failure_message",
            "on_behalf_of",
            "receipt_number",
            "review",
            "source",
            "source_transfer",
            "transfer_data",
            "transfer_group",
        )
    )
    charge_id = call.new_id("ch")
    return blanks | {
        "id": charge_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if capture else 0,
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "SANDBOX SHOP",
        "captured": capture,
        "created": call.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": _APPROVED,
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": api_payment_methods.charge_details(method),
        "receipt_email": intent["receipt_email"],
        "receipt_url": f"https://pay.example/receipts/{charge_id}",
        "refunded": False,
        "shipping": intent["shipping"],
        "statement_descriptor": None,
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "succeeded",
    }
