"""Changes of plan that were asked for here: the row is the promise, until Stripe shows what was asked.

Of one subscription the newest wins: it is decided first, and takes the place of those before it when
it is carried out. Only one worker acts on a subscription at a time, which the lease sees to. Times are
unix milliseconds but for `effective_at`, which is unix seconds.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, Integer, and_, bindparam, or_, select, text

from ledger.insert_once import insert_once
from ledger.plan_change_tables import OPEN_SQL, plan_changes
from ledger.refund_intents import KEY_PREFIX
from ledger.rows import AnyRow
from ledger.states import PlanChangeState, PlanEffect, PlanStep


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlanChange:
    """What was asked for; `key` is the caller's own and makes a repetition harmless.

    A `preview` is decided and never carried out.
    """

    key: str
    subscription_id: str
    price_id: str
    livemode: bool
    reason: str
    preview: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """One change as it stands. `step` is a call at Stripe whose outcome is not recorded yet.

    `outlook` is JSON: what it would charge and issue, as far as that was decided.
    """

    change_id: int
    key: str
    subscription_id: str
    price_id: str
    livemode: bool
    reason: str
    preview: bool
    outlook: str | None
    state: PlanChangeState
    note: str | None
    effect: PlanEffect | None
    clause: str | None
    from_price_id: str | None
    effective_at: int | None
    schedule_id: str | None
    step: PlanStep | None
    step_params: str | None
    step_ms: int | None
    round: int
    attempts: int
    fence: int
    next_attempt_ms: int | None
    created_ms: int
    changed_ms: int

    @property
    def mark(self) -> str:
        """What names this change at Stripe, on whichever database it stands."""
        told = f"{self.livemode}:{self.subscription_id}:{self.key}"
        return f"pc_{hashlib.sha256(told.encode()).hexdigest()[:24]}"

    @property
    def step_key(self) -> str:
        """The idempotency key of the step under way; another one for each step that is committed."""
        return f"{KEY_PREFIX}plan:{self.mark}:{self.round}:{self.step}"


class ChangeConflict(Exception):
    """The key was used before for another change; nothing was changed."""


def write_change(connection: Connection, asked: NewPlanChange, now_ms: int) -> tuple[int, bool]:
    """Write a change down, due now; its id and whether it is new. Raises ChangeConflict."""
    values = {
        "key": asked.key,
        "subscription_id": asked.subscription_id,
        "price_id": asked.price_id,
        "livemode": asked.livemode,
        "reason": asked.reason,
        "preview": asked.preview,
        "state": PlanChangeState.WAITING.value,
        "next_attempt_ms": now_ms,
        "created_ms": now_ms,
        "changed_ms": now_ms,
    }
    written: int | None = connection.execute(_WRITE[connection.dialect.name], values).scalar()
    if written is not None:
        return written, True
    known = connection.execute(_BY_KEY, {"known_key": asked.key}).one()
    if (known.subscription_id, known.price_id, known.livemode, known.preview) != (
        asked.subscription_id,
        asked.price_id,
        asked.livemode,
        asked.preview,
    ):
        raise ChangeConflict(f"the key {asked.key} was used before for another change")
    return int(known.id), False


def change_by_id(
    connection: Connection, change_id: int, *, lock: bool = False
) -> PlanChange | None:
    """One change, its row locked for this transaction if asked; None when there is none."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"change": change_id}).first()
    return None if row is None else change_of_row(row)


def changes_of_subscription(
    connection: Connection, subscription_id: str, count_max: int
) -> list[PlanChange]:
    """The newest changes of a subscription, newest first."""
    parameters = {"subscription": subscription_id, "most": count_max}
    return [change_of_row(row) for row in connection.execute(_NEWEST, parameters)]


def list_changes(
    connection: Connection,
    states: Iterable[PlanChangeState],
    count_max: int,
    before_id: int | None = None,
) -> list[PlanChange]:
    """The newest changes in these states (none named: in any), newest first; older than `before_id`."""
    query = select(plan_changes).order_by(plan_changes.c.id.desc()).limit(count_max)
    if before_id is not None:
        query = query.where(plan_changes.c.id < before_id)
    named = [state.value for state in states]
    if named:
        query = query.where(plan_changes.c.state.in_(named))
    return [change_of_row(row) for row in connection.execute(query)]


