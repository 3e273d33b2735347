"""Refund requests and whom they are from, how customers stand, outages, and the deadlines of cases.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WAITING = sa.text("state = 'waiting'")
_LIVE = sa.text("revoked_ms IS NULL")
_WANTED = sa.text("state = 'wanted'")
_REVIEW = sa.text("state = 'review'")


def upgrade() -> None:
    """Add the tables and columns; cases that are open already have no deadline."""
    op.add_column("cases", sa.Column("due_ms", sa.BigInteger(), nullable=True))
    op.add_column(
        "cases", sa.Column("appeals", sa.Integer(), server_default="0", nullable=False)
    )
    op.create_index(
        "ix_cases_due",
        "cases",
        ["due_ms"],
        unique=False,
        sqlite_where=_REVIEW,
        postgresql_where=_REVIEW,
    )
    _add_email_digests()
    _create_refund_requests()
    _create_subscription_ends()
    _create_api_tokens()
    op.create_table(
        "accounts",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "standing IN ('active', 'suspended', 'closed')", name="inv_account_standing"
        ),
        sa.CheckConstraint(
            "cause IS NULL OR cause IN ('terms', 'abuse', 'flag', 'mistake')",
            name="inv_account_cause",
        ),
        sa.CheckConstraint(
            "standing = 'active' OR cause IS NOT NULL", name="inv_account_standing_has_cause"
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "outages",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("affects", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("ended_at > began_at", name="inv_outage_lasts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
        sa.UniqueConstraint("began_at", "ended_at", "affects", name="inv_outage_once"),
    )
    op.create_index("ix_outages_ended", "outages", ["ended_at"], unique=False)


def _create_api_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name="inv_api_token_once"),
    )
    op.create_index(
        "ix_api_tokens_name",
        "api_tokens",
        ["name"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )


def _create_subscription_ends() -> None:
    op.create_table(
        "subscription_ends",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("case_id", _ROW_ID, nullable=False),
        sa.Column("decision_id", _ROW_ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('wanted', 'ended', 'failed')", name="inv_end_state"),
        sa.CheckConstraint(
            "(state = 'wanted') = (next_attempt_ms IS NOT NULL)", name="inv_end_has_time"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_subscription_ends_case_id")
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_subscription_ends_decision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_ends")),
        sa.UniqueConstraint("subscription_id", name="inv_one_end_per_subscription"),
    )
    op.create_index(
        "ix_subscription_ends_due",
        "subscription_ends",
        ["next_attempt_ms"],
        unique=False,
        sqlite_where=_WANTED,
        postgresql_where=_WANTED,
    )


def _add_email_digests() -> None:
    for table in ("charges", "customers"):
        op.add_column(table, sa.Column("email_digest", sa.Text(), nullable=True))
    op.create_index("ix_charges_email", "charges", ["email_digest", "created"], unique=False)
    op.create_index("ix_customers_email", "customers", ["email_digest"], unique=False)


def _create_refund_requests() -> None:
    op.create_table(
        "refund_requests",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_digest", sa.Text(), nullable=False),
        sa.Column("purchase_date", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("stated", sa.Text(), server_default="{}", nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=True),
        sa.Column("candidates", sa.Text(), server_default="[]", nullable=False),
        sa.Column("case_id", _ROW_ID, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'unmatched', 'judged')", name="inv_request_state"
        ),
        sa.CheckConstraint("state <> 'judged' OR case_id IS NOT NULL", name="inv_judged_has_case"),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_refund_requests_case_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_requests")),
        sa.UniqueConstraint("key", name="inv_request_once"),
    )
    op.create_index("ix_refund_requests_case", "refund_requests", ["case_id"], unique=False)
    op.create_index("ix_refund_requests_charge", "refund_requests", ["charge_id"], unique=False)
    op.create_index(
        "ix_refund_requests_due",
        "refund_requests",
        ["next_attempt_ms"],
        unique=False,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
