"""The event types that the workers handle; every other type is stored and marked ignored.

Kept in the ledger because the receiver needs the names and may not import the workers; a test holds
this set equal to the handlers'.
"""

HANDLED = frozenset(
    {
        "billing_portal.session.created",
        "charge.captured",
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.failed",
        "charge.pending",
        "charge.refunded",
        "charge.succeeded",
        "charge.updated",
        "customer.created",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.overpaid",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.voided",
        "invoice_payment.paid",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
        "price.created",
        "price.updated",
        "radar.early_fraud_warning.created",
        "radar.early_fraud_warning.updated",
        "refund.created",
        "refund.failed",
        "refund.updated",
        "review.closed",
        "review.opened",
        "subscription_schedule.canceled",
        "subscription_schedule.completed",
        "subscription_schedule.created",
        "subscription_schedule.released",
        "subscription_schedule.updated",
    }
)
