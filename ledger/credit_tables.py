"""The table of credits: grants, what drew from them, and what came back. Rows are only ever added."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ledger.states import CreditKind
from ledger.tables import RowId, metadata, one_of, partial_index

credit_entries = Table(
    "credit_entries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key", Text, nullable=False),
    Column("part", Integer, nullable=False, server_default="0"),
    Column("customer_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("grant_id", RowId, ForeignKey("credit_entries.id")),
    Column("credits", BigInteger, nullable=False),
    Column("draw", Integer),
    Column("left_after", BigInteger),
    Column("covers", RowId, ForeignKey("credit_entries.id")),
    Column("source", Text, nullable=False),
    Column("successful", Boolean),
    Column("reference", Text),
    Column("at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("recorded_ms", BigInteger, nullable=False),
    UniqueConstraint("key", "part", name="inv_credit_entry_once"),
    CheckConstraint(one_of("kind", CreditKind), name="inv_credit_kind"),
    CheckConstraint(
        "CASE WHEN kind IN ('grant', 'restoration') THEN credits > 0 ELSE credits < 0 END",
        name="inv_credit_sign",
    ),
    CheckConstraint(
        "CASE kind WHEN 'grant' THEN grant_id IS NULL WHEN 'expiry' THEN grant_id IS NOT NULL"
        " WHEN 'revocation' THEN grant_id IS NOT NULL WHEN 'cover' THEN grant_id IS NOT NULL"
        " ELSE 1 = 1 END",
        name="inv_credit_grant",
    ),
    # The n-th entry that draws on a grant, and what is left after it: so the database can tell a wrong
    # balance by looking at one other row, however long the grant's history is.
    UniqueConstraint("grant_id", "draw", name="inv_credit_drawn_in_turn"),
    CheckConstraint(
        "(grant_id IS NULL) = (draw IS NULL) AND (grant_id IS NULL) = (left_after IS NULL)"
        " AND left_after >= 0",
        name="inv_credit_left",
    ),
    CheckConstraint("(kind = 'cover') = (covers IS NOT NULL)", name="inv_credit_cover"),
)
# Grants, and the few usages that no grant covered when they were told.
partial_index("ix_credit_entries_grants", credit_entries.c.customer_id, where="grant_id IS NULL")
partial_index("ix_credit_entries_covers", credit_entries.c.covers, where="covers IS NOT NULL")
Index("ix_credit_entries_source", credit_entries.c.source)
#: What was used, and what came back, under the product's own id of what was made.
Index(
    "ix_credit_entries_reference",
    credit_entries.c.customer_id,
    credit_entries.c.reference,
    sqlite_where=text("reference IS NOT NULL"),
    postgresql_where=text("reference IS NOT NULL"),
)

#: Grants whose validity has not ended yet; a row goes when what was left is written off.
credit_expiries = Table(
    "credit_expiries",
    metadata,
    Column("grant_id", RowId, ForeignKey("credit_entries.id"), primary_key=True),
    Column("due_at", BigInteger, nullable=False),
)
Index("ix_credit_expiries_due", credit_expiries.c.due_at)
