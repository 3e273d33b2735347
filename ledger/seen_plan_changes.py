"""Changes of plan that Stripe's events told of: each is written down with the event, whoever made it.

What happened several times in a row is put right once: the last one is worked on, from the items
(`base_items`) that the first one found. `seen_at` and `base_at` are unix seconds, the rest milliseconds.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import BigInteger, Connection, bindparam, select

from ledger.insert_once import insert_once
from ledger.rows import AnyRow
from ledger.seen_plan_tables import seen_plan_changes
from ledger.states import PlanMaker, SeenPlanState
from ledger.stripe_tables import portal_sessions
from policy.plan_changes import SubscriptionItem

Items = tuple[SubscriptionItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSeenPlan:
    """One change as its event told it. `base_at` is when it was made: before `seen_at` if it waited for its payment."""

    event_id: str
    subscription_id: str
    customer_id: str | None
    livemode: bool
    made_by: PlanMaker
    seen_at: int
    base_at: int
    before: Items
    after: Items


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPlan:
    """One change as it stands. `money` tells in words what it took, `owed` are the invoices that are paid back."""

    seen_id: int
    event_id: str
    subscription_id: str
    customer_id: str | None
    livemode: bool
    made_by: PlanMaker
    seen_at: int
    before: Items
    after: Items
    base: Items
    base_at: int
    state: SeenPlanState
    note: str | None
    clause: str | None
    money: str | None
    owed: tuple[str, ...]
    insisted: bool
    restored_ms: int | None
    attempts: int
    fence: int
    next_attempt_ms: int | None
    created_ms: int
    changed_ms: int


def write_seen(
    connection: Connection, seen: NewSeenPlan, due_ms: int | None, now_ms: int
) -> int | None:
    """Write a change down, to be looked at when it is due (None: it is our own); None if it is known."""
    state = SeenPlanState.OWN if due_ms is None else SeenPlanState.WAITING
    values = {
        "event_id": seen.event_id,
        "subscription_id": seen.subscription_id,
        "customer_id": seen.customer_id,
        "livemode": seen.livemode,
        "made_by": seen.made_by.value,
        "seen_at": seen.seen_at,
        "before_items": dump_items(seen.before),
        "after_items": dump_items(seen.after),
        "base_items": dump_items(seen.before),
        "base_at": seen.base_at,
        "state": state.value,
        "insisted": False,
        "next_attempt_ms": due_ms,
        "created_ms": now_ms,
        "changed_ms": now_ms,
    }
    written: int | None = connection.execute(_WRITE[connection.dialect.name], values).scalar()
    return written


def seen_by_id(connection: Connection, seen_id: int, *, lock: bool = False) -> SeenPlan | None:
    """One change, its row locked for this transaction if asked; None when there is none."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"seen": seen_id}).first()
    return None if row is None else seen_of_row(row)


def seen_of_subscription(connection: Connection, subscription_id: str) -> list[SeenPlan]:
    """Every change of a subscription in the order in which they happened."""
    rows = connection.execute(_OF_SUBSCRIPTION, {"subscription": subscription_id})
    return sorted(map(seen_of_row, rows), key=lambda seen: (seen.seen_at, seen.seen_id))


def list_seen(
    connection: Connection,
    states: Iterable[SeenPlanState],
    count_max: int,
    before_id: int | None = None,
) -> list[SeenPlan]:
    """The newest changes in these states (none named: in any), newest first; older than `before_id`."""
    query = select(seen_plan_changes).order_by(seen_plan_changes.c.id.desc()).limit(count_max)
    if before_id is not None:
        query = query.where(seen_plan_changes.c.id < before_id)
    named = [state.value for state in states]
    if named:
        query = query.where(seen_plan_changes.c.state.in_(named))
    return [seen_of_row(row) for row in connection.execute(query)]


def portal_opened(connection: Connection, customer_id: str, since: int, until: int) -> bool:
    """Whether a customer opened the portal between two moments (unix seconds)."""
    parameters = {"customer": customer_id, "since": since, "until": until}
    return connection.execute(_PORTAL, parameters).first() is not None


def is_unsettled(connection: Connection, subscription_id: str) -> bool:
    """Whether a change of a subscription that was made elsewhere may still be put right."""
    return connection.execute(_UNSETTLED, {"subscription": subscription_id}).first() is not None


def dump_items(items: Sequence[SubscriptionItem]) -> str:
    """Items as the ledger keeps them."""
    return json.dumps([asdict(item) for item in items], sort_keys=True)


def seen_of_row(row: AnyRow) -> SeenPlan:
    """The change that a row of the table describes."""
    return SeenPlan(
        seen_id=row.id,
        event_id=row.event_id,
        subscription_id=row.subscription_id,
        customer_id=row.customer_id,
        livemode=row.livemode,
        made_by=PlanMaker(row.made_by),
        seen_at=row.seen_at,
        before=_items(row.before_items),
        after=_items(row.after_items),
        base=_items(row.base_items),
        base_at=row.base_at,
        state=SeenPlanState(row.state),
        note=row.note,
        clause=row.clause,
        money=row.money,
        owed=tuple(json.loads(row.owed)),
        insisted=row.insisted,
        restored_ms=row.restored_ms,
        attempts=row.attempts,
        fence=row.fence,
        next_attempt_ms=row.next_attempt_ms,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
    )


def _items(text: str) -> Items:
    return tuple(SubscriptionItem(**item) for item in json.loads(text))


# Statements are built once: building one costs as much as running it.
_WRITE = insert_once(seen_plan_changes, seen_plan_changes.c.id, key=["event_id"])
_BY_ID = select(seen_plan_changes).where(seen_plan_changes.c.id == bindparam("seen"))
_OF_SUBSCRIPTION = select(seen_plan_changes).where(
    seen_plan_changes.c.subscription_id == bindparam("subscription")
)
_UNSETTLED = select(seen_plan_changes.c.id).where(
    seen_plan_changes.c.subscription_id == bindparam("subscription"),
    seen_plan_changes.c.state.in_(
        [
            SeenPlanState.WAITING.value,
            SeenPlanState.RESTORING.value,
            SeenPlanState.CREDITING.value,
            SeenPlanState.REVIEW.value,
        ]
    ),
)
_PORTAL = select(portal_sessions.c.session_id).where(
    portal_sessions.c.customer_id == bindparam("customer"),
    portal_sessions.c.created.between(
        bindparam("since", type_=BigInteger), bindparam("until", type_=BigInteger)
    ),
)
