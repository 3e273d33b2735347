"""Carries out one change of plan: lease → look at Stripe → decide → commit a step → call → record.

Before each step the subscription is read again, so what follows is always decided by what Stripe shows:
the schedule that was made is found attached, the one that was released is gone. A step whose call went
unanswered is looked for at Stripe first, and sent again only under its own key (`plan_steps`).
"""

import logging
from dataclasses import replace

from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.asked_plan_changes import PlanChange, change_by_id, is_pending, own_schedules
from ledger.plan_change_leases import (
    lease_change,
    lock_subscription,
    replace_earlier,
    settle_change,
    waits_behind,
)
from ledger.states import PlanChangeState, PlanEffect, PlanStep
from policy.plan_change_rules import Effect
from runtime.call_limits import PLAN_SWITCH_GRACE_SECONDS
from runtime.limits import EFFECT_LEASE_MS
from runtime.probes import probe
from runtime.setting_values import Mode
from workers import crash_points
from workers.billing_objects import SUBSCRIPTION_OVER
from workers.context import WorkerContext
from workers.gateway_errors import GatewayError, Rejected
from workers.money_brakes import all_stopped
from workers.plan_at_stripe import SubscriptionAtHand, price_at_hand, subscription_at_hand
from workers.plan_preview import NOTHING_TO_CHANGE, PlanPreview, outlook_of, preview_plan
from workers.plan_schedules import Switch, phases_params, schedule_params, switch_params
from workers.plan_steps import (
    call_step,
    decision_values,
    finish_step,
    hold,
    step_values,
    try_later,
)
from workers.rendered_fields import UnreadableRendering
from workers.retries import exhausted

_log = logging.getLogger(__name__)

NOT_KNOWN = "Stripe does not know this subscription or price ({}): check both ids."
OTHER_KEY = "The subscription and STRIPE_API_KEY are not both live or both test."
OVER = "The subscription ended before the change took effect."
LET_GO = "Its schedule was released or changed at Stripe, so it will not happen: ask for it again."
PREVIEW = "A preview: nothing is sent."
TOO_LATE = "It had taken effect before it was taken back."


