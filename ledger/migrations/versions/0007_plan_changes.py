"""Changes of plan that are asked for here.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = "state IN ('waiting', 'scheduled', 'withdrawing')"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "plan_changes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("effect", sa.Text(), nullable=True),
        sa.Column("clause", sa.Text(), nullable=True),
        sa.Column("from_price_id", sa.Text(), nullable=True),
        sa.Column("effective_at", sa.BigInteger(), nullable=True),
        sa.Column("schedule_id", sa.Text(), nullable=True),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("step_params", sa.Text(), nullable=True),
        sa.Column("step_ms", sa.BigInteger(), nullable=True),
        sa.Column("round", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'scheduled', 'applied', 'observed', 'refused', 'replaced',"
            " 'withdrawing', 'withdrawn', 'failed')",
            name="inv_plan_change_state",
        ),
        sa.CheckConstraint(
            "effect IS NULL OR effect IN ('now', 'period_end', 'stay')",
            name="inv_plan_change_effect",
        ),
        sa.CheckConstraint(
            "step IS NULL OR step IN ('schedule', 'phases', 'release', 'switch')",
            name="inv_plan_change_step",
        ),
        sa.CheckConstraint(
            "(step IS NULL) = (step_params IS NULL) AND (step IS NULL) = (step_ms IS NULL)",
            name="inv_plan_step_is_whole",
        ),
        sa.CheckConstraint(
            "step IS NULL OR state IN ('waiting', 'withdrawing')", name="inv_plan_step_is_open"
        ),
        sa.CheckConstraint(
            f"({_OPEN}) = (next_attempt_ms IS NOT NULL)", name="inv_plan_has_time"
        ),
        sa.CheckConstraint(
            "state <> 'scheduled' OR (schedule_id IS NOT NULL AND effective_at IS NOT NULL)",
            name="inv_scheduled_has_schedule",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_changes")),
        sa.UniqueConstraint("key", name="inv_plan_change_once"),
    )
    op.create_index(
        "ix_plan_changes_subscription", "plan_changes", ["subscription_id", "id"], unique=False
    )
    _create_partial_index("ix_plan_changes_due", "next_attempt_ms", _OPEN, unique=False)
    _create_partial_index("inv_one_plan_step", "subscription_id", "step IS NOT NULL", unique=True)
    _create_partial_index(
        "inv_one_plan_scheduled", "subscription_id", "state = 'scheduled'", unique=True
    )


def _create_partial_index(name: str, column: str, where: str, *, unique: bool) -> None:
    op.create_index(
        name,
        "plan_changes",
        [column],
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
