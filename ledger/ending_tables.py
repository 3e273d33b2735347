"""The table of subscriptions that a refund ends: written before Stripe is asked to."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from ledger.states import EndState
from ledger.tables import RowId, metadata, one_of, partial_index

subscription_ends = Table(
    "subscription_ends",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("subscription_id", Text, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("case_id", RowId, ForeignKey("cases.id"), nullable=False),
    Column("decision_id", RowId, ForeignKey("decisions.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("subscription_id", name="inv_one_end_per_subscription"),
    CheckConstraint(one_of("state", EndState), name="inv_end_state"),
    CheckConstraint("(state = 'wanted') = (next_attempt_ms IS NOT NULL)", name="inv_end_has_time"),
)
partial_index(
    "ix_subscription_ends_due", subscription_ends.c.next_attempt_ms, where="state = 'wanted'"
)
