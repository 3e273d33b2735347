"""Ends a subscription whose purchase was refunded: take → look at Stripe → end it → record.

Stripe takes no idempotency key for this call and needs none: a subscription ends once. So whoever does
not know how a call went looks at the subscription and calls again.
"""

import logging

from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import DBAPIError

from ledger.brake import read_brake
from ledger.cases import move_case
from ledger.states import CaseState, EndState
from ledger.subscription_ends import (
    SubscriptionEnd,
    put_off_end,
    settle_end,
    take_end,
)
from runtime.limits import EFFECT_LEASE_MS
from runtime.probes import probe
from runtime.setting_values import Mode
from workers import crash_points
from workers.context import WorkerContext
from workers.gateway_errors import GatewayError, Rejected
from workers.rendered_fields import RenderedFields, UnreadableRendering
from workers.retries import Trouble, exhausted, next_try_ms

_log = logging.getLogger(__name__)

_OVER = frozenset({"canceled", "incomplete_expired"})
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


def _end(context: WorkerContext, end: SubscriptionEnd) -> None:
    """Look, and call where it still runs. Raises GatewayError; Rejected when Stripe does not know it."""
    rendered = context.gateway.stripe_object("subscription", end.subscription_id)
    found = RenderedFields(rendered, "subscription")
    if found.flag("livemode") != end.livemode:
        raise UnreadableRendering("subscription.livemode is not the payment's")
    if found.text("status") in _OVER:
        probe("end.over_already")
        _settle(context, end, EndState.ENDED, None)
        return
    context.crash.reach(crash_points.END_LOOKED)
    try:
        rendered = context.gateway.cancel_subscription(end.subscription_id)
    except Rejected:
        # Ended by somebody else since the look, or not to be ended: the next look tells.
        _try_later(context, end)
        return
    context.crash.reach(crash_points.END_CALLED)
    if RenderedFields(rendered, "subscription").text("status") in _OVER:
        _settle(context, end, EndState.ENDED, None)
    else:
        _try_later(context, end)


def _kept_back(context: WorkerContext, end: SubscriptionEnd) -> bool:
    """The brake stops every effect at Stripe, not money alone; tries that it cost do not count."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        brake = read_brake(connection)
        enforcing = context.settings.redress_mode is Mode.ENFORCE
        right_mode = end.livemode == context.settings.livemode
        if enforcing and right_mode and not brake.stopped:
            return False
        due_ms = next_try_ms(Trouble.HELD, str(end.end_id), 1, now_ms)
        put_off_end(connection, end, due_ms, "kept back by the brake, or by the mode")
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
        settle_end(connection, end.end_id, state, note, now_ms)
        if state is EndState.FAILED:
            move_case(connection, end.case_id, CaseState.REVIEW, note=note, now_ms=now_ms)
