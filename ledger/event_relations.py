"""Which of Stripe's objects belong to a charge or a subscription, as SQL: their events are meant with it."""

from sqlalchemy import CompoundSelect, Text, literal, or_, select, union

from ledger.stripe_tables import (
    charges,
    disputes,
    early_fraud_warnings,
    invoice_payments,
    invoices,
    payment_intents,
    refunds,
    reviews,
    subscription_schedules,
    subscriptions,
)


def objects_of_charge(charge_id: str) -> CompoundSelect[str]:
    """The ids of a charge, of what was done to it, and of what it paid."""
    paid = select(charges.c.payment_intent_id).where(charges.c.charge_id == charge_id)
    payments = or_(
        invoice_payments.c.charge_id == charge_id, invoice_payments.c.payment_intent_id.in_(paid)
    )
    return union(
        select(literal(charge_id, Text)),
        paid.where(charges.c.payment_intent_id.is_not(None)),
        select(payment_intents.c.payment_intent_id).where(
            payment_intents.c.latest_charge_id == charge_id
        ),
        *(
            select(table.c[key]).where(table.c.charge_id == charge_id)
            for table, key in _OF_CHARGE.items()
        ),
        select(invoice_payments.c.invoice_payment_id).where(payments),
        select(invoice_payments.c.invoice_id).where(payments),
    )


def objects_of_subscription(subscription_id: str) -> CompoundSelect[str]:
    """The ids of a subscription, its schedules and invoices, and of what paid those."""
    own = select(invoices.c.invoice_id).where(invoices.c.subscription_id == subscription_id)
    payments = invoice_payments.c.invoice_id.in_(own)
    paid = select(invoice_payments.c.payment_intent_id).where(
        payments, invoice_payments.c.payment_intent_id.is_not(None)
    )
    return union(
        select(literal(subscription_id, Text)),
        select(subscription_schedules.c.schedule_id).where(
            subscription_schedules.c.subscription_id == subscription_id
        ),
        select(subscriptions.c.schedule_id).where(
            subscriptions.c.subscription_id == subscription_id,
            subscriptions.c.schedule_id.is_not(None),
        ),
        own,
        select(invoice_payments.c.invoice_payment_id).where(payments),
        paid,
        select(charges.c.charge_id).where(charges.c.payment_intent_id.in_(paid)),
    )


_OF_CHARGE = {
    disputes: "dispute_id",
    early_fraud_warnings: "warning_id",
    refunds: "refund_id",
    reviews: "review_id",
}
