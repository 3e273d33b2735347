"""One call at Stripe of a plan change: made once, looked for when its answer was lost, then recorded."""

from sqlalchemy import Connection

from ledger.asked_plan_changes import PlanChange, change_by_id
from ledger.plan_change_leases import lock_subscription, settle_change
from ledger.states import PlanChangeState, PlanStep
from runtime.call_limits import PLAN_SWITCH_GRACE_SECONDS
from runtime.limits import EFFECT_LEASE_MS, IDEMPOTENCY_KEY_AGE_SECONDS_MAX
from runtime.probes import probe
from workers import crash_points
from workers.billing_objects import SCHEDULE_LIVE
from workers.context import WorkerContext
from workers.gateway import Gateway, Rendered
from workers.gateway_errors import Declined, GatewayError, Rejected, Throttled
from workers.money_brakes import all_stopped
from workers.plan_schedules import bears_mark
from workers.rendered_fields import RenderedFields
from workers.retries import Trouble, exhausted, next_try_ms

DECLINED = (
    "The card was declined ({}), so nothing was charged and the plan is as it was: have the customer"
    " use another card, then ask again."
)
TO_CONFIRM = (
    "The bank wants the customer to confirm the payment (3-D Secure), which only the customer can do:"
    " change it where the customer is present. Nothing was charged and the plan is as it was."
)
STRIPE_REFUSED = "Stripe refused it ({}): look at the subscription, then ask again."
RELEASED_BEFORE = " The change that was to come before was taken back."
GIVEN_UP = "Stripe could not be asked in every try: look at the subscription, then ask again."
NO_ANSWER = (
    "Stripe gave no answer to a call that may have been carried out, and it is too late to send it"
    " again: look at the subscription."
)
_CONFIRM_CODES = frozenset(
    {"authentication_required", "subscription_payment_intent_requires_action"}
)
#: The events of a call that is answered later than this may have been worked on before its row was written.
_LATE_MS = 5_000
_NEEDLESS_WHEN_WITHDRAWN = (PlanStep.PHASES, PlanStep.SWITCH)


def finish_step(context: WorkerContext, change: PlanChange) -> PlanChange | None:
    """Find out what became of a step whose outcome was not recorded; send it again if nothing did."""
    found = _found(context.gateway, change)
    context.crash.reach(crash_points.PLAN_LOOKED)
    if found is not None:
        probe("plan.found_at_stripe")
        return _record(context, change, found, late=True)
    if change.state is PlanChangeState.WITHDRAWING and change.step in _NEEDLESS_WHEN_WITHDRAWN:
        return _write(context, change)
    age_ms = context.clock.now_ms() - (change.step_ms or 0)
    if age_ms > IDEMPOTENCY_KEY_AGE_SECONDS_MAX * 1_000:
        _give_up(context, change, NO_ANSWER)
        return None
    with context.store.write() as connection:
        lock_subscription(connection, change.subscription_id)
        now_ms = context.clock.now_ms()
        held = all_stopped(connection, context.settings, livemode=change.livemode)
        if held is not None:
            hold(connection, change, held, now_ms)
            return None
        until_ms = now_ms + EFFECT_LEASE_MS
        kept = settle_change(connection, change, now_ms, lease_until_ms=until_ms)
    if kept is None:
        return None
    probe("plan.sent_again")
    context.crash.reach(crash_points.PLAN_COMMITTED)
    return call_step(context, kept, until_ms)


def call_step(context: WorkerContext, change: PlanChange, until_ms: int) -> PlanChange | None:
    """Make the call of the step that was committed, and record what it came to."""
    if context.clock.now_ms() > until_ms:
        return None  # a successor may be at it, and looks first
    try:
        answer = _called(context.gateway, change)
    except Rejected as error:
        return _refused(context, change, error)
    except GatewayError as error:
        trouble = Trouble.THROTTLED if isinstance(error, Throttled) else Trouble.UNKNOWN
        try_later(context, change, f"Stripe gave no result: {error.code}", trouble)
        return None
    context.crash.reach(crash_points.PLAN_CALLED)
    return _record(context, change, answer)


