"""What a charge tells about fraud, whom to trust, suspended accounts, answers to disputes, and verdicts of other terms.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SUBMITTED = ("dispute_id", "answers", "params", "idempotency_key", "author", "state")


def upgrade() -> None:
    """Add the columns, the tables, and the indexes that velocity is counted by."""
    for name in ("card_network", "ip_digest", "device_digest"):
        op.add_column("charges", sa.Column(name, sa.Text(), nullable=True))
    op.add_column(
        "charges", sa.Column("signals", sa.Text(), server_default="{}", nullable=False)
    )
    for name in ("network_reason_code", "case_type"):
        op.add_column("disputes", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("customers", sa.Column("disposable", sa.Text(), nullable=True))
    op.add_column("disputes", sa.Column("created", sa.BigInteger(), nullable=True))
    op.create_index("ix_charges_ip", "charges", ["ip_digest", "created"])
    op.create_index("ix_charges_device", "charges", ["device_digest", "created"])
    op.create_index(
        "ix_charges_created", "charges", ["created", "card_network", "captured_minor"]
    )
    op.create_index("ix_disputes_created", "disputes", ["created"])
    op.create_index("ix_reviews_charge", "reviews", ["charge_id"])
    op.create_index("ix_early_fraud_warnings_created", "early_fraud_warnings", ["created"])
    op.create_table(
        "list_entries",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("list IN ('allow', 'block', 'snooze')", name="inv_list_name"),
        sa.CheckConstraint(
            "subject IN ('card', 'customer', 'email', 'ip', 'device')", name="inv_list_subject"
        ),
        sa.CheckConstraint(
            "list <> 'snooze' OR expires_ms IS NOT NULL", name="inv_snooze_ends"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_entries")),
        sa.UniqueConstraint("list", "subject", "value", "origin", name="inv_listed_once"),
    )
    op.create_index("ix_list_entries_value", "list_entries", ["value"])
    op.create_index("ix_list_entries_origin", "list_entries", ["origin"])
    op.create_table(
        "suspensions",
        sa.Column("case_id", _ROW_ID, nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("decision_id", _ROW_ID, nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_suspensions_case_id")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_suspensions_decision_id")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_suspensions")),
    )
    op.create_index("ix_suspensions_customer", "suspensions", ["customer_id"])
    op.create_table(
        "dispute_submissions",
        sa.Column("id", _ROW_ID, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _SUBMITTED),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('sending', 'accepted', 'refused')", name="inv_submission_state"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_submissions")),
        sa.UniqueConstraint("dispute_id", "answers", name="inv_one_answer_per_state"),
        sa.UniqueConstraint("idempotency_key", name="inv_i4_submission_key"),
    )
    op.create_table(
        "shadow_verdicts",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("terms_digest", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("decision_id", _ROW_ID, nullable=True),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("clauses", sa.Text(), nullable=False),
        sa.Column("differs", sa.Boolean(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_shadow_verdicts_decision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_verdicts")),
        sa.UniqueConstraint("terms_digest", "subject", name="inv_one_shadow_verdict"),
    )
    op.create_index(
        "ix_shadow_verdicts_decision", "shadow_verdicts", ["terms_digest", "decision_id"]
    )
    op.create_index("ix_shadow_verdicts_differs", "shadow_verdicts", ["terms_digest", "differs"])
