"""Puts a change of plan right that was made elsewhere: lease → look at Stripe → compare → commit → call → look again.

Before each call everything is read anew, and what Stripe shows decides the next one (`plan_repairs`); the row
says only that the subscription is being put right, since when and under which clause. A second change of the
same day goes to a person, and so does all that a machine must not decide: nothing is ever charged.
"""

import logging
from dataclasses import replace

from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import DBAPIError

from ledger.asked_plan_changes import own_schedules
from ledger.plan_change_leases import lock_subscription
from ledger.seen_plan_changes import SeenPlan
from ledger.seen_plan_leases import last_restored_ms, lease_seen, settle_seen
from ledger.states import SeenPlanState
from policy.plan_changes import SubscriptionItem
from policy.plan_moves import Compared, MoveComparison, PlanMove, compare_move
from runtime.call_limits import PLAN_REPAIR_AGE_SECONDS_MAX, PLAN_REPAIR_PAUSE_SECONDS
from runtime.limits import EFFECT_LEASE_MS
from runtime.probes import probe
from runtime.setting_values import Mode
from workers import crash_points
from workers.context import WorkerContext
from workers.gateway_errors import GatewayError
from workers.money_brakes import all_stopped
from workers.plan_at_stripe import price_at_hand, subscription_at_hand
from workers.plan_money import plan_money, told_money
from workers.plan_paying_back import finish_restoring, go_on_crediting
from workers.plan_repairs import (
    MOVED_ON,
    Looked,
    Repair,
    RepairKind,
    call,
    in_the_way,
    next_repair,
)
from workers.plan_sighting import maker_now
from workers.rendered_fields import UnreadableRendering
from workers.retries import Trouble, exhausted, next_try_ms

_log = logging.getLogger(__name__)

TWICE = (
    "It was put right within the last 24 hours already, and changed again: accept it, or have it restored"
    " (`redress plan accept`, `redress plan restore`)."
)
TOO_OLD = (
    "It was made more than three days before it was looked at: accept it, or have it restored"
    " (`redress plan accept`, `redress plan restore`)."
)
AND_BACK = "It was changed and changed back."
GIVEN_UP = "Stripe could not be asked in every try: look at the subscription."
_CALLS_MAX = 12
#: How often the event of what a subscription shows is awaited: some minutes.
_MOVING_TRIES_MAX = 5
_STANDS = {
    Compared.IN_LINE: SeenPlanState.IN_LINE,
    Compared.UNCLEAR: SeenPlanState.REVIEW,
    Compared.AGAINST: SeenPlanState.OBSERVED,
}


