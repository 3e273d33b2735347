"""Sees in an event that a subscription's plan was changed, and by whom: only other price ids are a change of plan.

A renewal, another quantity and the end of a trial are none (`item_changes`), and what we did ourselves is known
by the idempotency key that its event bears. Source: docs.stripe.com/api/events (`request`).
"""

from sqlalchemy import Connection

from ledger.asked_plan_changes import switched_by_us
from ledger.events import ClaimedEvent
from ledger.refund_intents import KEY_PREFIX
from ledger.seen_plan_changes import NewSeenPlan, portal_opened, write_seen
from ledger.states import PlanMaker
from runtime.call_limits import (
    PLAN_PENDING_SECONDS,
    PLAN_SETTLE_SECONDS,
    PORTAL_SESSION_SECONDS,
)
from runtime.probes import probe
from workers.item_changes import items_of
from workers.rendered_fields import RenderedFields


def see_plan_change(
    connection: Connection, event: ClaimedEvent, told: RenderedFields, now_ms: int
) -> None:
    """Write the change of plan down that an event of a subscription tells (`told` is the whole event)."""
    data = told.part("data")
    subscription = data.part("object")
    customer_id = subscription.reference("customer")
    previous = data.part("previous_attributes")
    before, after = items_of(previous), items_of(subscription)
    made_by = _maker(told)
    prices = [item.price_id for item in after]
    ours = made_by is PlanMaker.US or (
        made_by is PlanMaker.STRIPE and switched_by_us(connection, subscription.text("id"), prices)
    )
    seen = NewSeenPlan(
        event_id=event.event_id,
        subscription_id=subscription.text("id"),
        customer_id=customer_id,
        livemode=event.livemode,
        made_by=PlanMaker.US if ours else made_by,
        seen_at=event.created,
        base_at=_began_at(event, previous),
        before=tuple(before),
        after=tuple(after),
    )
    probe("plan.own_echo" if ours else "plan.seen")
    write_seen(connection, seen, None if ours else now_ms + PLAN_SETTLE_SECONDS * 1000, now_ms)


def maker_now(
    connection: Connection, made_by: PlanMaker, customer_id: str | None, seen_at: int
) -> PlanMaker:
    """Who made a change, now that the customer's session in the portal is known if there was one.

    Stripe does not say it: whoever had the portal open within the hour before is taken for who made it.
    """
    if made_by not in (PlanMaker.DASHBOARD, PlanMaker.API) or customer_id is None:
        return made_by
    since = seen_at - PORTAL_SESSION_SECONDS
    return PlanMaker.PORTAL if portal_opened(connection, customer_id, since, seen_at) else made_by


def _began_at(event: ClaimedEvent, previous: RenderedFields) -> int:
    """When the change was made that an event tells of: one that waited for its payment was billed before."""
    expires_at = previous.part("pending_update").amount_or("expires_at", 0)
    if expires_at:
        probe("plan.applied_late")
        return min(event.created, expires_at - PLAN_PENDING_SECONDS)
    return event.created


def _maker(told: RenderedFields) -> PlanMaker:
    if isinstance(told.raw("request"), str):
        return PlanMaker.DASHBOARD  # events of before 2017 name the request alone
    request = told.part("request")
    key = request.text_or_none("idempotency_key")
    if key is not None:
        return PlanMaker.US if key.startswith(KEY_PREFIX) else PlanMaker.API
    return PlanMaker.STRIPE if request.text_or_none("id") is None else PlanMaker.DASHBOARD
