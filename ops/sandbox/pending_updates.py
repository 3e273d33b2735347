"""Pending updates (https://docs.stripe.com/billing/subscriptions/pending-updates): changes that wait for their payment.

Until their invoice is paid the subscription stays as it was. They are applied by the payment, and gone when the
invoice is voided, or a day (23 hours) later.
"""

from ops.sandbox.api_call import Call
from ops.sandbox.book_tables import Json

EXPIRE_CHORE = "expire_pending_update"
_PENDING_SECONDS = 23 * 3600


def park(call: Call, before: Json, wanted: Json) -> Json:
    """Keep the subscription as it was, the change waiting in `pending_update` for the latest invoice."""
    pending = {
        "billing_cycle_anchor": wanted["billing_cycle_anchor"],
        "expires_at": call.now + _PENDING_SECONDS,
        "subscription_items": wanted["items"]["data"],
        "trial_end": None,
        "trial_from_plan": None,
    }
    due_ms = call.now_ms + _PENDING_SECONDS * 1000
    chore = {
        "id": before["id"],
        "created": call.now + _PENDING_SECONDS,
        "invoice": before["latest_invoice"],
    }
    call.book.add_chore(due_ms, EXPIRE_CHORE, chore)
    return call.update(
        "subscriptions", before, "customer.subscription.updated", pending_update=pending
    )


def waits_for(subscription: Json, invoice: Json) -> bool:
    """Whether the subscription's pending update waits for this invoice."""
    return (
        subscription["pending_update"] is not None
        and subscription["latest_invoice"] == invoice["id"]
    )


def apply(call: Call, subscription: Json) -> None:
    """Carry the change out that was paid for; emits updated and pending_update_applied."""
    pending = subscription["pending_update"]
    items = subscription["items"] | {"data": pending["subscription_items"]}
    call.update(
        "subscriptions",
        subscription,
        "customer.subscription.updated",
        billing_cycle_anchor=pending["billing_cycle_anchor"],
        items=items,
        pending_update=None,
    )
    call.emit("customer.subscription.pending_update_applied", subscription)


def discard(call: Call, subscription: Json, *, automatic: bool) -> None:
    """Drop the change; emits updated and pending_update_expired."""
    call.update(
        "subscriptions",
        subscription,
        "customer.subscription.updated",
        automatic=automatic,
        pending_update=None,
    )
    call.emit("customer.subscription.pending_update_expired", subscription, automatic=automatic)