def change_plan(context: WorkerContext, change_id: int) -> None:
    """Go on with one change, if it is due and nobody else is on its subscription."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        change = lease_change(connection, change_id, now_ms, now_ms + EFFECT_LEASE_MS)
    if change is None:
        probe("plan.not_due")
        return
    context.crash.reach(crash_points.PLAN_LEASED)
    try:
        _go_on(context, change)
    except (GatewayError, UnreadableRendering):
        probe("plan.unread")
        try_later(context, change, "Stripe could not be read")
    except (DBAPIError, BaseTimeoutException):
        raise  # the lease runs out, and what the row says then holds
    except Exception as error:  # noqa: BLE001 - a defect must not ring for ever
        _log.exception("a change of plan failed", extra={"row_id": change_id})
        try_later(context, change, f"failed on a defect: {type(error).__name__}")


def _go_on(context: WorkerContext, change: PlanChange) -> None:
    """As many steps as follow one another at once."""
    following: PlanChange | None = change
    while following is not None:
        following = _step(context, following)
        context.crash.reach(crash_points.PLAN_RECORDED)


def _step(context: WorkerContext, change: PlanChange) -> PlanChange | None:
    """One step further; the change where the next one follows at once, None where it does not."""
    if change.step is not None:
        return finish_step(context, change)
    try:
        subscription = subscription_at_hand(
            context.gateway, context.catalogue, change.subscription_id
        )
        if change.state is PlanChangeState.WAITING:
            return _decide(context, change, subscription)
    except Rejected as error:
        state = PlanChangeState.REFUSED
        if change.state is not PlanChangeState.WAITING:
            state = PlanChangeState.FAILED
        _end(context, change, state, NOT_KNOWN.format(error.code))
        return None
    context.crash.reach(crash_points.PLAN_LOOKED)
    if change.state is PlanChangeState.WITHDRAWING:
        return _take_back(context, change, subscription)
    return _look(context, change, subscription)


def _decide(
    context: WorkerContext, change: PlanChange, subscription: SubscriptionAtHand
) -> PlanChange | None:
    wanted = price_at_hand(context.gateway, context.catalogue, change.price_id)
    context.crash.reach(crash_points.PLAN_LOOKED)
    with context.store.read() as connection:
        ours = own_schedules(connection, change.subscription_id)
        pending = is_pending(connection, change)
    attached = subscription.schedule_id if subscription.schedule_id in ours else None
    free = replace(subscription, schedule_id=None) if attached else subscription
    preview = preview_plan(free, wanted)
    if subscription.livemode != context.settings.livemode:
        _end(context, change, PlanChangeState.REFUSED, OTHER_KEY)
        return None
    if preview.refused == NOTHING_TO_CHANGE and (pending or change.effect is PlanEffect.STAY):
        return _stay(context, change, attached)
    if preview.refused is not None:
        _end(context, change, PlanChangeState.REFUSED, preview.refused)
        return None
    return _carry_out(context, _decided(change, preview), preview, attached)


def _carry_out(
    context: WorkerContext, change: PlanChange, preview: PlanPreview, attached: str | None
) -> PlanChange | None:
    """Take the next step of what the rules said; a schedule of ours that is `attached` is used, or let go."""
    at_period_end = change.effect is PlanEffect.PERIOD_END
    if attached is None and at_period_end:
        return _commit(context, change, PlanStep.SCHEDULE, schedule_params(change.subscription_id))
    if attached is None:
        params = switch_params(preview.subscription, preview.wanted)
        return _commit(context, change, PlanStep.SWITCH, params)
    steered = replace(change, schedule_id=attached)
    if at_period_end:
        return _commit(context, steered, PlanStep.PHASES, _phases(context, steered, preview))
    return _commit(context, steered, PlanStep.RELEASE, "{}")


def _phases(context: WorkerContext, change: PlanChange, preview: PlanPreview) -> str:
    schedule = context.gateway.stripe_object("subscription_schedule", str(change.schedule_id))
    before = preview.subscription.items[0].price
    switch = Switch(
        price_id=change.price_id,
        interval=str(preview.wanted.interval),
        new_interval=before.interval != preview.wanted.interval,
        starts_at=int(preview.effective_at or 0),
        mark=change.mark,
    )
    return phases_params(schedule, switch)


def _decided(change: PlanChange, preview: PlanPreview) -> PlanChange:
    """The change with what the rules said."""
    decision = preview.decision
    if decision is None or decision.clause is None:
        raise RuntimeError("a preview that is not refused has its clause")
    now = decision.effect is Effect.NOW
    return replace(
        change,
        outlook=outlook_of(preview),
        effect=PlanEffect.NOW if now else PlanEffect.PERIOD_END,
        clause=decision.clause.clause.value,
        from_price_id=preview.subscription.items[0].price.price_id,
        effective_at=preview.effective_at,
    )


def _stay(context: WorkerContext, change: PlanChange, attached: str | None) -> PlanChange | None:
    """The plan that it has already was asked for while another one was to come."""
    probe("plan.stays")
    change = replace(change, effect=PlanEffect.STAY, from_price_id=change.price_id)
    if attached is not None:
        return _commit(context, replace(change, schedule_id=attached), PlanStep.RELEASE, "{}")
    return _commit(context, change, None, None)


def _commit(
    context: WorkerContext, change: PlanChange, step: PlanStep | None, params: str | None
) -> PlanChange | None:
    """Write down what is about to be sent, then send it; `step` None: there is nothing to send."""
    with context.store.write() as connection:
        lock_subscription(connection, change.subscription_id)
        current = change_by_id(connection, change.change_id, lock=True)
        if current is None or current.fence != change.fence:
            probe("plan.overtaken")
            return None  # taken back, or taken over: it takes nobody's place any more
        if _kept_from(context, connection, change):
            return None
        if exhausted(change.round):
            raise RuntimeError("a change of plan takes more steps than there are")
        now_ms = context.clock.now_ms()
        if change.state is PlanChangeState.WAITING:
            replace_earlier(connection, change, now_ms)
        committed = settle_change(
            connection,
            change,
            now_ms,
            note=change.note,
            **decision_values(change),
            **step_values(change, step, params, now_ms),
        )
    if committed is None or step is None:
        return None
    context.crash.reach(crash_points.PLAN_COMMITTED)
    return call_step(context, committed, now_ms + EFFECT_LEASE_MS)


def _kept_from(context: WorkerContext, connection: Connection, change: PlanChange) -> bool:
    """Whether nothing may be sent: a later change comes first, or observe mode, or the brake."""
    now_ms = context.clock.now_ms()
    waiting = change.state is PlanChangeState.WAITING
    if waiting and waits_behind(connection, change):
        settle_change(connection, change, now_ms, next_attempt_ms=now_ms)
        return True
    unsent = _unsent(context, change) if waiting and change.round == 0 else None
    if unsent is not None:
        settle_change(
            connection,
            change,
            now_ms,
            state=PlanChangeState.OBSERVED.value,
            note=unsent,
            next_attempt_ms=None,
            **decision_values(change),
        )
        return True
    held = all_stopped(connection, context.settings, livemode=change.livemode)
    if held is None:
        return False
    hold(connection, change, held, now_ms)
    return True


def _unsent(context: WorkerContext, change: PlanChange) -> str | None:
    """Why a decided change is never carried out; None when it is."""
    if change.preview:
        return PREVIEW
    if context.settings.redress_mode is not Mode.ENFORCE:
        return "REDRESS_MODE is observe: nothing is sent"
    return None


def _take_back(
    context: WorkerContext, change: PlanChange, subscription: SubscriptionAtHand
) -> PlanChange | None:
    """Release the schedule that is still attached. Without an effect it was not the customer who did."""
    with context.store.read() as connection:
        ours = own_schedules(connection, change.subscription_id)
    if subscription.schedule_id in ours:
        released = replace(change, schedule_id=subscription.schedule_id)
        return _commit(context, released, PlanStep.RELEASE, "{}")
    if change.effect is None:
        _end(context, change, PlanChangeState.REFUSED, change.note)
        return None
    if _switched(subscription, change) and change.effect is not PlanEffect.STAY:
        probe("plan.withdrawn_too_late")
        _end(context, change, PlanChangeState.APPLIED, TOO_LATE)
        return None
    _end(context, change, PlanChangeState.WITHDRAWN, None)
    return None


def _look(
    context: WorkerContext, change: PlanChange, subscription: SubscriptionAtHand
) -> PlanChange | None:
    """Where a change stands that waits for the period's end."""
    if _switched(subscription, change):
        _end(context, change, PlanChangeState.APPLIED, None)
        return None
    if subscription.status in SUBSCRIPTION_OVER:
        _end(context, change, PlanChangeState.FAILED, OVER)
        return None
    if subscription.schedule_id != change.schedule_id:
        probe("plan.let_go")
        _end(context, change, PlanChangeState.FAILED, LET_GO)
        return None
    now_ms = context.clock.now_ms()
    due_ms = max(now_ms, (change.effective_at or 0) * 1000) + PLAN_SWITCH_GRACE_SECONDS * 1000
    with context.store.write() as connection:
        settle_change(connection, change, now_ms, next_attempt_ms=due_ms, attempts=0)
    return None


def _switched(subscription: SubscriptionAtHand, change: PlanChange) -> bool:
    """Whether the subscription runs at the new price alone, in a period that began with it.

    Somebody may have set the price before its time; that is put right elsewhere, and this is still to come.
    """
    return [(change.price_id, True)] == [
        (item.price.price_id, item.period_start >= (change.effective_at or 0))
        for item in subscription.items
    ]


def _end(
    context: WorkerContext, change: PlanChange, state: PlanChangeState, note: str | None
) -> None:
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        settle_change(
            connection, change, now_ms, state=state.value, note=note, next_attempt_ms=None
        )
