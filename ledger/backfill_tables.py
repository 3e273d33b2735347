"""The tables of what is asked of Stripe by ourselves: how far its lists were read, and how the books compare."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)

from ledger.tables import RowId, metadata, one_of


class BackfillStream(StrEnum):
    """One of Stripe's lists that is read again and again."""

    EVENTS = "events"  # everything after the newest event that was listed before
    UNDELIVERED = "undelivered"  # what Stripe did not manage to deliver
    CHARGES = "charges"  # the objects themselves, in case that Stripe made no event
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    WARNINGS = "early_fraud_warnings"


class ReconciliationState(StrEnum):
    """Where a comparison of the ledger with Stripe stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # Stripe did not answer; what was found until then is kept


class DifferenceKind(StrEnum):
    """How the ledger and Stripe differ about one object."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    STATE = "state"


backfill_cursors = Table(
    "backfill_cursors",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("cursor", Text, nullable=False),  # one of Stripe's ids
    Column("seen_until", BigInteger, nullable=False, server_default="0"),  # unix seconds
    Column("due_ms", BigInteger, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("listed", BigInteger, nullable=False, server_default="0"),
    Column("found", BigInteger, nullable=False, server_default="0"),
    Column("note", Text),
    Column("changed_ms", BigInteger, nullable=False, server_default="0"),
    CheckConstraint(one_of("stream", BackfillStream), name="inv_backfill_stream"),
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("since", BigInteger, nullable=False),  # unix seconds, inclusive
    Column("until", BigInteger, nullable=False),  # exclusive
    Column("state", Text, nullable=False),
    Column("compared", Text, nullable=False, server_default="{}"),  # JSON: objects by type
    Column("stage", Text, nullable=False),  # the type that is compared now
    Column("cursor", Text, nullable=False),  # the last of Stripe's ids that were
    Column("reached", BigInteger, nullable=False),  # when that was made, unix seconds
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("origin", Text, nullable=False),
    Column("note", Text),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    CheckConstraint(one_of("state", ReconciliationState), name="inv_reconciliation_state"),
)

differences = Table(
    "differences",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("reconciliation_id", RowId, ForeignKey("reconciliations.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("object_type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("here", Text),
    Column("there", Text),
    CheckConstraint(one_of("kind", DifferenceKind), name="inv_difference_kind"),
)
Index("ix_differences_reconciliation", differences.c.reconciliation_id, differences.c.id)
