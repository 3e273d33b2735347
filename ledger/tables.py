"""The tables of what redress itself promises and does. Stripe's objects: `stripe_tables.py`.

This is the truth about the schema; the migrations are tested to arrive at the same. Constraints are
named after the invariant that they hold (`inv_i3_…`, docs/architecture.md). Times are unix
milliseconds UTC (`*_ms`), Stripe's own times unix seconds, money integers in minor units.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ledger.states import CaseState, EventState, IntentState, LookUpState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite gives row ids only to INTEGER keys, PostgreSQL should count in 64 bits.
RowId = BigInteger().with_variant(Integer(), "sqlite")


def one_of(column: str, states: type[StrEnum]) -> str:
    """The text of a CHECK that allows just the members of `states`."""
    members = ", ".join(f"'{state.value}'" for state in states)
    return f"{column} IN ({members})"


def partial_index(name: str, column: Column[Any], *, where: str, unique: bool = False) -> Index:
    """An index over the rows that fit alone, on both engines."""
    return Index(
        name, column, unique=unique, sqlite_where=text(where), postgresql_where=text(where)
    )


events = Table(
    "events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("type", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("api_version", Text),
    Column("object_id", Text),
    Column("lane", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("not_before_ms", BigInteger, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("kills", Integer, nullable=False, server_default="0"),
    Column("settled_ms", BigInteger),
    UniqueConstraint("account", "livemode", "event_id", name="inv_i1_event_once"),
    CheckConstraint(one_of("state", EventState), name="inv_i2_event_state"),
    CheckConstraint(
        "(state = 'claimed') = (lease_until_ms IS NOT NULL)", name="inv_i2_claimed_has_lease"
    ),
)
partial_index("ix_events_waiting", events.c.id, where="state = 'new'")
partial_index("ix_events_claimed_lane", events.c.lane, where="state = 'claimed'")
partial_index("ix_events_parked", events.c.id, where="state = 'parked'")
Index("ix_events_object", events.c.object_id)
Index("ix_events_type", events.c.type, events.c.id)
Index("ix_events_received", events.c.received_ms)
# Partial so that searches by a customer, which say that the lane is not empty, find it, and SQLite does not take it for
# the workers' claims: those are to use `ix_events_claimed_lane`, or each would walk a customer's whole history.
Index(
    "ix_events_lane",
    events.c.lane,
    events.c.id,
    sqlite_where=text("lane > ''"),
    postgresql_where=text("lane > ''"),
)

cases = Table(
    "cases",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("charge_id", Text, nullable=False),
    Column("kept_charge_id", Text),
    Column("customer_id", Text),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("due_ms", BigInteger),
    Column("appeals", Integer, nullable=False, server_default="0"),
    Column("opened_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("kind", "charge_id", name="inv_i3_one_case_per_charge_and_kind"),
    CheckConstraint(one_of("state", CaseState), name="inv_i2_case_state"),
)
Index("ix_cases_charge", cases.c.charge_id)
Index("ix_cases_kept_charge", cases.c.kept_charge_id)
Index("ix_cases_state", cases.c.state, cases.c.id)
partial_index("ix_cases_due", cases.c.due_ms, where="state = 'review'")

decisions = Table(
    "decisions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("case_id", RowId, ForeignKey("cases.id"), nullable=False),
    Column("event_row_id", RowId, ForeignKey("events.id")),
    Column("verdict", Text, nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", Text),
    Column("terms_version", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    CheckConstraint("verdict IN ('approve', 'deny', 'review')", name="inv_i6_decision_verdict"),
    CheckConstraint(
        "(verdict = 'approve') = (amount_minor IS NOT NULL)", name="inv_i6_approval_names_amount"
    ),
    CheckConstraint("amount_minor > 0", name="inv_i14_decision_amount"),
)
Index("ix_decisions_case", decisions.c.case_id, decisions.c.id)
Index("ix_decisions_event", decisions.c.event_row_id)

seals = Table(
    "seals",
    metadata,
    Column("seq", RowId, primary_key=True),
    Column("decision_id", RowId, ForeignKey("decisions.id"), nullable=False),
    Column("digest", Text, nullable=False),
    UniqueConstraint("decision_id", name="inv_i12_sealed_once"),
)

refund_intents = Table(
    "refund_intents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("case_id", RowId, ForeignKey("cases.id"), nullable=False),
    Column("decision_id", RowId, ForeignKey("decisions.id"), nullable=False),
    Column("charge_id", Text, nullable=False),
    Column("kept_charge_id", Text),
    Column("customer_id", Text),
    Column("cause", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("params", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("held", Text),
    Column("note", Text),
    Column("refund_id", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("next_attempt_ms", BigInteger),
    Column("first_sent_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("charge_id", "cause", name="inv_i3_one_refund_per_charge_and_cause"),
    UniqueConstraint("idempotency_key", name="inv_i9_key_once"),
    UniqueConstraint("refund_id", name="inv_i3_refund_adopted_once"),
    CheckConstraint("amount_minor > 0", name="inv_i14_intent_amount"),
    CheckConstraint(one_of("state", IntentState), name="inv_i2_intent_state"),
    CheckConstraint(
        "state IN ('observed', 'reserved', 'withdrawn') OR first_sent_ms IS NOT NULL",
        name="inv_i6_sent_has_time",
    ),
)
Index("ix_refund_intents_due", refund_intents.c.state, refund_intents.c.next_attempt_ms)
Index("ix_refund_intents_spend", refund_intents.c.first_sent_ms, refund_intents.c.currency)
Index("ix_refund_intents_case", refund_intents.c.case_id)
Index("ix_refund_intents_created", refund_intents.c.created_ms, refund_intents.c.id)

brakes = Table(
    "brakes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stopped", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="inv_one_brake"),
)

look_ups = Table(
    "look_ups",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("object_type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("object_type", "object_id", name="inv_one_look_up_per_object"),
    CheckConstraint(one_of("state", LookUpState), name="inv_look_up_state"),
)
Index("ix_look_ups_due", look_ups.c.state, look_ups.c.next_attempt_ms)

audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("detail", Text),
)

Index("ix_audit_object", audit.c.object, audit.c.id)