def restore_plan(context: WorkerContext, seen_id: int) -> None:
    """Go on with one change that was made elsewhere, if it is due and nobody else is on its subscription."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        seen = lease_seen(connection, seen_id, now_ms, now_ms + EFFECT_LEASE_MS)
    if seen is None:
        probe("restore.not_due")
        return
    context.crash.reach(crash_points.RESTORE_LEASED)
    try:
        _go_on(context, seen)
    except (GatewayError, UnreadableRendering):
        probe("restore.unread")
        _try_later(context, seen, "Stripe could not be read, or refused a call")
    except (DBAPIError, BaseTimeoutException):
        raise  # the lease runs out, and what the row says then holds
    except Exception as error:  # noqa: BLE001 - a defect must not ring for ever
        _log.exception("a restoration failed", extra={"row_id": seen_id})
        _try_later(context, seen, f"failed on a defect: {type(error).__name__}")


def _go_on(context: WorkerContext, seen: SeenPlan) -> None:
    if seen.state is SeenPlanState.CREDITING:
        go_on_crediting(context, seen)
        return
    for _ in range(_CALLS_MAX):
        looked = _look(context, seen)
        context.crash.reach(crash_points.RESTORE_LOOKED)
        following = _step(context, looked)
        if following is None:
            return
        seen = following
    _try_later(context, seen, "it takes more calls than there are")


def _look(context: WorkerContext, seen: SeenPlan) -> Looked:
    subscription = subscription_at_hand(context.gateway, context.catalogue, seen.subscription_id)
    money = plan_money(
        context.gateway,
        seen.subscription_id,
        subscription.customer_id,
        since=seen.base_at,
        paid_from=min((item.period_start for item in seen.base), default=seen.base_at),
    )
    with context.store.read() as connection:
        ours = own_schedules(connection, seen.subscription_id)
    return Looked(
        seen=seen,
        subscription=subscription,
        money=money,
        own_schedules=ours,
        now=context.clock.now_ms() // 1000,
    )


def _step(context: WorkerContext, looked: Looked) -> SeenPlan | None:
    """One step further; the change where the next look follows at once, None where it does not."""
    seen = looked.seen
    if seen.state is SeenPlanState.WAITING:
        return _judge(context, looked)
    obstacle = in_the_way(looked)
    if obstacle is not None:
        probe("restore.left_to_a_person")
        _end(context, looked, SeenPlanState.REVIEW, obstacle)
        return None
    repair = next_repair(looked)
    if repair is None:
        finish_restoring(context, looked)
        context.crash.reach(crash_points.RESTORE_RECORDED)
        return None
    return _carry_out(context, seen, repair)


def _judge(context: WorkerContext, looked: Looked) -> SeenPlan | None:
    """Hold the change against the table, and decide what becomes of it."""
    seen = _made_by(context, looked.seen)
    looked = replace(looked, seen=seen)
    if looked.over:
        _end(context, looked, SeenPlanState.OVERTAKEN, None)
        return None
    if looked.moved_on:
        _moved_on(context, looked)
        return None
    found = _compared(context, looked)
    if found.compared is Compared.AGAINST and context.settings.redress_mode is Mode.ENFORCE:
        return _begin(context, looked, found)
    _end(context, looked, _STANDS[found.compared], found.sentence, found)
    return None


def _moved_on(context: WorkerContext, looked: Looked) -> None:
    """Wait for the event of the price that it shows; what was taken meanwhile is a person's then."""
    seen = looked.seen
    if seen.attempts <= _MOVING_TRIES_MAX:
        probe("restore.moved_on")
        _try_later(context, seen, "the subscription shows another price: its event is awaited")
        return
    taken = bool(looked.money.pending or looked.money.invoices)
    _end(context, looked, SeenPlanState.REVIEW if taken else SeenPlanState.OVERTAKEN, MOVED_ON)


def _made_by(context: WorkerContext, seen: SeenPlan) -> SeenPlan:
    with context.store.read() as connection:
        made_by = maker_now(connection, seen.made_by, seen.customer_id, seen.seen_at)
    return replace(seen, made_by=made_by)


def _compared(context: WorkerContext, looked: Looked) -> MoveComparison:
    seen = looked.seen
    if len(seen.base) != 1 or len(seen.after) != 1:
        return MoveComparison(compared=Compared.UNCLEAR, clause=None, sentence=in_the_way(looked))
    base, after = seen.base[0], seen.after[0]
    if base.price_id == after.price_id:
        there_and_back = looked.money.prorated or looked.money.invoices or not looked.is_back
        if not there_and_back:
            return MoveComparison(compared=Compared.IN_LINE, clause=None, sentence=AND_BACK)
        base = seen.before[0]  # the way back is a change that the table knows
    gateway, catalogue = context.gateway, context.catalogue
    sides = [
        price_at_hand(gateway, catalogue, item.price_id).side(item.quantity)
        for item in (base, after)
    ]
    return compare_move(
        PlanMove(
            before=sides[0],
            after=sides[1],
            at_period_end=_at_period_end(seen.base[0], after),
            prorated=looked.money.prorated,
        )
    )


def _at_period_end(before: SubscriptionItem, after: SubscriptionItem) -> bool:
    return after.period_start >= before.period_end > 0


