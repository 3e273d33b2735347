"""Sends one refund to Stripe: lease → last check → brakes → submit → call → record.

Each step is committed before the next begins, and no transaction is open during a call. Wherever the
process dies, the row says what is known: RESERVED means that nothing left; SUBMITTED that it may
have, so Stripe is asked before anything else. A key is never sent again past 20 hours, because Stripe
forgets keys after 24 and would then pay a second time.
"""

import logging

from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.cases import move_case
from ledger.refund_intents import Intent, intent_by_id, lease_intent, move_intent
from ledger.states import CaseState, IntentState
from runtime.limits import EFFECT_LEASE_MS, IDEMPOTENCY_KEY_AGE_SECONDS_MAX
from runtime.probes import probe
from workers import crash_points
from workers.context import WorkerContext
from workers.gateway import Rendered
from workers.gateway_errors import GatewayError, Rejected, Throttled
from workers.last_check import disagreement
from workers.money_brakes import held_back
from workers.outcomes import RefundSeen, refund_seen, settle_intent
from workers.product_notices import product_listens
from workers.rendered_fields import UnreadableRendering
from workers.retries import Trouble, exhausted, next_try_ms

_log = logging.getLogger(__name__)

NO_ANSWER = "Stripe's answer is not known and its key is too old to be sent again: look at Stripe"
ALREADY_REFUNDED = "charge_already_refunded"
GIVEN_UP = "tried as often as anything is: look at Stripe, then approve or close the case"


def send_refund(context: WorkerContext, intent_id: str) -> None:
    """Do the next step of one intent, if it is due and nobody else is on it."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        intent = lease_intent(connection, intent_id, now_ms, now_ms + EFFECT_LEASE_MS)
    if intent is None:
        probe("effect.not_due")
        return
    context.crash.reach(crash_points.EFFECT_LEASED)
    try:
        _next_step(context, intent)
    except (DBAPIError, BaseTimeoutException):
        raise  # the lease runs out, and what the row says then holds
    except Exception as error:  # noqa: BLE001 - a defect must not ring for ever
        _log.exception("an effect failed", extra={"intent_id": intent_id})
        _after_a_defect(context, intent_id, type(error).__name__)


def _next_step(context: WorkerContext, intent: Intent) -> None:
    try:
        if intent.state is not IntentState.RESERVED and _asked_stripe(context, intent):
            return
        if _kept_back(context, intent):
            return
        objection = disagreement(context, intent)
    except (GatewayError, UnreadableRendering):
        probe("effect.unread")
        _try_later(context, intent, intent.state, Trouble.UNREACHABLE, "Stripe could not be read")
        return
    context.crash.reach(crash_points.EFFECT_CHECKED)
    if objection is not None:
        _drop(context, intent, objection)
        return
    submitted = _submit(context, intent)
    if submitted is not None:
        context.crash.reach(crash_points.EFFECT_SUBMITTED)
        _call(context, submitted, sent_before=intent.state is not IntentState.RESERVED)
        context.crash.reach(crash_points.EFFECT_RECORDED)


def _after_a_defect(context: WorkerContext, intent_id: str, error_name: str) -> None:
    """Try again later from where the row stands now; after as many tries as any, a person looks."""
    with context.store.read() as connection:
        intent = intent_by_id(connection, intent_id)
    if intent is None or intent.next_attempt_ms is None:
        return
    note = f"failed on a defect: {error_name}"
    if exhausted(intent.fence):
        _leave_to_a_person(context, intent, note)
    else:
        _try_later(context, intent, intent.state, Trouble.UNREACHABLE, note)


def _asked_stripe(context: WorkerContext, intent: Intent) -> bool:
    """Settle an intent whose outcome is not known by Stripe's list of refunds; False to go on."""
    found = _own_refund(context, intent)
    if found is not None:
        probe("effect.found_at_stripe")
        _settle(context, intent, found)
        return True
    age_ms = context.clock.now_ms() - (intent.first_sent_ms or 0)
    if age_ms > IDEMPOTENCY_KEY_AGE_SECONDS_MAX * 1_000:
        probe("effect.too_old")
        _leave_to_a_person(context, intent, NO_ANSWER)
        return True
    if exhausted(intent.attempts):
        _leave_to_a_person(context, intent, GIVEN_UP)
        return True
    probe("effect.not_found_at_stripe")
    return False