def step_values(
    change: PlanChange, step: PlanStep | None, params: str | None, now_ms: int
) -> dict[str, object]:
    """What is written when a step is committed; None: there is nothing to send, and it is done."""
    if step is None:
        return {"state": PlanChangeState.APPLIED.value, "next_attempt_ms": None}
    return {
        "step": step.value,
        "step_params": params,
        "step_ms": now_ms,
        "round": change.round + 1,
        "lease_until_ms": now_ms + EFFECT_LEASE_MS,
    }


def decision_values(change: PlanChange) -> dict[str, object]:
    """What is written of a decision."""
    return {
        "outlook": change.outlook,
        "effect": None if change.effect is None else change.effect.value,
        "clause": change.clause,
        "from_price_id": change.from_price_id,
        "effective_at": change.effective_at,
        "schedule_id": change.schedule_id,
    }


def hold(connection: Connection, change: PlanChange, why: str, now_ms: int) -> None:
    """Keep a change back; tries that a brake cost do not count."""
    probe("plan.held")
    due_ms = next_try_ms(Trouble.HELD, change.mark, 1, now_ms)
    attempts = change.attempts - 1
    settle_change(
        connection, change, now_ms, **_told(change, why), next_attempt_ms=due_ms, attempts=attempts
    )


def try_later(
    context: WorkerContext, change: PlanChange, note: str, trouble: Trouble = Trouble.UNREACHABLE
) -> None:
    """Have a change tried again; what is only waited for at Stripe is never given up."""
    if exhausted(change.attempts) and change.state is not PlanChangeState.SCHEDULED:
        _give_up(context, change, GIVEN_UP if change.step is None else NO_ANSWER)
        return
    now_ms = context.clock.now_ms()
    due_ms = next_try_ms(trouble, change.mark, change.attempts, now_ms)
    with context.store.write() as connection:
        settle_change(connection, change, now_ms, **_told(change, note), next_attempt_ms=due_ms)


def _told(change: PlanChange, note: str) -> dict[str, object]:
    """A note on the way; one that says already why the change ends as refused is kept."""
    ends_refused = change.state is PlanChangeState.WITHDRAWING and change.effect is None
    return {} if ends_refused else {"note": note}


def _called(gateway: Gateway, change: PlanChange) -> Rendered:
    params, key, schedule_id = str(change.step_params), change.step_key, str(change.schedule_id)
    if change.step is PlanStep.SCHEDULE:
        return gateway.create_schedule(params, key)
    if change.step is PlanStep.PHASES:
        return gateway.change_schedule(schedule_id, params, key)
    if change.step is PlanStep.RELEASE:
        return gateway.release_schedule(schedule_id, key)
    return gateway.change_subscription(change.subscription_id, params, key)


def _found(gateway: Gateway, change: PlanChange) -> Rendered | None:
    """The object as Stripe shows it, if it shows what the step would have made of it.

    A schedule that was made cannot be known by looking; its call is answered again under its key.
    """
    if change.step is PlanStep.SCHEDULE:
        return None
    if change.step is PlanStep.SWITCH:
        shown = gateway.stripe_object("subscription", change.subscription_id)
        return shown if _prices(shown) == [change.price_id] else None
    shown = gateway.stripe_object("subscription_schedule", str(change.schedule_id))
    if change.step is PlanStep.PHASES:
        return shown if bears_mark(shown, change.mark) else None
    over = RenderedFields(shown, "subscription_schedule").text("status") not in SCHEDULE_LIVE
    return shown if over else None


