"""The table of plan changes that Stripe's events told of, whoever made them, and of what was done about them."""

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
)

from ledger.states import PlanMaker, SeenPlanState
from ledger.tables import RowId, metadata, one_of, partial_index

#: What the partial indexes and every statement about open ones must say alike.
OPEN_SEEN_SQL = "state IN ('waiting', 'restoring', 'crediting')"
#: Of these the subscription itself is still to be put right; changes asked for here wait.
UNSETTLED_SQL = "state IN ('waiting', 'restoring')"

seen_plan_changes = Table(
    "seen_plan_changes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("subscription_id", Text, nullable=False),
    Column("customer_id", Text),
    Column("livemode", Boolean, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("before_items", Text, nullable=False),
    Column("after_items", Text, nullable=False),
    Column("base_items", Text, nullable=False),
    Column("base_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("clause", Text),
    Column("money", Text),
    Column("owed", Text, nullable=False, server_default="[]"),
    Column("insisted", Boolean, nullable=False),
    Column("restored_ms", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("next_attempt_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("event_id", name="inv_seen_plan_once"),
    CheckConstraint(one_of("state", SeenPlanState), name="inv_seen_plan_state"),
    CheckConstraint(one_of("made_by", PlanMaker), name="inv_seen_plan_maker"),
    CheckConstraint(
        f"({OPEN_SEEN_SQL}) = (next_attempt_ms IS NOT NULL)", name="inv_seen_plan_has_time"
    ),
    CheckConstraint(
        "state NOT IN ('restoring', 'crediting', 'restored')"
        " OR (clause IS NOT NULL AND restored_ms IS NOT NULL)",
        name="inv_restored_has_clause",
    ),
)
Index("ix_seen_plans_subscription", seen_plan_changes.c.subscription_id, seen_plan_changes.c.id)
partial_index("ix_seen_plans_due", seen_plan_changes.c.next_attempt_ms, where=OPEN_SEEN_SQL)
partial_index(
    "inv_one_restoration",
    seen_plan_changes.c.subscription_id,
    where="state = 'restoring'",
    unique=True,
)
