"""Approvals that wait for a second person.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "approvals",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("case_id", _ROW_ID, nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("keeps_credits", sa.Boolean(), nullable=False),
        sa.Column("keeps_subscription", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("second_actor", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'confirmed', 'dropped')", name="inv_approval_state"
        ),
        sa.CheckConstraint("amount_minor > 0", name="inv_approval_amount"),
        sa.CheckConstraint("second_actor <> actor", name="inv_approval_two_people"),
        sa.CheckConstraint(
            "(state = 'confirmed') = (second_actor IS NOT NULL)", name="inv_approval_confirmed"
        ),
        sa.CheckConstraint("(state = 'waiting') = (ended_ms IS NULL)", name="inv_approval_ended"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_approvals_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(
        "inv_one_waiting_approval",
        "approvals",
        ["case_id"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