def _begin(context: WorkerContext, looked: Looked, found: MoveComparison) -> SeenPlan | None:
    """Commit that the subscription is put right from here on, unless that was done a while ago."""
    seen = looked.seen
    now_ms = context.clock.now_ms()
    since_ms = now_ms - PLAN_REPAIR_PAUSE_SECONDS * 1000
    told = {"made_by": seen.made_by.value, "money": told_money(looked.money)}
    old = looked.now - seen.base_at > PLAN_REPAIR_AGE_SECONDS_MAX
    with context.store.write() as connection:
        lock_subscription(connection, seen.subscription_id)
        again = last_restored_ms(connection, seen, since_ms) is not None
        if (old or again) and not seen.insisted:
            if again:
                probe("restore.loop_broken")
            values = _ended(SeenPlanState.REVIEW, TWICE if again else TOO_OLD, found) | told
            settle_seen(connection, seen, now_ms, **values)
            return None
        return settle_seen(
            connection,
            seen,
            now_ms,
            **told,
            state=SeenPlanState.RESTORING.value,
            note=found.sentence,
            clause=_clause(found),
            restored_ms=now_ms,
            lease_until_ms=now_ms + EFFECT_LEASE_MS,
        )


def _carry_out(context: WorkerContext, seen: SeenPlan, repair: Repair) -> SeenPlan | None:
    """Make one call, unless a brake keeps it back; the change, whose look comes next."""
    now_ms = context.clock.now_ms()
    until_ms = now_ms + EFFECT_LEASE_MS
    with context.store.write() as connection:
        lock_subscription(connection, seen.subscription_id)
        held = all_stopped(connection, context.settings, livemode=seen.livemode)
        if held is not None:
            probe("restore.held")
            due_ms = next_try_ms(Trouble.HELD, seen.event_id, 1, now_ms)
            attempts = seen.attempts - 1  # tries that a brake cost do not count
            settle_seen(
                connection, seen, now_ms, note=held, next_attempt_ms=due_ms, attempts=attempts
            )
            return None
        kept = settle_seen(connection, seen, now_ms, lease_until_ms=until_ms)
    if kept is None:
        return None
    context.crash.reach(crash_points.RESTORE_COMMITTED)
    if context.clock.now_ms() > until_ms:
        return None  # a successor may be at it, and looks first
    call(context.gateway, repair)
    _count(repair.kind)
    context.crash.reach(crash_points.RESTORE_CALLED)
    return kept


def _count(kind: RepairKind) -> None:
    if kind is not RepairKind.CREDIT:
        probe(
            {
                RepairKind.BACK: "restore.back",
                RepairKind.FORGET: "restore.forget",
                RepairKind.VOID: "restore.void",
                RepairKind.BALANCE: "restore.balance",
            }[kind]
        )


def _try_later(context: WorkerContext, seen: SeenPlan, note: str) -> None:
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        if exhausted(seen.attempts):
            probe("restore.given_up")
            settle_seen(connection, seen, now_ms, **_ended(SeenPlanState.REVIEW, GIVEN_UP, None))
            return
        due_ms = next_try_ms(Trouble.UNREACHABLE, seen.event_id, seen.attempts, now_ms)
        settle_seen(connection, seen, now_ms, note=note, next_attempt_ms=due_ms)


def _end(
    context: WorkerContext,
    looked: Looked,
    state: SeenPlanState,
    note: str | None,
    found: MoveComparison | None = None,
) -> None:
    now_ms, seen = context.clock.now_ms(), looked.seen
    values = _ended(state, note, found)
    if seen.state is SeenPlanState.WAITING:
        values |= {"made_by": seen.made_by.value, "money": told_money(looked.money)}
    with context.store.write() as connection:
        settle_seen(connection, seen, now_ms, **values)


def _ended(
    state: SeenPlanState, note: str | None, found: MoveComparison | None
) -> dict[str, object]:
    values: dict[str, object] = {"state": state.value, "note": note, "next_attempt_ms": None}
    if found is not None and found.clause is not None:
        values["clause"] = _clause(found)
    return values


def _clause(found: MoveComparison) -> str | None:
    return None if found.clause is None else found.clause.clause.value
