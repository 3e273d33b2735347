"""The newest known state of Stripe's objects, one table each: only the fields that the rules read.

`seen_created` is the `created` (unix seconds) of the event that told us, `progress` orders the states
of one object within a second (projections.py), `seen_event_id` names that event.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Table, Text

from ledger.tables import metadata


def _projection(name: str, key: str, *columns: Column[object] | CheckConstraint) -> Table:
    return Table(
        name,
        metadata,
        Column(key, Text, primary_key=True),
        Column("account", Text, nullable=False),
        Column("livemode", Boolean, nullable=False),
        *columns,
        Column("seen_created", BigInteger, nullable=False),
        Column("progress", BigInteger, nullable=False),
        Column("seen_event_id", Text, nullable=False),
    )


def _text(name: str, *, null: bool = True) -> Column[object]:
    return Column(name, Text, nullable=null)


def _number(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, BigInteger, nullable=null)


charges = _projection(
    "charges",
    "charge_id",
    _text("payment_intent_id"),
    _text("customer_id"),
    _text("card_fingerprint"),
    _text("order_reference"),
    _text("product"),
    _text("currency", null=False),
    _number("amount_minor"),
    _number("captured_minor"),
    _number("refunded_minor"),
    _text("status", null=False),
    Column("disputed", Boolean, nullable=False),
    _text("balance_transaction_id"),
    _text("email_digest"),
    _text("card_network"),
    _text("ip_digest"),
    _text("device_digest"),
    Column("signals", Text, nullable=False, server_default="{}"),
    _number("created"),
    CheckConstraint(
        "amount_minor >= 0 AND captured_minor >= 0 AND refunded_minor >= 0",
        name="inv_i14_charge_amounts",
    ),
)
Index("ix_charges_customer", charges.c.customer_id, charges.c.created)
Index("ix_charges_fingerprint", charges.c.card_fingerprint, charges.c.created)
Index("ix_charges_order", charges.c.order_reference)
Index("ix_charges_payment_intent", charges.c.payment_intent_id)
Index("ix_charges_email", charges.c.email_digest, charges.c.created)
Index("ix_charges_ip", charges.c.ip_digest, charges.c.created)
Index("ix_charges_device", charges.c.device_digest, charges.c.created)
# Holds all that a month's payments are counted by, so that no row is read for it.
Index("ix_charges_created", charges.c.created, charges.c.card_network, charges.c.captured_minor)

payment_intents = _projection(
    "payment_intents",
    "payment_intent_id",
    _text("customer_id"),
    _text("latest_charge_id"),
    _text("status", null=False),
    _text("currency", null=False),
    _number("amount_minor"),
    _number("created"),
)

invoices = _projection(
    "invoices",
    "invoice_id",
    _text("customer_id"),
    _text("subscription_id"),
    _text("billing_reason"),
    _text("status"),
    _text("currency", null=False),
    _number("amount_due_minor"),
    _text("price_ids", null=False),
    Column("lines", Text, nullable=False, server_default="[]"),
    _number("paid_at", null=True),
    _number("created"),
)
Index("ix_invoices_subscription", invoices.c.subscription_id)

invoice_payments = _projection(
    "invoice_payments",
    "invoice_payment_id",
    _text("invoice_id", null=False),
    _text("payment_intent_id"),
    _text("charge_id"),
    _number("amount_paid_minor", null=True),
    _text("status", null=False),
)
Index("ix_invoice_payments_invoice", invoice_payments.c.invoice_id)
Index("ix_invoice_payments_payment_intent", invoice_payments.c.payment_intent_id)

subscriptions = _projection(
    "subscriptions",
    "subscription_id",
    _text("customer_id"),
    _text("status", null=False),
    _number("created"),
    _number("ended_at", null=True),
    Column("cancel_at_period_end", Boolean, nullable=False),
    _text("schedule_id"),
    _text("items", null=False),
)

portal_sessions = _projection(
    "portal_sessions",
    "session_id",
    _text("customer_id"),
    _number("created"),
)
Index("ix_portal_sessions_customer", portal_sessions.c.customer_id, portal_sessions.c.created)

subscription_schedules = _projection(
    "subscription_schedules",
    "schedule_id",
    _text("subscription_id"),
    _text("status", null=False),
    _text("phases", null=False),
)

disputes = _projection(
    "disputes",
    "dispute_id",
    _text("charge_id", null=False),
    _text("payment_intent_id"),
    _text("status", null=False),
    _text("reason"),
    _text("currency", null=False),
    _number("amount_minor"),
    _number("due_by", null=True),
    _text("network_reason_code"),
    _text("case_type"),
    _number("created", null=True),
)
Index("ix_disputes_charge", disputes.c.charge_id)
Index("ix_disputes_created", disputes.c.created)

refunds = _projection(
    "refunds",
    "refund_id",
    _text("charge_id"),
    _text("payment_intent_id"),
    _text("intent_id"),
    _text("status"),
    _text("reason"),
    _text("failure_reason"),
    _text("currency", null=False),
    _number("amount_minor"),
    _number("created"),
)
Index("ix_refunds_charge", refunds.c.charge_id)

reviews = _projection(
    "reviews",
    "review_id",
    _text("charge_id"),
    _text("payment_intent_id"),
    Column("open", Boolean, nullable=False),
    _text("opened_reason"),
    _text("reason"),
    _text("closed_reason"),
)
Index("ix_reviews_charge", reviews.c.charge_id)

early_fraud_warnings = _projection(
    "early_fraud_warnings",
    "warning_id",
    _text("charge_id", null=False),
    _text("payment_intent_id"),
    Column("actionable", Boolean, nullable=False),
    _text("fraud_type", null=False),
    _number("created"),
)
Index("ix_early_fraud_warnings_charge", early_fraud_warnings.c.charge_id)
Index("ix_early_fraud_warnings_created", early_fraud_warnings.c.created)

prices = _projection(
    "prices",
    "price_id",
    _text("product_id"),
    _text("currency", null=False),
    _number("unit_amount_minor", null=True),
    _text("interval"),
    Column("active", Boolean, nullable=False),
    _text("offer", null=False),
)

customers = _projection(
    "customers",
    "customer_id",
    Column("deleted", Boolean, nullable=False),
    _text("email_digest"),
    _text("disposable"),
    _number("created", null=True),
)
Index("ix_customers_email", customers.c.email_digest)
