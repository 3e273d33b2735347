"""Changes of plan that were made elsewhere, and the sessions of the customer portal.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = "state IN ('waiting', 'restoring', 'crediting')"


def upgrade() -> None:
    """Add the tables, and what a change that was asked for here would do."""
    op.add_column(
        "plan_changes",
        sa.Column("preview", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("plan_changes", sa.Column("outlook", sa.Text(), nullable=True))
    op.add_column(
        "credit_issues",
        sa.Column("undone", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index("ix_credit_issues_subscription", "credit_issues", ["subscription_id"])
    op.create_table(
        "seen_plan_changes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("before_items", sa.Text(), nullable=False),
        sa.Column("after_items", sa.Text(), nullable=False),
        sa.Column("base_items", sa.Text(), nullable=False),
        sa.Column("base_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("clause", sa.Text(), nullable=True),
        sa.Column("money", sa.Text(), nullable=True),
        sa.Column("owed", sa.Text(), server_default="[]", nullable=False),
        sa.Column("insisted", sa.Boolean(), nullable=False),
        sa.Column("restored_ms", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('own', 'waiting', 'in_line', 'observed', 'restoring', 'crediting',"
            " 'restored', 'review', 'accepted', 'merged', 'overtaken')",
            name="inv_seen_plan_state",
        ),
        sa.CheckConstraint(
            "made_by IN ('us', 'stripe', 'portal', 'dashboard', 'api')", name="inv_seen_plan_maker"
        ),
        sa.CheckConstraint(
            f"({_OPEN}) = (next_attempt_ms IS NOT NULL)", name="inv_seen_plan_has_time"
        ),
        sa.CheckConstraint(
            "state NOT IN ('restoring', 'crediting', 'restored')"
            " OR (clause IS NOT NULL AND restored_ms IS NOT NULL)",
            name="inv_restored_has_clause",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seen_plan_changes")),
        sa.UniqueConstraint("event_id", name="inv_seen_plan_once"),
    )
    op.create_index("ix_seen_plans_subscription", "seen_plan_changes", ["subscription_id", "id"])
    _create_partial_index("ix_seen_plans_due", "next_attempt_ms", _OPEN, unique=False)
    _create_partial_index(
        "inv_one_restoration", "subscription_id", "state = 'restoring'", unique=True
    )
    op.create_table(
        "portal_sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen_created", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("seen_event_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_portal_sessions")),
    )
    op.create_index(
        "ix_portal_sessions_customer", "portal_sessions", ["customer_id", "created"], unique=False
    )


def _create_partial_index(name: str, column: str, where: str, *, unique: bool) -> None:
    op.create_index(
        name,
        "seen_plan_changes",
        [column],
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
