"""Credits: grants, usage, expiry, revocation, restoration.

When: before the first process of this version starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('grant', 'usage', 'cover', 'expiry', 'revocation', 'restoration')"
_SIGN = "CASE WHEN kind IN ('grant', 'restoration') THEN credits > 0 ELSE credits < 0 END"
_GRANT = (
    "CASE kind WHEN 'grant' THEN grant_id IS NULL WHEN 'expiry' THEN grant_id IS NOT NULL"
    " WHEN 'revocation' THEN grant_id IS NOT NULL WHEN 'cover' THEN grant_id IS NOT NULL"
    " ELSE 1 = 1 END"
)
_LEFT = (
    "(grant_id IS NULL) = (draw IS NULL) AND (grant_id IS NULL) = (left_after IS NULL)"
    " AND left_after >= 0"
)
_IS_GRANT = sa.text("grant_id IS NULL")
_IS_COVER = sa.text("covers IS NOT NULL")


def upgrade() -> None:
    """Create the tables, indexes and triggers."""
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "credit_entries",
        sa.Column("id", row_id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), server_default="0", nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("grant_id", row_id, nullable=True),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("draw", sa.Integer(), nullable=True),
        sa.Column("left_after", sa.BigInteger(), nullable=True),
        sa.Column("covers", row_id, nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("successful", sa.Boolean(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_KINDS, name="inv_credit_kind"),
        sa.CheckConstraint(_SIGN, name="inv_credit_sign"),
        sa.CheckConstraint(_GRANT, name="inv_credit_grant"),
        sa.CheckConstraint(_LEFT, name="inv_credit_left"),
        sa.CheckConstraint("(kind = 'cover') = (covers IS NOT NULL)", name="inv_credit_cover"),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["credit_entries.id"], name=op.f("fk_credit_entries_grant_id")
        ),
        sa.ForeignKeyConstraint(
            ["covers"], ["credit_entries.id"], name=op.f("fk_credit_entries_covers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_entries")),
        sa.UniqueConstraint("key", "part", name="inv_credit_entry_once"),
        sa.UniqueConstraint("grant_id", "draw", name="inv_credit_drawn_in_turn"),
    )
    for name, column, where in (
        ("ix_credit_entries_grants", "customer_id", _IS_GRANT),
        ("ix_credit_entries_covers", "covers", _IS_COVER),
    ):
        op.create_index(
            name, "credit_entries", [column], sqlite_where=where, postgresql_where=where
        )
    op.create_index("ix_credit_entries_source", "credit_entries", ["source"])
    op.create_table(
        "credit_expiries",
        sa.Column("grant_id", row_id, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["credit_entries.id"], name=op.f("fk_credit_expiries_grant_id")
        ),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_credit_expiries")),
    )
    op.create_index("ix_credit_expiries_due", "credit_expiries", ["due_at"])
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


_WRONG_LEFT = """
    NOT COALESCE(
      CASE WHEN NEW.draw = 1
        THEN (SELECT credits FROM credit_entries WHERE id = NEW.grant_id AND grant_id IS NULL)
        ELSE (SELECT left_after FROM credit_entries
              WHERE grant_id = NEW.grant_id AND draw = NEW.draw - 1)
      END + NEW.credits = NEW.left_after, 1 = 0)
"""

_TRIGGERS = {
    "sqlite": [
        """CREATE TRIGGER inv_i12_credit_entries_update BEFORE UPDATE ON credit_entries
        BEGIN SELECT RAISE(ABORT, 'inv_i12: credit_entries is append-only'); END""",
        """CREATE TRIGGER inv_i12_credit_entries_delete BEFORE DELETE ON credit_entries
        BEGIN SELECT RAISE(ABORT, 'inv_i12: credit_entries is append-only'); END""",
        f"""CREATE TRIGGER inv_credit_balance BEFORE INSERT ON credit_entries
        WHEN NEW.grant_id IS NOT NULL AND {_WRONG_LEFT}
        BEGIN SELECT RAISE(ABORT, 'inv_credit: left_after does not follow'); END""",
    ],
    "postgresql": [
        f"""CREATE FUNCTION inv_credit_balance() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.grant_id IS NOT NULL THEN
            IF {_WRONG_LEFT} THEN
              RAISE EXCEPTION 'inv_credit: left_after does not follow';
            END IF;
          END IF;
          RETURN NEW;
        END $$""",
        """CREATE TRIGGER inv_credit_balance BEFORE INSERT ON credit_entries
        FOR EACH ROW EXECUTE FUNCTION inv_credit_balance()""",
        """CREATE TRIGGER inv_i12_credit_entries BEFORE UPDATE OR DELETE ON credit_entries
        FOR EACH ROW EXECUTE FUNCTION inv_i12_append_only()""",
    ],
}
