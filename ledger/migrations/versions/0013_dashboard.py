"""The people who use the dashboard, and the indexes that its lists and charts need.

When: before the first process of this version starts. Where there are millions of events, the new indexes of
`events` take some seconds for each million, during which nothing is received (Stripe delivers again).
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables and the indexes."""
    op.create_table(
        "operators",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("removed_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "role IN ('viewer', 'operator', 'approver', 'admin')", name="inv_operator_role"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("name", name="inv_operator_name_once"),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index(
        "ix_sign_in_attempts_about", "sign_in_attempts", ["about", "at_ms"], unique=False
    )
    op.create_table(
        "case_work",
        sa.Column("case_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("assignee", sa.Text(), nullable=True),
        sa.Column("snoozed_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_work_case_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_work")),
    )
    op.create_index("ix_case_work_assignee", "case_work", ["assignee"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("operator_id", _ROW_ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_invitations_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("digest", name="inv_invitation_once"),
    )
    op.create_index("ix_invitations_operator", "invitations", ["operator_id"], unique=False)
    op.create_table(
        "operator_sessions",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("operator_id", _ROW_ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("fresh_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_operator_sessions_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_sessions")),
        sa.UniqueConstraint("digest", name="inv_session_once"),
    )
    op.create_index(
        "ix_operator_sessions_open",
        "operator_sessions",
        ["operator_id"],
        unique=False,
        sqlite_where=sa.text("ended_ms IS NULL"),
        postgresql_where=sa.text("ended_ms IS NULL"),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("operator_id", _ROW_ID, nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("removed_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_passkeys_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name="inv_passkey_once"),
    )
    op.create_index("ix_passkeys_operator", "passkeys", ["operator_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("operator_id", _ROW_ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_recovery_codes_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("digest", name="inv_recovery_code_once"),
    )
    op.create_index("ix_recovery_codes_operator", "recovery_codes", ["operator_id"], unique=False)
    op.create_table(
        "sign_in_challenges",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("operator_id", _ROW_ID, nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(purpose = 'sign_in') = (operator_id IS NULL)", name="inv_challenge_of_operator"
        ),
        sa.CheckConstraint(
            "purpose IN ('sign_in', 'confirm', 'add')", name="inv_challenge_purpose"
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_sign_in_challenges_operator_id")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sign_in_challenges")),
    )
    op.create_index(
        "ix_sign_in_challenges_expires", "sign_in_challenges", ["expires_ms"], unique=False
    )
    op.create_index(
        "ix_events_lane",
        "events",
        ["lane", "id"],
        unique=False,
        sqlite_where=sa.text("lane > ''"),
        postgresql_where=sa.text("lane > ''"),
    )
    op.create_index("ix_events_received", "events", ["received_ms"], unique=False)
    op.create_index(
        "ix_refund_intents_created", "refund_intents", ["created_ms", "id"], unique=False
    )
