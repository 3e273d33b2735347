"""Notices: what customers and the product are told, each a row before it is sent.

When: before the first process of this version starts; the processes of the one before do not look
at the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("doubtful_sends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("channel IN ('email', 'webhook')", name="inv_notice_channel"),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'failed')", name="inv_notice_state"
        ),
        sa.CheckConstraint(
            "(channel = 'email') = (recipient IS NOT NULL)",
            name="inv_notice_email_has_recipient",
        ),
        sa.CheckConstraint(
            "state <> 'sending' OR lease_until_ms IS NOT NULL",
            name="inv_notice_sending_has_lease",
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'sending')) = (next_attempt_ms IS NOT NULL)",
            name="inv_notice_open_is_due",
        ),
        sa.CheckConstraint("state <> 'sent' OR sent_ms IS NOT NULL", name="inv_notice_sent_has_time"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("key", name="inv_one_notice_per_key"),
    )
    op.create_index("ix_notices_due", "notices", ["state", "next_attempt_ms"], unique=False)
    op.create_index("ix_notices_subject", "notices", ["subject_id", "id"], unique=False)
