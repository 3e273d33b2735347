"""Ends a subscription whose purchase was refunded: take → look at Stripe → brake → end it → record.

Stripe takes no idempotency key for this call and needs none: a subscription ends once. So whoever does
not know how a call went looks at the subscription and calls again.
"""

import logging

from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.cases import case_by_id, move_case
from ledger.projections import Sighting
from ledger.refund_intents import intents_of_cases
from ledger.states import CaseState, EndState
from ledger.subscription_ends import (
    SubscriptionEnd,
    give_back_end,
    keep_end,
    note_ended,
    put_off_end,
    settle_end,
    take_end,
)
from runtime.limits import EFFECT_LEASE_MS
from runtime.probes import probe
from workers import crash_points
from workers.billing_objects import SUBSCRIPTION_OVER
from workers.context import WorkerContext
from workers.gateway_errors import GatewayError, Rejected
from workers.money_brakes import all_stopped
from workers.outcomes import move_case_with_refund
from workers.rendered_fields import RenderedFields, UnreadableRendering
from workers.retries import Trouble, exhausted, next_try_ms

_log = logging.getLogger(__name__)

NOT_ENDED = "the refund was made, but its subscription could not be ended: end it at Stripe"
UNKNOWN_THERE = "Stripe does not know the subscription, so it cannot charge anybody"


def end_subscription(context: WorkerContext, end_id: int) -> None:
    """Do the next step of one subscription's end, if it is due and nobody else is on it."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        end = take_end(connection, end_id, now_ms, now_ms + EFFECT_LEASE_MS)
    if end is None:
        probe("end.not_due")
        return
    context.crash.reach(crash_points.END_TAKEN)
    if _kept_back(context, end):
        return
    try:
        _end(context, end)
    except Rejected:
        _settle(context, end, EndState.ENDED, UNKNOWN_THERE)
    except (GatewayError, UnreadableRendering):
        probe("end.unread")
        _try_later(context, end)
    except (DBAPIError, BaseTimeoutException):
        raise  # it is due again by itself
    except Exception:  # noqa: BLE001 - a defect must not ring for ever
        _log.exception("a subscription's end failed", extra={"row_id": end_id})
        _try_later(context, end)


def close_end(connection: Connection, sighting: Sighting, now_ms: int) -> None:
    """Close the end of a subscription that Stripe shows as over, whoever ended it.

    A case that waited for a person to do just that goes back to where its refund stands.
    """
    if sighting.table.name != "subscriptions" or sighting.values["status"] not in SUBSCRIPTION_OVER:
        return
    case_id = note_ended(connection, sighting.key, now_ms)
    case = None if case_id is None else case_by_id(connection, case_id, lock=True)
    if case is not None and (case.state, case.note) == (CaseState.REVIEW, NOT_ENDED):
        intent = intents_of_cases(connection, [case.case_id])[case.case_id]
        move_case_with_refund(connection, case.case_id, intent.state, now_ms)


def _end(context: WorkerContext, end: SubscriptionEnd) -> None:
    """Look, and call where it still runs. Raises GatewayError; Rejected when Stripe does not know it."""
    rendered = context.gateway.stripe_object("subscription", end.subscription_id)
    found = RenderedFields(rendered, "subscription")
    if found.flag("livemode") != end.livemode:
        raise UnreadableRendering("subscription.livemode is not the payment's")
    if found.text("status") in SUBSCRIPTION_OVER:
        probe("end.over_already")
        _settle(context, end, EndState.ENDED, None)
        return
    context.crash.reach(crash_points.END_LOOKED)
    until_ms = _call_until_ms(context, end)
    if until_ms is not None:
        context.crash.reach(crash_points.END_LEAVING)
        _call(context, end, until_ms)


def _call(context: WorkerContext, end: SubscriptionEnd, until_ms: int) -> None:
    if context.clock.now_ms() > until_ms:
        return  # stalled since the commit: a successor may be at it, and looks first
    try:
        rendered = context.gateway.cancel_subscription(end.subscription_id)
    except Rejected:
        # Ended by somebody else since the look, or not to be ended: the next look tells.
        _try_later(context, end)
        return
    context.crash.reach(crash_points.END_CALLED)
    if RenderedFields(rendered, "subscription").text("status") in SUBSCRIPTION_OVER:
        _settle(context, end, EndState.ENDED, None)
    else:
        _try_later(context, end)


def _call_until_ms(context: WorkerContext, end: SubscriptionEnd) -> int | None:
    """Commit that the call is about to be made, and until when; None when it must not be."""
    with context.store.write() as connection:
        if _hold(context, connection, end):
            return None
        until_ms = context.clock.now_ms() + EFFECT_LEASE_MS
        return until_ms if keep_end(connection, end, until_ms) else None


def _kept_back(context: WorkerContext, end: SubscriptionEnd) -> bool:
    """Whether the brake keeps it back; looked at before Stripe is read as well as after."""
    with context.store.write() as connection:
        return _hold(context, connection, end)


def _hold(context: WorkerContext, connection: Connection, end: SubscriptionEnd) -> bool:
    """The brake stops every effect at Stripe, not money alone; tries that it cost do not count."""
    held = all_stopped(connection, context.settings, livemode=end.livemode)
    if held is None:
        return False
    probe("end.kept_back")
    due_ms = next_try_ms(Trouble.HELD, str(end.end_id), 1, context.clock.now_ms())
    give_back_end(connection, end, due_ms, held)
    return True


def _try_later(context: WorkerContext, end: SubscriptionEnd) -> None:
    now_ms = context.clock.now_ms()
    if exhausted(end.attempts):
        _settle(context, end, EndState.FAILED, NOT_ENDED)
        return
    due_ms = next_try_ms(Trouble.UNREACHABLE, str(end.end_id), end.attempts, now_ms)
    with context.store.write() as connection:
        put_off_end(connection, end, due_ms, "Stripe could not be asked, or did not end it yet")


def _settle(
    context: WorkerContext, end: SubscriptionEnd, state: EndState, note: str | None
) -> None:
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        settled = settle_end(connection, end, state, note, now_ms)
        if settled and state is EndState.FAILED:
            move_case(connection, end.case_id, CaseState.REVIEW, note=note, now_ms=now_ms)