def _own_refund(context: WorkerContext, intent: Intent) -> RefundSeen | None:
    """The refund at Stripe that this intent made, if there is one."""
    seen = [refund_seen(rendered) for rendered in context.gateway.refunds_of(intent.charge_id)]
    return next((refund for refund in seen if refund.belongs_to(intent)), None)


def _kept_back(context: WorkerContext, intent: Intent) -> bool:
    """Whether a brake keeps the refund back; looked at before Stripe is read as well as after."""
    with context.store.write() as connection:
        return _hold(context, connection, intent)


def _hold(context: WorkerContext, connection: Connection, intent: Intent) -> bool:
    now_ms = context.clock.now_ms()
    held = held_back(connection, context.settings, intent, now_ms)
    if held is None:
        return False
    probe("effect.held")
    values = {
        "held": held,
        "lease_until_ms": None,
        "next_attempt_ms": next_try_ms(Trouble.HELD, intent.intent_id, 1, now_ms),
    }
    move_intent(connection, intent, intent.state, values, now_ms)
    return True


def _submit(context: WorkerContext, intent: Intent) -> Intent | None:
    """Commit that the refund is about to leave, unless a brake keeps it back."""
    with context.store.write() as connection:
        if _hold(context, connection, intent):
            probe("effect.held_at_the_last_moment")
            return None
        now_ms = context.clock.now_ms()
        values = {
            "held": None,
            "attempts": intent.attempts + 1,
            "first_sent_ms": intent.first_sent_ms or now_ms,
            "lease_until_ms": now_ms + EFFECT_LEASE_MS,
            "next_attempt_ms": now_ms,
        }
        if not move_intent(connection, intent, IntentState.SUBMITTED, values, now_ms):
            probe("effect.fenced_off")
            return None
        return intent_by_id(connection, intent.intent_id)


def _call(context: WorkerContext, intent: Intent, *, sent_before: bool) -> None:
    if context.clock.now_ms() > (intent.lease_until_ms or 0):
        # Stalled since the commit: a successor may be at it, and may have judged otherwise. What the
        # row says, that it may have left, is no less true for our not sending it.
        probe("effect.lease_ran_out")
        return
    try:
        rendered = context.gateway.create_refund(intent.params, intent.idempotency_key)
    except Throttled as error:
        probe("effect.throttled_after_unknown" if sent_before else "effect.throttled")
        # This call did nothing, but an earlier one of unknown outcome may have: then still ask first.
        state = IntentState.UNKNOWN if sent_before else IntentState.RESERVED
        _put_off(context, intent, state, Trouble.THROTTLED, f"Stripe: {error.code}")
    except Rejected as error:
        _rejected(context, intent, error)
    except GatewayError as error:
        probe("effect.unknown")
        _put_off(context, intent, IntentState.UNKNOWN, Trouble.UNKNOWN, f"Stripe: {error.code}")
    else:
        context.crash.reach(crash_points.EFFECT_CALLED)
        _answered(context, intent, rendered)


def _answered(context: WorkerContext, intent: Intent, rendered: Rendered) -> None:
    try:
        seen = refund_seen(rendered)
    except UnreadableRendering as unreadable:
        _put_off(context, intent, IntentState.UNKNOWN, Trouble.UNKNOWN, str(unreadable))
        return
    if seen.belongs_to(intent):
        _settle(context, intent, seen)
    else:
        probe("effect.other_money")
        note = f"Stripe answered with refund {seen.refund_id}, which moves other money"
        _put_off(context, intent, IntentState.UNKNOWN, Trouble.UNKNOWN, note)


