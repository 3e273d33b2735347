"""Replays, the reading of Stripe's lists, and comparisons with Stripe.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "replays",
        sa.Column("id", _ROW_ID, nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("source", "selection", "actor", "reason", "origin", "state")
        ),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("stored", sa.Integer(), server_default="0", nullable=False),
        sa.Column("replayed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('running', 'done')", name="inv_replay_state"),
        sa.CheckConstraint("source IN ('ledger', 'file', 'stripe')", name="inv_replay_source"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
    )
    op.create_table(
        "backfill_cursors",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("seen_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("listed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("found", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "stream IN ('events', 'undelivered', 'charges', 'refunds', 'disputes',"
            " 'early_fraud_warnings')",
            name="inv_backfill_stream",
        ),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_backfill_cursors")),
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("compared", sa.Text(), server_default="{}", nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'failed')", name="inv_reconciliation_state"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    op.create_table(
        "differences",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("reconciliation_id", _ROW_ID, nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("kind", "object_type", "object_id")
        ),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("here", sa.Text(), nullable=True),
        sa.Column("there", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('missing_here', 'missing_there', 'amount', 'state')",
            name="inv_difference_kind",
        ),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["reconciliations.id"],
            name=op.f("fk_differences_reconciliation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_differences")),
    )
    op.create_index("ix_differences_reconciliation", "differences", ["reconciliation_id", "id"])
    op.create_table(
        "erasures",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("erased_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "payload_marks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="inv_one_payload_mark"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payload_marks")),
    )
