"""Where the sandbox's book keeps the object that each type of event shows."""

#: The kind in the sandbox's book of the object that each handled type of event shows.
KINDS = {
    "billing_portal.session": "portal_sessions",
    "charge": "charges",
    "charge.dispute": "disputes",
    "customer": "customers",
    "customer.subscription": "subscriptions",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "payment_intent": "payment_intents",
    "price": "prices",
    "radar.early_fraud_warning": "early_fraud_warnings",
    "refund": "refunds",
    "review": "reviews",
    "subscription_schedule": "subscription_schedules",
}
