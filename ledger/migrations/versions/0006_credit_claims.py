"""Credits that are asked back and the decisions about them; usage told late; an index of credits by reference.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WAITING = sa.text("state = 'waiting'")
_REFERENCED = sa.text("reference IS NOT NULL")


def upgrade() -> None:
    """Add the tables, the index and the triggers."""
    _create_credit_claims()
    _create_credit_decisions()
    op.create_table(
        "late_usage",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("case_id", _ROW_ID, nullable=False),
        sa.Column("decision_id", _ROW_ID, nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("credits > 0", name="inv_late_usage_credits"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_late_usage_case_id")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_late_usage_decision_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_late_usage")),
    )
    op.create_index("ix_late_usage_case", "late_usage", ["case_id"], unique=False)
    op.create_index(
        "ix_credit_entries_reference",
        "credit_entries",
        ["customer_id", "reference"],
        unique=False,
        sqlite_where=_REFERENCED,
        postgresql_where=_REFERENCED,
    )
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def _create_credit_claims() -> None:
    op.create_table(
        "credit_claims",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("loss", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("documented", sa.BigInteger(), nullable=True),
        sa.Column("our_fault", sa.Boolean(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_ms", sa.BigInteger(), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'review', 'observed', 'restored', 'denied')",
            name="inv_claim_state",
        ),
        sa.CheckConstraint("loss IN ('failed', 'lost')", name="inv_claim_loss"),
        sa.CheckConstraint("credits > 0 AND documented >= 0", name="inv_claim_credits"),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_attempt_ms IS NOT NULL)",
            name="inv_claim_waiting_has_time",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_claims")),
        sa.UniqueConstraint("key", name="inv_claim_once"),
    )
    op.create_index("ix_credit_claims_customer", "credit_claims", ["customer_id"], unique=False)
    op.create_index(
        "ix_credit_claims_due",
        "credit_claims",
        ["next_attempt_ms"],
        unique=False,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )


def _create_credit_decisions() -> None:
    op.create_table(
        "credit_decisions",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("claim_id", _ROW_ID, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=True),
        sa.Column("terms_version", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('approve', 'deny', 'review')", name="inv_i6_credit_decision_verdict"
        ),
        sa.CheckConstraint(
            "(verdict = 'approve') = (credits IS NOT NULL)", name="inv_i6_approval_names_credits"
        ),
        sa.CheckConstraint("credits > 0", name="inv_credit_decision_credits"),
        sa.ForeignKeyConstraint(
            ["claim_id"], ["credit_claims.id"], name=op.f("fk_credit_decisions_claim_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_decisions")),
    )
    op.create_index(
        "ix_credit_decisions_claim", "credit_decisions", ["claim_id", "id"], unique=False
    )


_WRONG_LEFT = """
    NOT COALESCE(
      (SELECT NEW.left_after <= granted.credits
         AND CASE WHEN NEW.draw = 1 THEN granted.credits
           ELSE (SELECT left_after FROM credit_entries
                 WHERE grant_id = NEW.grant_id AND draw = NEW.draw - 1)
           END + NEW.credits = NEW.left_after
       FROM credit_entries AS granted
       WHERE granted.id = NEW.grant_id AND granted.grant_id IS NULL AND granted.credits > 0
         AND granted.customer_id = NEW.customer_id), 1 = 0)
"""
_WRONG_COVER = """
    NOT COALESCE(
      (SELECT used.credits <= NEW.credits
         + COALESCE((SELECT SUM(credits) FROM credit_entries WHERE covers = NEW.covers), 0)
       FROM credit_entries AS used
       WHERE used.id = NEW.covers AND used.kind = 'usage' AND used.grant_id IS NULL
         AND used.customer_id = NEW.customer_id), 1 = 0)
"""

_TRIGGERS = {
    "sqlite": [
        """CREATE TRIGGER inv_i12_credit_decisions_update BEFORE UPDATE ON credit_decisions
        BEGIN SELECT RAISE(ABORT, 'inv_i12: credit_decisions is append-only'); END""",
        """CREATE TRIGGER inv_i12_credit_decisions_delete BEFORE DELETE ON credit_decisions
        BEGIN SELECT RAISE(ABORT, 'inv_i12: credit_decisions is append-only'); END""",
        "DROP TRIGGER inv_credit_balance",
        f"""CREATE TRIGGER inv_credit_balance BEFORE INSERT ON credit_entries
        WHEN NEW.grant_id IS NOT NULL AND {_WRONG_LEFT}
        BEGIN SELECT RAISE(ABORT, 'inv_credit: left_after does not follow'); END""",
        f"""CREATE TRIGGER inv_credit_covered BEFORE INSERT ON credit_entries
        WHEN NEW.covers IS NOT NULL AND {_WRONG_COVER}
        BEGIN SELECT RAISE(ABORT, 'inv_credit: more is covered than was used'); END""",
    ],
    "postgresql": [
        """CREATE TRIGGER inv_i12_credit_decisions BEFORE UPDATE OR DELETE ON credit_decisions
        FOR EACH ROW EXECUTE FUNCTION inv_i12_append_only()""",
        f"""CREATE OR REPLACE FUNCTION inv_credit_balance() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.grant_id IS NOT NULL THEN
            IF {_WRONG_LEFT} THEN
              RAISE EXCEPTION 'inv_credit: left_after does not follow';
            END IF;
          END IF;
          IF NEW.covers IS NOT NULL THEN
            IF {_WRONG_COVER} THEN
              RAISE EXCEPTION 'inv_credit: more is covered than was used';
            END IF;
          END IF;
          RETURN NEW;
        END $$""",
    ],
}
