"""Prices, the lines of invoices, and what paid purchases are to bring in credits.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns; what was paid before brings no credits by itself."""
    op.create_table(
        "prices",
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("unit_amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("interval", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("price_id", name=op.f("pk_prices")),
    )
    op.add_column(
        "invoices", sa.Column("lines", sa.Text(), server_default="[]", nullable=False)
    )
    op.add_column("invoices", sa.Column("paid_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "credit_issues",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("issued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'issuing', 'done', 'stopped')", name="inv_issue_state"
        ),
        sa.CheckConstraint("quantity > 0", name="inv_issue_quantity"),
        sa.CheckConstraint(
            "(state = 'issuing') = (next_at IS NOT NULL)", name="inv_issuing_has_time"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_issues")),
        sa.UniqueConstraint("source", "ref", name="inv_one_issue_per_purchase"),
    )
    op.create_index(
        "ix_credit_issues_due",
        "credit_issues",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state = 'issuing'"),
        postgresql_where=sa.text("state = 'issuing'"),
    )
    op.create_index(
        "ix_credit_issues_waiting",
        "credit_issues",
        ["ref"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