def own_schedules(connection: Connection, subscription_id: str) -> frozenset[str]:
    """The ids of the schedules that changes of this subscription made."""
    return frozenset(
        connection.execute(_OWN_SCHEDULES, {"subscription": subscription_id}).scalars()
    )


def is_pending(connection: Connection, change: PlanChange) -> bool:
    """Whether an earlier change of the subscription is still to come."""
    parameters = {"subscription": change.subscription_id, "change": change.change_id}
    return connection.execute(_EARLIER_OPEN, parameters).first() is not None


def scheduled_change(connection: Connection, subscription_id: str) -> PlanChange | None:
    """The pending change of a subscription."""
    row = connection.execute(_SCHEDULED, {"subscription": subscription_id}).first()
    return None if row is None else change_of_row(row)


def switched_by_us(connection: Connection, subscription_id: str, price_ids: list[str]) -> bool:
    """Whether a schedule of ours moves, or moved, the subscription to these prices."""
    parameters = {"subscription": subscription_id, "prices": price_ids}
    return connection.execute(_SWITCHED, parameters).first() is not None


def asked_since(connection: Connection, subscription_id: str, price_id: str, since_ms: int) -> bool:
    """Whether a change was asked for since then, or one to this price is still to come."""
    parameters = {"subscription": subscription_id, "price": price_id, "since": since_ms}
    return connection.execute(_ASKED_SINCE, parameters).first() is not None


def change_of_row(row: AnyRow) -> PlanChange:
    """The change that a row of the table describes."""
    return PlanChange(
        change_id=row.id,
        key=row.key,
        subscription_id=row.subscription_id,
        price_id=row.price_id,
        livemode=row.livemode,
        reason=row.reason,
        preview=row.preview,
        outlook=row.outlook,
        state=PlanChangeState(row.state),
        note=row.note,
        effect=None if row.effect is None else PlanEffect(row.effect),
        clause=row.clause,
        from_price_id=row.from_price_id,
        effective_at=row.effective_at,
        schedule_id=row.schedule_id,
        step=None if row.step is None else PlanStep(row.step),
        step_params=row.step_params,
        step_ms=row.step_ms,
        round=row.round,
        attempts=row.attempts,
        fence=row.fence,
        next_attempt_ms=row.next_attempt_ms,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
    )


# Statements are built once: building one costs as much as running it.
_WRITE = insert_once(plan_changes, plan_changes.c.id, key=["key"])
_BY_KEY = select(plan_changes).where(plan_changes.c.key == bindparam("known_key"))
_BY_ID = select(plan_changes).where(plan_changes.c.id == bindparam("change"))
_OF_SUBSCRIPTION = plan_changes.c.subscription_id == bindparam("subscription")
# Literal, so that the partial indexes apply.
_OPEN = text(f"plan_changes.{OPEN_SQL}")
_NEWEST = (
    select(plan_changes)
    .where(_OF_SUBSCRIPTION)
    .order_by(plan_changes.c.id.desc())
    .limit(bindparam("most", type_=Integer))
)
_OWN_SCHEDULES = select(plan_changes.c.schedule_id).where(
    _OF_SUBSCRIPTION, plan_changes.c.schedule_id.is_not(None)
)
_EARLIER_OPEN = select(plan_changes.c.id).where(
    _OF_SUBSCRIPTION, plan_changes.c.id < bindparam("change"), _OPEN
)
_SCHEDULED = select(plan_changes).where(
    _OF_SUBSCRIPTION, plan_changes.c.state == text("'scheduled'")
)
_SWITCHED = select(plan_changes.c.id).where(
    _OF_SUBSCRIPTION,
    plan_changes.c.price_id.in_(bindparam("prices", expanding=True)),
    plan_changes.c.schedule_id.is_not(None),
    plan_changes.c.state.in_(
        [
            PlanChangeState.SCHEDULED.value,
            PlanChangeState.WITHDRAWING.value,
            PlanChangeState.APPLIED.value,
        ]
    ),
)
_ASKED_SINCE = select(plan_changes.c.id).where(
    _OF_SUBSCRIPTION,
    or_(
        plan_changes.c.created_ms > bindparam("since", type_=BigInteger),
        and_(plan_changes.c.price_id == bindparam("price"), _OPEN),
    ),
)
