"""The first schema: the inbox, Stripe's objects, cases, decisions, refund intents, audit.

When: before the first process starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table, index and trigger."""
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_object", "audit", ["object", "id"], unique=False)
    op.create_table(
        "brakes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="inv_one_brake"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brakes")),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("kept_charge_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('review', 'refunding', 'refunded', 'closed')", name="inv_i2_case_state"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("kind", "charge_id", name="inv_i3_one_case_per_charge_and_kind"),
    )
    op.create_index("ix_cases_charge", "cases", ["charge_id"], unique=False)
    op.create_index("ix_cases_kept_charge", "cases", ["kept_charge_id"], unique=False)
    op.create_index("ix_cases_state", "cases", ["state", "id"], unique=False)
    op.create_table(
        "charges",
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("card_fingerprint", sa.Text(), nullable=True),
        sa.Column("order_reference", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("balance_transaction_id", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "amount_minor >= 0 AND captured_minor >= 0 AND refunded_minor >= 0",
            name="inv_i14_charge_amounts",
        ),
        sa.PrimaryKeyConstraint("charge_id", name=op.f("pk_charges")),
    )
    op.create_index("ix_charges_customer", "charges", ["customer_id", "created"], unique=False)
    op.create_index(
        "ix_charges_fingerprint", "charges", ["card_fingerprint", "created"], unique=False
    )
    op.create_index("ix_charges_order", "charges", ["order_reference"], unique=False)
    op.create_index("ix_charges_payment_intent", "charges", ["payment_intent_id"], unique=False)
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=True),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customers")),
    )
    op.create_table(
        "disputes",
        sa.Column("dispute_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_by", sa.BigInteger(), nullable=True),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dispute_id", name=op.f("pk_disputes")),
    )
    op.create_index("ix_disputes_charge", "disputes", ["charge_id"], unique=False)
    op.create_table(
        "early_fraud_warnings",
        sa.Column("warning_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("actionable", sa.Boolean(), nullable=False),
        sa.Column("fraud_type", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("warning_id", name=op.f("pk_early_fraud_warnings")),
    )
    op.create_index(
        "ix_early_fraud_warnings_charge", "early_fraud_warnings", ["charge_id"], unique=False
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("api_version", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("not_before_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kills", sa.Integer(), server_default="0", nullable=False),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'claimed') = (lease_until_ms IS NOT NULL)", name="inv_i2_claimed_has_lease"
        ),
        sa.CheckConstraint(
            "state IN ('new', 'claimed', 'decided', 'ignored', 'parked')", name="inv_i2_event_state"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("account", "livemode", "event_id", name="inv_i1_event_once"),
    )
    op.create_index(
        "ix_events_claimed_lane",
        "events",
        ["lane"],
        unique=False,
        sqlite_where=sa.text("state = 'claimed'"),
        postgresql_where=sa.text("state = 'claimed'"),
    )
    op.create_index("ix_events_object", "events", ["object_id"], unique=False)
    op.create_index(
        "ix_events_parked",
        "events",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'parked'"),
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index("ix_events_type", "events", ["type", "id"], unique=False)
    op.create_index(
        "ix_events_waiting",
        "events",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'new'"),
        postgresql_where=sa.text("state = 'new'"),
    )
    op.create_table(
        "invoice_payments",
        sa.Column("invoice_payment_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("charge_id", sa.Text(), nullable=True),
        sa.Column("amount_paid_minor", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("invoice_payment_id", name=op.f("pk_invoice_payments")),
    )
    op.create_index("ix_invoice_payments_invoice", "invoice_payments", ["invoice_id"], unique=False)
    op.create_index(
        "ix_invoice_payments_payment_intent",
        "invoice_payments",
        ["payment_intent_id"],
        unique=False,
    )
    op.create_table(
        "invoices",
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("billing_reason", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_due_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_ids", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_invoices")),
    )
    op.create_index("ix_invoices_subscription", "invoices", ["subscription_id"], unique=False)
    op.create_table(
        "look_ups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('wanted', 'answered', 'given_up')", name="inv_look_up_state"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_look_ups")),
        sa.UniqueConstraint("object_type", "object_id", name="inv_one_look_up_per_object"),
    )
    op.create_index("ix_look_ups_due", "look_ups", ["state", "next_attempt_ms"], unique=False)
    op.create_table(
        "payment_intents",
        sa.Column("payment_intent_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("latest_charge_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("payment_intent_id", name=op.f("pk_payment_intents")),
    )
    op.create_table(
        "refunds",
        sa.Column("refund_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=True),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("intent_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("refund_id", name=op.f("pk_refunds")),
    )
    op.create_index("ix_refunds_charge", "refunds", ["charge_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=True),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("opened_reason", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_reviews")),
    )
    op.create_table(
        "subscription_schedules",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phases", sa.Text(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", name=op.f("pk_subscription_schedules")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("cancel_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("schedule_id", sa.Text(), nullable=True),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "event_row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("terms_version", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(verdict = 'approve') = (amount_minor IS NOT NULL)",
            name="inv_i6_approval_names_amount",
        ),
        sa.CheckConstraint(
            "verdict IN ('approve', 'deny', 'review')", name="inv_i6_decision_verdict"
        ),
        sa.CheckConstraint("amount_minor > 0", name="inv_i14_decision_amount"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_decisions_case_id")),
        sa.ForeignKeyConstraint(
            ["event_row_id"], ["events.id"], name=op.f("fk_decisions_event_row_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_case", "decisions", ["case_id", "id"], unique=False)
    op.create_index("ix_decisions_event", "decisions", ["event_row_id"], unique=False)
    op.create_table(
        "refund_intents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "decision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("kept_charge_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("held", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("refund_id", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=True),
        sa.Column("first_sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('observed', 'reserved', 'submitted', 'unknown', 'pending', 'succeeded', 'rejected', 'withdrawn', 'failed')",
            name="inv_i2_intent_state",
        ),
        sa.CheckConstraint(
            "state IN ('observed', 'reserved', 'withdrawn') OR first_sent_ms IS NOT NULL",
            name="inv_i6_sent_has_time",
        ),
        sa.CheckConstraint("amount_minor > 0", name="inv_i14_intent_amount"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_refund_intents_case_id")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_refund_intents_decision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_intents")),
        sa.UniqueConstraint("charge_id", "cause", name="inv_i3_one_refund_per_charge_and_cause"),
        sa.UniqueConstraint("idempotency_key", name="inv_i9_key_once"),
        sa.UniqueConstraint("refund_id", name="inv_i3_refund_adopted_once"),
    )
    op.create_index("ix_refund_intents_case", "refund_intents", ["case_id"], unique=False)
    op.create_index(
        "ix_refund_intents_due", "refund_intents", ["state", "next_attempt_ms"], unique=False
    )
    op.create_index(
        "ix_refund_intents_spend", "refund_intents", ["first_sent_ms", "currency"], unique=False
    )
    op.create_table(
        "seals",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "decision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_seals_decision_id")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_seals")),
        sa.UniqueConstraint("decision_id", name="inv_i12_sealed_once"),
    )
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement)


TRIGGERS = {
    "sqlite": [
        """CREATE TRIGGER inv_i12_decisions_update BEFORE UPDATE ON decisions
        BEGIN SELECT RAISE(ABORT, 'inv_i12: decisions is append-only'); END""",
        """CREATE TRIGGER inv_i12_decisions_delete BEFORE DELETE ON decisions
        BEGIN SELECT RAISE(ABORT, 'inv_i12: decisions is append-only'); END""",
        """CREATE TRIGGER inv_i12_seals_update BEFORE UPDATE ON seals
        BEGIN SELECT RAISE(ABORT, 'inv_i12: seals is append-only'); END""",
        """CREATE TRIGGER inv_i12_seals_delete BEFORE DELETE ON seals
        BEGIN SELECT RAISE(ABORT, 'inv_i12: seals is append-only'); END""",
        """CREATE TRIGGER inv_i12_audit_update BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'inv_i12: audit is append-only'); END""",
        """CREATE TRIGGER inv_i12_audit_delete BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'inv_i12: audit is append-only'); END""",
        """CREATE TRIGGER inv_i4_intent_insert BEFORE INSERT ON refund_intents
        WHEN NEW.state IN ('pending', 'reserved', 'submitted', 'succeeded', 'unknown') AND 
    COALESCE((SELECT SUM(amount_minor) FROM refund_intents
              WHERE charge_id = NEW.charge_id AND id <> NEW.id AND state IN ('pending', 'reserved', 'submitted', 'succeeded', 'unknown')), 0)
    + NEW.amount_minor
    > COALESCE((SELECT captured_minor FROM charges WHERE charge_id = NEW.charge_id), 0)

        BEGIN SELECT RAISE(ABORT, 'inv_i4: refunds would exceed what was captured'); END""",
        """CREATE TRIGGER inv_i4_intent_update BEFORE UPDATE OF state, amount_minor ON refund_intents
        WHEN NEW.state IN ('pending', 'reserved', 'submitted', 'succeeded', 'unknown') AND 
    COALESCE((SELECT SUM(amount_minor) FROM refund_intents
              WHERE charge_id = NEW.charge_id AND id <> NEW.id AND state IN ('pending', 'reserved', 'submitted', 'succeeded', 'unknown')), 0)
    + NEW.amount_minor
    > COALESCE((SELECT captured_minor FROM charges WHERE charge_id = NEW.charge_id), 0)

        BEGIN SELECT RAISE(ABORT, 'inv_i4: refunds would exceed what was captured'); END""",
    ],
    "postgresql": [
        """CREATE FUNCTION inv_i12_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'inv_i12: %% is append-only', TG_TABLE_NAME; END $$""",
        """CREATE FUNCTION inv_i4_captured() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.state IN ('pending', 'reserved', 'submitted', 'succeeded', 'unknown') THEN
            PERFORM 1 FROM charges WHERE charge_id = NEW.charge_id FOR UPDATE;
            IF 
    COALESCE((SELECT SUM(amount_minor) FROM refund_intents
              WHERE charge_id = NEW.charge_id AND id <> NEW.id AND state IN ('pending', 'reserved', 'submitted', 'succeeded', 'unknown')), 0)
    + NEW.amount_minor
    > COALESCE((SELECT captured_minor FROM charges WHERE charge_id = NEW.charge_id), 0)
 THEN
              RAISE EXCEPTION 'inv_i4: refunds would exceed what was captured';
            END IF;
          END IF;
          RETURN NEW;
        END $$""",
        """CREATE TRIGGER inv_i4_intent BEFORE INSERT OR UPDATE OF state, amount_minor
        ON refund_intents FOR EACH ROW EXECUTE FUNCTION inv_i4_captured()""",
        """CREATE TRIGGER inv_i12_decisions BEFORE UPDATE OR DELETE ON decisions
        FOR EACH ROW EXECUTE FUNCTION inv_i12_append_only()""",
        """CREATE TRIGGER inv_i12_seals BEFORE UPDATE OR DELETE ON seals
        FOR EACH ROW EXECUTE FUNCTION inv_i12_append_only()""",
        """CREATE TRIGGER inv_i12_audit BEFORE UPDATE OR DELETE ON audit
        FOR EACH ROW EXECUTE FUNCTION inv_i12_append_only()""",
    ],
}
