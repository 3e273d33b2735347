"""Whose ledger this is.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; the first process that starts writes its row."""
    op.create_table(
        "ledger_owner",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("merchant", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name="inv_one_ledger_owner"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_owner")),
    )
