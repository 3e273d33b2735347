"""The table of plan changes that were asked for here: written before Stripe is asked anything."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from ledger.states import PlanChangeState, PlanEffect, PlanStep
from ledger.tables import RowId, metadata, one_of, partial_index

#: What the partial index of due rows and every statement about open ones must say alike.
OPEN_SQL = "state IN ('waiting', 'scheduled', 'withdrawing')"

plan_changes = Table(
    "plan_changes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key", Text, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("preview", Boolean, nullable=False, server_default=false()),
    Column("outlook", Text),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("effect", Text),
    Column("clause", Text),
    Column("from_price_id", Text),
    Column("effective_at", BigInteger),
    Column("schedule_id", Text),
    Column("step", Text),
    Column("step_params", Text),
    Column("step_ms", BigInteger),
    Column("round", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("next_attempt_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("key", name="inv_plan_change_once"),
    CheckConstraint(one_of("state", PlanChangeState), name="inv_plan_change_state"),
    CheckConstraint(
        f"effect IS NULL OR {one_of('effect', PlanEffect)}", name="inv_plan_change_effect"
    ),
    CheckConstraint(f"step IS NULL OR {one_of('step', PlanStep)}", name="inv_plan_change_step"),
    CheckConstraint(
        "(step IS NULL) = (step_params IS NULL) AND (step IS NULL) = (step_ms IS NULL)",
        name="inv_plan_step_is_whole",
    ),
    CheckConstraint(
        "step IS NULL OR state IN ('waiting', 'withdrawing')", name="inv_plan_step_is_open"
    ),
    CheckConstraint(f"({OPEN_SQL}) = (next_attempt_ms IS NOT NULL)", name="inv_plan_has_time"),
    CheckConstraint(
        "state <> 'scheduled' OR (schedule_id IS NOT NULL AND effective_at IS NOT NULL)",
        name="inv_scheduled_has_schedule",
    ),
)
Index("ix_plan_changes_subscription", plan_changes.c.subscription_id, plan_changes.c.id)
partial_index("ix_plan_changes_due", plan_changes.c.next_attempt_ms, where=OPEN_SQL)
# Of one subscription only one change may have a call at Stripe under way, and only one be pending.
partial_index(
    "inv_one_plan_step", plan_changes.c.subscription_id, where="step IS NOT NULL", unique=True
)
partial_index(
    "inv_one_plan_scheduled",
    plan_changes.c.subscription_id,
    where="state = 'scheduled'",
    unique=True,
)