def _record(
    context: WorkerContext, change: PlanChange, answer: Rendered, *, late: bool = False
) -> PlanChange | None:
    """Write down that a step was carried out; the change if the next step follows at once.

    `late`: it was made a while ago, and what came of it since may have been told already.
    """
    fields = RenderedFields(answer, "answer")
    if change.step is PlanStep.SCHEDULE:
        return _write(context, change, schedule_id=fields.text("id"))
    if change.step is PlanStep.PHASES:
        now_ms = context.clock.now_ms()
        late = late or now_ms - (change.step_ms or 0) > _LATE_MS
        return _write(context, change, **_scheduled(change, now_ms if late else None))
    if change.step is PlanStep.RELEASE:
        return _write(context, change)  # the next look at the subscription tells how it goes on
    if _prices(answer) != [change.price_id]:
        _give_up(context, change, NO_ANSWER)
        return None
    return _write(context, change, state=PlanChangeState.APPLIED.value, next_attempt_ms=None)


def _scheduled(change: PlanChange, look_ms: int | None) -> dict[str, object]:
    """`look_ms`: when to look at it first; None: after the switch."""
    due_ms = look_ms or ((change.effective_at or 0) + PLAN_SWITCH_GRACE_SECONDS) * 1000
    return {
        "state": PlanChangeState.SCHEDULED.value,
        "note": None,
        "next_attempt_ms": due_ms,
        "attempts": 0,
    }


def _refused(context: WorkerContext, change: PlanChange, error: Rejected) -> PlanChange | None:
    """Stripe did nothing, and will not. What was pending before must not come any more."""
    probe("plan.rejected")
    if change.step is PlanStep.RELEASE:
        # Gone already, or not to be released: the next look tells.
        stepless = _write(context, change)
        if stepless is not None:
            try_later(context, stepless, STRIPE_REFUSED.format(error.code))
        return None
    if change.step is PlanStep.PHASES and _renewed(context.gateway, change):
        return _write(context, change)  # decided anew, for the period that has begun
    if change.step is PlanStep.PHASES:
        return _write(
            context,
            change,
            state=PlanChangeState.WITHDRAWING.value,
            effect=None,
            note=STRIPE_REFUSED.format(error.code),
        )
    note = _sentence(error) + (RELEASED_BEFORE if change.schedule_id else "")
    return _write(
        context, change, state=PlanChangeState.REFUSED.value, note=note, next_attempt_ms=None
    )


def _renewed(gateway: Gateway, change: PlanChange) -> bool:
    """Whether the period at whose end the switch was to be has passed meanwhile."""
    shown = gateway.stripe_object("subscription", change.subscription_id)
    items = RenderedFields(shown, "subscription").part("items").parts("data")
    return change.effective_at not in [item.whole("current_period_end") for item in items]


def _sentence(error: Rejected) -> str:
    if error.code in _CONFIRM_CODES:
        return TO_CONFIRM
    return (DECLINED if isinstance(error, Declined) else STRIPE_REFUSED).format(error.code)


def _give_up(context: WorkerContext, change: PlanChange, note: str) -> None:
    _write(context, change, state=PlanChangeState.FAILED.value, note=note, next_attempt_ms=None)


def _write(context: WorkerContext, change: PlanChange, **values: object) -> PlanChange | None:
    """End the step and write `values`; the change, still under its lease, if there is more to do.

    Whoever took the change back while the call was made is heard: what was scheduled is released next.
    """
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        lock_subscription(connection, change.subscription_id)
        current = change_by_id(connection, change.change_id, lock=True)
        if current is None or current.fence != change.fence:
            return None
        after = values.get("state", current.state)
        if current.state is PlanChangeState.WITHDRAWING and after == PlanChangeState.SCHEDULED:
            after, values = current.state, {"next_attempt_ms": now_ms}
        goes_on = after in (PlanChangeState.WAITING, PlanChangeState.WITHDRAWING)
        lease = {"lease_until_ms": now_ms + EFFECT_LEASE_MS} if goes_on else {}
        nothing = {"step": None, "step_params": None, "step_ms": None}
        settled = settle_change(connection, change, now_ms, **{**nothing, **lease, **values})
    return settled if goes_on else None


def _prices(subscription: Rendered) -> list[str | None]:
    items = RenderedFields(subscription, "subscription").part("items").parts("data")
    return [item.reference("price") for item in items]
