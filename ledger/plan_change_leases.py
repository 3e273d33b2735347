"""Who works on a change of plan, and how one ends: leases, fences, later ones in the place of earlier ones."""

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    exists,
    or_,
    select,
    text,
    update,
)

from ledger.asked_plan_changes import PlanChange, change_of_row
from ledger.engine import lock_names
from ledger.plan_change_tables import OPEN_SQL, plan_changes
from ledger.seen_plan_tables import UNSETTLED_SQL, seen_plan_changes
from ledger.states import PlanChangeState
from runtime.limits import FIRST_RING_GRACE_MS

REPLACED_BY = "change {} took its place"
WITHDRAWN_IN_TIME = "taken back before anything was sent"


def due_changes(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The ids of the changes with something to do now, longest due first; fresh ones were rung for."""
    parameters = {"now": now_ms, "rung_before": now_ms - FIRST_RING_GRACE_MS, "most": count_max}
    return list(connection.execute(_RING_FOR, parameters).scalars())


def lease_change(
    connection: Connection, change_id: int, now_ms: int, until_ms: int
) -> PlanChange | None:
    """Take one due change under a lease; None when it is not due or its subscription is worked on.

    A step under way belongs to its own change, and a later change is decided before an earlier one.
    """
    known = connection.execute(_BY_ID, {"change": change_id}).first()
    if known is None:
        return None
    lock_subscription(connection, known.subscription_id)
    parameters = {
        "change": change_id,
        "subscription": known.subscription_id,
        "now": now_ms,
        "until": until_ms,
    }
    row = connection.execute(_LEASE, parameters).first()
    return None if row is None else change_of_row(row)


def lock_subscription(connection: Connection, subscription_id: str) -> None:
    """Hold a subscription's changes until the transaction ends."""
    lock_names(connection, [f"plan:{subscription_id}"])


def settle_change(
    connection: Connection, change: PlanChange, now_ms: int, **values: object
) -> PlanChange | None:
    """Write `values` if nobody took the change meanwhile (by its fence); None if somebody did.

    The lease ends unless `lease_until_ms` is among them. Returns the change as it stands then.
    """
    parameters = {"lease_until_ms": None, "changed_ms": now_ms, **values}
    statement = (
        update(plan_changes)
        .where(plan_changes.c.id == change.change_id, plan_changes.c.fence == change.fence)
        .values(parameters)
        .returning(plan_changes)
    )
    row = connection.execute(statement).first()
    return None if row is None else change_of_row(row)


def waits_behind(connection: Connection, change: PlanChange) -> bool:
    """Whether a later change of the subscription is to be decided first."""
    parameters = {"subscription": change.subscription_id, "change": change.change_id}
    return connection.execute(_LATER_WAITING, parameters).first() is not None


def replace_earlier(connection: Connection, change: PlanChange, now_ms: int) -> None:
    """End every earlier open change of the subscription, whose place this one takes.

    One to whose price the subscription has moved meanwhile, unseen by us, took effect.
    """
    parameters = {
        "subscription": change.subscription_id,
        "change": change.change_id,
        "runs_at": change.from_price_id,
        "why": REPLACED_BY.format(change.change_id),
        "at": now_ms,
    }
    connection.execute(_REPLACE, parameters)


def withdraw_change(connection: Connection, change: PlanChange, now_ms: int) -> PlanChange | None:
    """Take an open change back: at once where nothing was sent, else by a worker. None: it is not open."""
    values: dict[str, object]
    if change.state is PlanChangeState.WAITING and change.round == 0:
        values = {"state": PlanChangeState.WITHDRAWN.value, "next_attempt_ms": None}
        return settle_change(
            connection, change, now_ms, note=WITHDRAWN_IN_TIME, fence=change.fence + 1, **values
        )
    if change.state not in (PlanChangeState.WAITING, PlanChangeState.SCHEDULED):
        return None
    values = {"state": PlanChangeState.WITHDRAWING.value, "next_attempt_ms": now_ms, "attempts": 0}
    if change.step is not None:
        # Its call may be under way: whoever makes it keeps the lease, and what it came to is recorded.
        return settle_change(
            connection, change, now_ms, lease_until_ms=plan_changes.c.lease_until_ms, **values
        )
    return settle_change(connection, change, now_ms, fence=change.fence + 1, **values)


def wake_scheduled(connection: Connection, subscription_id: str, now_ms: int) -> int | None:
    """Have the pending change of a subscription looked at now; its id, None when there is none.

    Whoever is looking at the moment is fenced off: it may have looked before this happened.
    """
    parameters = {"subscription": subscription_id, "at": now_ms}
    row_id: int | None = connection.execute(_WAKE, parameters).scalar()
    return row_id


# Statements are built once: building one costs as much as running it.
_BY_ID = select(plan_changes.c.subscription_id).where(plan_changes.c.id == bindparam("change"))
_OF_SUBSCRIPTION = plan_changes.c.subscription_id == bindparam("subscription")
# Literal, so that the partial indexes apply.
_OPEN = text(f"plan_changes.{OPEN_SQL}")
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_IS_WAITING = plan_changes.c.state == PlanChangeState.WAITING.value
_IS_SCHEDULED = plan_changes.c.state == text("'scheduled'")
_LATER_WAITING = select(plan_changes.c.id).where(
    _OF_SUBSCRIPTION, plan_changes.c.id > bindparam("change"), _IS_WAITING
)
_DUE = (
    _OPEN,
    plan_changes.c.next_attempt_ms <= _NOW,
    or_(plan_changes.c.lease_until_ms.is_(None), plan_changes.c.lease_until_ms <= _NOW),
)
_RING_FOR = (
    select(plan_changes.c.id)
    .where(
        *_DUE,
        or_(
            plan_changes.c.fence > 0,
            plan_changes.c.next_attempt_ms <= bindparam("rung_before", type_=BigInteger),
        ),
    )
    .order_by(plan_changes.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_OTHER = plan_changes.alias("other")
_IN_THE_WAY = exists().where(
    _OTHER.c.subscription_id == bindparam("subscription"),
    _OTHER.c.id != plan_changes.c.id,
    or_(
        _OTHER.c.lease_until_ms > _NOW,
        _OTHER.c.step.is_not(None),
        and_(
            _IS_WAITING,
            plan_changes.c.step.is_(None),
            _OTHER.c.state == PlanChangeState.WAITING.value,
            _OTHER.c.id > plan_changes.c.id,
        ),
    ),
)
# What was changed elsewhere is put right first; only a call that is under way is seen to its end.
_PUT_RIGHT_FIRST = and_(
    plan_changes.c.step.is_(None),
    exists().where(
        seen_plan_changes.c.subscription_id == bindparam("subscription"),
        text(f"seen_plan_changes.{UNSETTLED_SQL}"),
    ),
)
_LEASE = (
    update(plan_changes)
    .where(plan_changes.c.id == bindparam("change"), *_DUE, ~_IN_THE_WAY, ~_PUT_RIGHT_FIRST)
    .values(
        lease_until_ms=bindparam("until", type_=BigInteger),
        fence=plan_changes.c.fence + 1,
        attempts=plan_changes.c.attempts + 1,
    )
    .returning(plan_changes)
)
_REPLACE = (
    update(plan_changes)
    .where(
        _OF_SUBSCRIPTION,
        plan_changes.c.id < bindparam("change"),
        or_(
            _OPEN,
            # By this very one, in vain: the switch came before its schedule was let go.
            and_(
                plan_changes.c.state == PlanChangeState.REPLACED.value,
                plan_changes.c.note == bindparam("why"),
                plan_changes.c.price_id == bindparam("runs_at", type_=Text),
            ),
        ),
    )
    .values(
        state=case(
            (
                and_(
                    plan_changes.c.state != PlanChangeState.WAITING.value,
                    plan_changes.c.price_id == bindparam("runs_at", type_=Text),
                ),
                PlanChangeState.APPLIED.value,
            ),
            (
                plan_changes.c.state == PlanChangeState.WITHDRAWING.value,
                PlanChangeState.WITHDRAWN.value,
            ),
            else_=PlanChangeState.REPLACED.value,
        ),
        note=bindparam("why"),
        fence=plan_changes.c.fence + 1,
        lease_until_ms=None,
        next_attempt_ms=None,
        changed_ms=bindparam("at"),
    )
)
_WAKE = (
    update(plan_changes)
    .where(_OF_SUBSCRIPTION, _IS_SCHEDULED)
    .values(
        next_attempt_ms=bindparam("at"),
        fence=plan_changes.c.fence + 1,
        lease_until_ms=None,
    )
    .returning(plan_changes.c.id)
)
