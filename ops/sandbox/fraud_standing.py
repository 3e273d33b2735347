"""How disputes, warnings and reviews bear on a charge and its refunds.

Sources: https://docs.stripe.com/disputes/how-disputes-work (an inquiry may be refunded, which
closes it; a chargeback may not), https://docs.stripe.com/api/radar/early_fraud_warnings
(`actionable` ends with a dispute or a full refund).
"""

from ops.sandbox.api_call import Call
from ops.sandbox.book_tables import Json

OPEN_STATUSES = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review")
INQUIRY_OPEN = ("warning_needs_response", "warning_under_review")
_REFUND_FORBIDDEN = (*OPEN_STATUSES, "lost", "prevented")


def forbids_refund(call: Call, charge: Json) -> bool:
    """Return whether a dispute of the charge stands in the way of a refund."""
    disputes = call.book.newest_first("disputes", {"charge": charge["id"]})
    return any(dispute["status"] in _REFUND_FORBIDDEN for dispute in disputes)


def fully_refunded(call: Call, charge: Json) -> None:
    """Close the charge's inquiries and end its warnings, as a full refund does."""
    for dispute in list(call.book.newest_first("disputes", {"charge": charge["id"]})):
        if dispute["status"] in INQUIRY_OPEN:
            dispute |= {"status": "warning_closed", "is_charge_refundable": False}
            call.save("disputes", dispute)
            call.emit("charge.dispute.closed", dispute, automatic=True)
    end_warnings(call, charge)


def end_warnings(call: Call, charge: Json) -> None:
    """Make the charge's early fraud warnings no longer actionable."""
    for warning in list(call.book.newest_first("early_fraud_warnings", {"charge": charge["id"]})):
        if warning["actionable"]:
            call.update(
                "early_fraud_warnings",
                warning,
                "radar.early_fraud_warning.updated",
                automatic=True,
                actionable=False,
            )


def close_reviews(call: Call, charge: Json, closed_reason: str) -> None:
    """Close the charge's open reviews; emits review.closed."""
    for review in list(call.book.newest_first("reviews", {"charge": charge["id"]})):
        if review["open"]:
            close_review(call, review, closed_reason, automatic=True)


def close_review(call: Call, review: Json, closed_reason: str, *, automatic: bool) -> Json:
    """Close one review, take it off its charge and payment intent; emits review.closed."""
    review |= {"open": False, "closed_reason": closed_reason, "reason": closed_reason}
    call.save("reviews", review)
    for kind, field in (("charges", "charge"), ("payment_intents", "payment_intent")):
        if review[field]:
            body = call.fetch(kind, review[field])
            call.save(kind, body | {"review": None})
    call.emit("review.closed", review, automatic=automatic)
    return review
