"""What a change of plan would do: when, for how much, with which credits; or what stands in its way.

Source: policy § Plan changes for when and how much; docs.stripe.com/billing/subscriptions for what a
subscription in each state can take.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from policy.money import Money
from policy.plan_change_rules import Effect, PlanChangeDecision, decide_plan_change
from workers.plan_at_stripe import PriceAtHand, SubscriptionAtHand

NOTHING_TO_CHANGE = "It has this price already: there is nothing to change."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPreview:
    """One asked change. `refused` says why it cannot be carried out and what to do; None: it can.

    `effective_at` is in unix seconds, None where it is now or not decided. `due_now` and `due_then` are
    what is charged at once and at the switch, `credits_now` what is issued at once; credits per month
    are `credits_before` and `credits_after`, None outside the catalogue.
    """

    subscription: SubscriptionAtHand
    wanted: PriceAtHand
    decision: PlanChangeDecision | None
    refused: str | None
    effective_at: int | None = None
    due_now: Money | None = None
    due_then: Money | None = None
    credits_now: int = 0
    credits_before: int | None = None
    credits_after: int | None = None


def preview_plan(subscription: SubscriptionAtHand, wanted: PriceAtHand) -> PlanPreview:
    """What the change of the subscription to the wanted price would do."""
    refused = next((said for look in _LOOKS if (said := look(subscription, wanted))), None)
    if refused is not None:
        return PlanPreview(subscription=subscription, wanted=wanted, decision=None, refused=refused)
    item = subscription.items[0]
    decision = decide_plan_change(item.price.side(item.quantity), wanted.side(item.quantity))
    now = decision.effect is Effect.NOW
    then = decision.effect is Effect.PERIOD_END
    price = Money(amount_minor=(wanted.amount_minor or 0) * item.quantity, currency=wanted.currency)
    credits_after = None if wanted.offer is None else wanted.offer.credits * item.quantity
    return PlanPreview(
        subscription=subscription,
        wanted=wanted,
        decision=decision,
        refused=decision.undecided or (_now_refused(subscription) if now else None),
        effective_at=item.period_end if then else None,
        due_now=decision.due_now,
        due_then=price if then else None,
        credits_now=(credits_after or 0) if now else 0,
        credits_before=None
        if item.price.offer is None
        else item.price.offer.credits * item.quantity,
        credits_after=credits_after,
    )


def outlook_of(preview: PlanPreview) -> str:
    """What a change would charge and issue, as JSON: money in minor units, credits per month."""
    return json.dumps(
        {
            "due_now": None if preview.due_now is None else preview.due_now.to_fields(),
            "due_then": None if preview.due_then is None else preview.due_then.to_fields(),
            "credits_now": preview.credits_now,
            "credits_before": preview.credits_before,
            "credits_after": preview.credits_after,
        },
        sort_keys=True,
    )


def _now_refused(subscription: SubscriptionAtHand) -> str | None:
    """What stands in the way of a change that is charged at once."""
    if subscription.status == "trialing":
        return "It is on trial, and the change would be charged now: wait until the trial is over."
    if subscription.by_invoice:
        return (
            "It is paid by invoices that are sent out, so the new plan would start before it is paid:"
            " have it charged automatically first."
        )
    return None


def _state(subscription: SubscriptionAtHand, _wanted: PriceAtHand) -> str | None:
    return _STATES.get(subscription.status)


def _ending(subscription: SubscriptionAtHand, _wanted: PriceAtHand) -> str | None:
    if subscription.ends_at is None:
        return None
    return "It is cancelled for the end of its period: take the cancellation back first."


def _steered(subscription: SubscriptionAtHand, _wanted: PriceAtHand) -> str | None:
    if subscription.schedule_id is None:
        return None
    return f"The schedule {subscription.schedule_id} steers it already: release that first, or change it."


def _unsettled(subscription: SubscriptionAtHand, _wanted: PriceAtHand) -> str | None:
    if subscription.pending_update:
        return "An earlier change waits for its payment: let it be paid or expire first."
    if subscription.collection_paused:
        return "Its payments are paused: resume their collection first."
    return None


def _one_licensed_item(subscription: SubscriptionAtHand, wanted: PriceAtHand) -> str | None:
    items = subscription.items
    if len(items) != 1:
        return f"It has {len(items)} items, and which of them changes is not clear: change it at Stripe."
    if items[0].price.metered or wanted.metered:
        return "It is billed by measured use, which the terms do not know: change it at Stripe."
    if items[0].price.amount_minor is None or wanted.amount_minor is None:
        return "A price has no amount of its own (tiers): change it at Stripe."
    return None


def _fitting_price(subscription: SubscriptionAtHand, wanted: PriceAtHand) -> str | None:
    if wanted.livemode != subscription.livemode:
        return "The price is of the other mode (test or live): name one of the same."
    if not wanted.active:
        return "The price is not sold any more (inactive): name another."
    if wanted.interval is None:
        return "The price is paid once, so it is no plan: name one that recurs."
    if wanted.price_id == subscription.items[0].price.price_id:
        return NOTHING_TO_CHANGE
    return None


_STATES = {
    "canceled": "It is over: sell a new subscription.",
    "incomplete": "Its first invoice is not paid yet: have it paid first.",
    "incomplete_expired": "Its first invoice was never paid, so it is over: sell a new subscription.",
    "past_due": "An invoice of it is overdue: have it paid first.",
    "unpaid": "Invoices of it are not paid: have them paid first.",
    "paused": "It is paused: resume it first.",
}
_LOOKS: tuple[Callable[[SubscriptionAtHand, PriceAtHand], str | None], ...] = (
    _state,
    _ending,
    _steered,
    _unsettled,
    _one_licensed_item,
    _fitting_price,
)
