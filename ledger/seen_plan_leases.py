"""Who puts a change of plan right that was made elsewhere: one worker at a time for each subscription.

A lease takes all open changes of a subscription together: the last one is worked on, those before it are
merged into it. It shares the lock of the changes that are asked for here (`plan_change_leases`), and waits
while one of those has a call at Stripe under way; they wait until the subscription is put right.
"""

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    bindparam,
    exists,
    or_,
    select,
    text,
    update,
)

from ledger.plan_change_leases import lock_subscription
from ledger.plan_change_tables import plan_changes
from ledger.rows import AnyRow
from ledger.seen_plan_changes import SeenPlan, dump_items, seen_of_row, seen_of_subscription
from ledger.seen_plan_tables import OPEN_SEEN_SQL, seen_plan_changes
from ledger.states import PlanMaker, SeenPlanState

MERGED_INTO = "change {} followed"
_TOGETHER = (SeenPlanState.WAITING, SeenPlanState.RESTORING, SeenPlanState.REVIEW)


def due_seen(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The ids of the changes to be looked at now, longest due first."""
    return list(connection.execute(_DUE, {"now": now_ms, "most": count_max}).scalars())


def lease_seen(connection: Connection, seen_id: int, now_ms: int, until_ms: int) -> SeenPlan | None:
    """Take a due change, and those in a row with it, under a lease; None when it is not due.

    What comes back may be a later one than was asked for.
    """
    known = connection.execute(_BY_ID, {"seen": seen_id}).first()
    if known is None:
        return None
    lock_subscription(connection, known.subscription_id)
    row = connection.execute(_BY_ID, {"seen": seen_id}).one()
    parameters = {"subscription": row.subscription_id, "now": now_ms}
    if not _is_due(row, now_ms) or connection.execute(_IN_THE_WAY, parameters).scalar():
        return None
    last = _merged(connection, seen_of_row(row), now_ms)
    return settle_seen(
        connection,
        last,
        now_ms,
        lease_until_ms=until_ms,
        fence=last.fence + 1,
        attempts=last.attempts + 1,
    )


def settle_seen(
    connection: Connection, seen: SeenPlan, now_ms: int, **values: object
) -> SeenPlan | None:
    """Write `values` if nobody took the change meanwhile (by its fence); None if somebody did.

    The lease ends unless `lease_until_ms` is among them. Returns the change as it stands then.
    """
    statement = (
        update(seen_plan_changes)
        .where(seen_plan_changes.c.id == seen.seen_id, seen_plan_changes.c.fence == seen.fence)
        .values({"lease_until_ms": None, "changed_ms": now_ms, **values})
        .returning(seen_plan_changes)
    )
    row = connection.execute(statement).first()
    return None if row is None else seen_of_row(row)


def last_restored_ms(connection: Connection, seen: SeenPlan, since_ms: int) -> int | None:
    """When another change of the subscription was last put right since then; None: none was."""
    found = [
        other.restored_ms
        for other in seen_of_subscription(connection, seen.subscription_id)
        if other.seen_id != seen.seen_id
        and other.state is not SeenPlanState.MERGED
        and (other.restored_ms or 0) >= since_ms
    ]
    return max((at for at in found if at is not None), default=None)


def _is_due(row: AnyRow, now_ms: int) -> bool:
    due_ms, lease_ms = row.next_attempt_ms, row.lease_until_ms
    return due_ms is not None and due_ms <= now_ms and (lease_ms is None or lease_ms <= now_ms)


def _merged(connection: Connection, seen: SeenPlan, now_ms: int) -> SeenPlan:
    """The last change of the row that `seen` is in, from the base of the first; the others are closed."""
    chain = _row_of(connection, seen)
    if len(chain) < 2:  # noqa: PLR2004 - nothing to merge
        return seen
    last, first = chain[-1], chain[0]
    for one in chain[:-1]:
        settle_seen(
            connection,
            one,
            now_ms,
            state=SeenPlanState.MERGED.value,
            note=MERGED_INTO.format(last.seen_id),
            next_attempt_ms=None,
            fence=one.fence + 1,
        )
    carried: dict[str, object] = {}
    for one in chain:
        if one.state is SeenPlanState.RESTORING:
            carried = {
                "state": SeenPlanState.RESTORING.value,
                "clause": one.clause,
                "restored_ms": one.restored_ms,
            }
    return (
        settle_seen(
            connection,
            last,
            now_ms,
            base_items=dump_items(first.base),
            base_at=first.base_at,
            insisted=any(one.insisted for one in chain),
            next_attempt_ms=now_ms,
            **carried,
        )
        or last
    )


def _row_of(connection: Connection, seen: SeenPlan) -> list[SeenPlan]:
    """The changes in a row with this one, oldest first; empty where it stands alone."""
    chain: list[SeenPlan] = []
    for one in seen_of_subscription(connection, seen.subscription_id):
        if one.made_by is PlanMaker.US:
            chain = []  # what was asked for here came after: the row begins anew
        elif one.state in _TOGETHER:
            chain.append(one)
    alone = seen.state is SeenPlanState.CREDITING or seen.seen_id not in [
        one.seen_id for one in chain
    ]
    return [] if alone or chain[-1].state is SeenPlanState.REVIEW else chain


# Statements are built once: building one costs as much as running it.
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_BY_ID = select(seen_plan_changes).where(seen_plan_changes.c.id == bindparam("seen"))
_DUE = (
    select(seen_plan_changes.c.id)
    .where(
        # Literal, so that the partial index applies.
        text(f"seen_plan_changes.{OPEN_SEEN_SQL}"),
        seen_plan_changes.c.next_attempt_ms <= _NOW,
        or_(
            seen_plan_changes.c.lease_until_ms.is_(None), seen_plan_changes.c.lease_until_ms <= _NOW
        ),
    )
    .order_by(seen_plan_changes.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_HERE = plan_changes.c.subscription_id == bindparam("subscription")
_ELSEWHERE = seen_plan_changes.c.subscription_id == bindparam("subscription")
_IN_THE_WAY = select(
    or_(
        exists().where(
            _HERE, or_(plan_changes.c.lease_until_ms > _NOW, plan_changes.c.step.is_not(None))
        ),
        exists().where(_ELSEWHERE, seen_plan_changes.c.lease_until_ms > _NOW),
    )
)
