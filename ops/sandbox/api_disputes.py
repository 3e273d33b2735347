"""Disputes: opened and decided by the bank, answered by the merchant.

Sources: https://docs.stripe.com/api/disputes, …/disputes/how-disputes-work. An inquiry (`warning_…`)
moves no funds; a chargeback withdraws its amount and a fee, and a win reinstates the amount.
`lost` is not terminal: a late win exists.
"""

from typing import Any

from ops.sandbox import api_refunds, fraud_standing
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_charges import balance_transaction
from ops.sandbox.api_errors import invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

# Stripe's fee on a chargeback in the US, in cents.
_FEE_MINOR = 1500
_ANSWER_SECONDS = 9 * 86400
_CLOSED = ("won", "lost", "warning_closed", "prevented")
STATUSES = (*fraud_standing.OPEN_STATUSES, *fraud_standing.INQUIRY_OPEN, *_CLOSED)


def retrieve(call: Call) -> Json:
    """Return one dispute."""
    return call.fetch("disputes")


def list_all(call: Call) -> Json:
    """List disputes; filters: charge, payment_intent, created."""
    return list_objects(call, "disputes", "charge", "payment_intent")


def update(call: Call) -> Json:
    """Add evidence and, unless submit=false, hand it in; emits charge.dispute.updated."""
    dispute = call.fetch("disputes")
    if dispute["status"] in _CLOSED:
        raise invalid(f"The dispute is {dispute['status']}: evidence can no longer be changed.")
    given = call.params
    fields: Json = {"metadata": merged_metadata(dispute["metadata"], given.get("metadata"))}
    if "evidence" in given:
        fields["evidence"] = dispute["evidence"] | given["evidence"]
        fields["evidence_details"] = dispute["evidence_details"] | {"has_evidence": True}
    if given.get("submit", "evidence" in given):
        old: Json = dispute["evidence_details"]
        details = fields.get("evidence_details", old)
        count = details["submission_count"] + 1
        fields["evidence_details"] = details | {"submission_count": count}
        fields["status"] = dispute["status"].replace("needs_response", "under_review")
    return call.update("disputes", dispute, "charge.dispute.updated", **fields)


def close(call: Call) -> Json:
    """Accept a dispute as lost; emits charge.dispute.closed."""
    dispute = call.fetch("disputes")
    if dispute["status"] in _CLOSED:
        raise invalid(f"The dispute is already {dispute['status']}.")
    return move(call, dispute, "lost")


def open_dispute(call: Call, charge: Json, amount_minor: int, reason: str, status: str) -> Json:
    """Let the bank open a dispute; what is pending on the charge reacts as at Stripe."""
    inquiry = status.startswith("warning_")
    dispute = _render(call, charge, amount_minor, reason, status)
    call.save("charges", charge | {"disputed": True})
    if not inquiry:
        _move_funds(call, dispute, -amount_minor, _FEE_MINOR)
    call.save("disputes", dispute)
    call.emit("charge.dispute.created", dispute)
    if not inquiry:
        call.emit("charge.dispute.funds_withdrawn", dispute)
        _fail_pending_refunds(call, charge)
    if status in _CLOSED:
        call.emit("charge.dispute.closed", dispute)
    charge = call.fetch("charges", charge["id"])
    fraud_standing.end_warnings(call, charge)
    fraud_standing.close_reviews(call, charge, "disputed")
    return dispute


def move(call: Call, dispute: Json, status: str) -> Json:
    """Move a dispute to another status, with the events and funds that belong to it."""
    before = dict(dispute)
    inquiry = before["status"] in fraud_standing.INQUIRY_OPEN
    dispute |= {
        "status": status,
        "is_charge_refundable": status in (*fraud_standing.INQUIRY_OPEN, "won"),
    }
    withdrawn = inquiry and status in (*fraud_standing.OPEN_STATUSES, "lost")
    reinstated = status == "won" and before["status"] != "won"
    if withdrawn:
        _move_funds(call, dispute, -dispute["amount"], _FEE_MINOR)
    if reinstated:
        _move_funds(call, dispute, dispute["amount"], 0)
    call.save("disputes", dispute)
    if status in _CLOSED:
        call.emit("charge.dispute.closed", dispute)
    else:
        call.emit("charge.dispute.updated", dispute, before)
    if withdrawn:
        call.emit("charge.dispute.funds_withdrawn", dispute)
    if reinstated:
        call.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def _move_funds(call: Call, dispute: Json, amount_minor: int, fee_minor: int) -> None:
    entry = balance_transaction(call, dispute, "adjustment", amount_minor, fee_minor)
    dispute["balance_transactions"] = [*dispute["balance_transactions"], entry]


def _fail_pending_refunds(call: Call, charge: Json) -> None:
    for refund in list(call.book.newest_first("refunds", {"charge": charge["id"]})):
        if refund["status"] == "pending":
            api_refunds.move(call, refund, "failed", "charge_for_pending_refund_disputed")


def _render(call: Call, charge: Json, amount_minor: int, reason: str, status: str) -> Json:
    inquiry = status.startswith("warning_")
    evidence: dict[str, Any] = dict.fromkeys((
        "access_activity_log", "billing_address", "cancellation_policy",
        "cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication",
        "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
        "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
        "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
        "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address",
        "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
        "uncategorized_file", "uncategorized_text",
    ))  # fmt: skip
    network_code = "10.4" if reason == "fraudulent" else "13.1"
    return {
        "id": call.new_id("du"),
        "object": "dispute",
        "amount": amount_minor,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": evidence | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": None if status in _CLOSED else call.now + _ANSWER_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": network_code,
            },
            "type": "card",
        },
        "reason": reason,
        "status": status,
    }