def _rejected(context: WorkerContext, intent: Intent, error: Rejected) -> None:
    """Final, unless the refund is there after all: an earlier try of the same key may have made it."""
    try:
        found = _own_refund(context, intent)
    except (GatewayError, UnreadableRendering):
        probe("effect.rejected_unread")
        note = f"Stripe refused ({error.code}) and could not be read after"
        _put_off(context, intent, IntentState.UNKNOWN, Trouble.UNKNOWN, note)
        return
    if found is not None:
        _settle(context, intent, found)
        return
    already = error.code == ALREADY_REFUNDED
    probe("effect.already_refunded" if already else "effect.rejected")
    case_state = CaseState.CLOSED if already else CaseState.REVIEW
    note = f"Stripe refused the refund: {error.code}"
    _end(context, intent, IntentState.REJECTED, note, case_state)


def _drop(context: WorkerContext, intent: Intent, objection: str) -> None:
    """End an intent that the last check no longer agrees with; what was sent before is Stripe's word."""
    never_sent = intent.state is IntentState.RESERVED
    probe("effect.dropped_unsent" if never_sent else "effect.dropped_sent")
    state = IntentState.WITHDRAWN if never_sent else IntentState.REJECTED
    _end(context, intent, state, objection)


def _settle(context: WorkerContext, intent: Intent, seen: RefundSeen) -> None:
    # An event may have told us first; then the row has moved and there is nothing left to write.
    with context.store.write() as connection:
        now_ms, to_product = context.clock.now_ms(), product_listens(context.settings)
        if not settle_intent(connection, intent, seen, now_ms, to_product=to_product):
            probe("outcome.told_first")


def _end(
    context: WorkerContext,
    intent: Intent,
    state: IntentState,
    note: str,
    case_state: CaseState = CaseState.REVIEW,
) -> None:
    now_ms = context.clock.now_ms()
    values = {"note": note, "held": None, "next_attempt_ms": None, "lease_until_ms": None}
    with context.store.write() as connection:
        if move_intent(connection, intent, state, values, now_ms):
            move_case(connection, intent.case_id, case_state, note=note, now_ms=now_ms)


def _put_off(
    context: WorkerContext, intent: Intent, state: IntentState, trouble: Trouble, note: str
) -> None:
    """Call again later; after the last try, a person takes over and nothing is due any more."""
    if exhausted(intent.attempts):
        probe("effect.given_up")
        _leave_to_a_person(context, intent, GIVEN_UP)
    else:
        _try_later(context, intent, state, trouble, note)


def _try_later(
    context: WorkerContext, intent: Intent, state: IntentState, trouble: Trouble, note: str
) -> None:
    now_ms = context.clock.now_ms()
    # Each lease raises the fence, so that it counts the tries that never came to a call as well.
    tries = intent.attempts if trouble is Trouble.UNKNOWN else intent.fence
    values: dict[str, object] = {
        "note": note,
        "lease_until_ms": None,
        "next_attempt_ms": next_try_ms(trouble, intent.intent_id, tries, now_ms),
    }
    if state is IntentState.RESERVED:
        # Stripe surely did not act, and keeps no key of what it throttled: the key's age counts anew.
        values["first_sent_ms"] = None
    with context.store.write() as connection:
        move_intent(connection, intent, state, values, now_ms)


def _leave_to_a_person(context: WorkerContext, intent: Intent, note: str) -> None:
    now_ms = context.clock.now_ms()
    values = {"note": note, "lease_until_ms": None, "next_attempt_ms": None}
    state = IntentState.UNKNOWN if intent.state is IntentState.SUBMITTED else intent.state
    with context.store.write() as connection:
        if move_intent(connection, intent, state, values, now_ms):
            move_case(connection, intent.case_id, CaseState.REVIEW, note=note, now_ms=now_ms)
