"""Early fraud warnings and reviews (https://docs.stripe.com/api/radar/early_fraud_warnings, …/reviews)."""

from ops.sandbox import fraud_standing
from ops.sandbox.api_call import Call
from ops.sandbox.api_errors import invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

FRAUD_TYPES = (
    "card_never_received",
    "fraudulent_card_application",
    "made_with_counterfeit_card",
    "made_with_lost_card",
    "made_with_stolen_card",
    "misc",
    "unauthorized_use_of_card",
)


def retrieve_warning(call: Call) -> Json:
    """Return one early fraud warning."""
    return call.fetch("early_fraud_warnings")


def list_warnings(call: Call) -> Json:
    """List early fraud warnings; filters: charge, payment_intent, created."""
    return list_objects(call, "early_fraud_warnings", "charge", "payment_intent")


def warn(call: Call, charge: Json, fraud_type: str) -> Json:
    """Let the issuer report fraud; emits radar.early_fraud_warning.created."""
    warning: Json = {
        "id": call.new_id("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": not charge["refunded"] and not charge["disputed"],
        "charge": charge["id"],
        "created": call.now,
        "fraud_type": fraud_type,
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    call.save("early_fraud_warnings", warning)
    call.emit("radar.early_fraud_warning.created", warning)
    return warning


def retrieve_review(call: Call) -> Json:
    """Return one review."""
    return call.fetch("reviews")


def list_reviews(call: Call) -> Json:
    """List open reviews, as Stripe's call does; filter: created."""
    return list_objects(call, "reviews", keep=lambda row: bool(row["open"]))


def approve_review(call: Call) -> Json:
    """Approve a review; emits review.closed."""
    review = call.fetch("reviews")
    if not review["open"]:
        raise invalid("The review is already closed.")
    return fraud_standing.close_review(call, review, "approved", automatic=False)


def open_review(call: Call, charge: Json, opened_reason: str) -> Json:
    """Let Radar hold a charge for review; emits review.opened."""
    review: Json = {
        "id": call.new_id("prv"),
        "object": "review",
        "billing_zip": None,
        "charge": charge["id"],
        "closed_reason": None,
        "created": call.now,
        "ip_address": None,
        "ip_address_location": None,
        "livemode": False,
        "open": True,
        "opened_reason": opened_reason,
        "payment_intent": charge["payment_intent"],
        "reason": opened_reason,
        "session": None,
    }
    call.save("reviews", review)
    call.save("charges", charge | {"review": review["id"]})
    intent = call.fetch("payment_intents", charge["payment_intent"])
    call.save("payment_intents", intent | {"review": review["id"]})
    call.emit("review.opened", review)
    return review
