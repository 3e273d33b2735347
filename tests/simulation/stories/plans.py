"""Subscribers who change their plan: once or often, back again, while others act and periods end."""

import contextlib

from ops.sandbox.shop_till import ShopRefused
from tests.fakes.plan_shop import PRICES
from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story

_PLANS = tuple(PRICES)
_ROADS = (
    {},
    {"proration_behavior": "none"},
    {"proration_behavior": "always_invoice"},
    {"billing_cycle_anchor": {"type": "now"}},
    {"billing_cycle_anchor": {"type": "now"}, "proration_behavior": "none"},
)
_BOUNDARIES = ("plan.leased", "plan.looked", "plan.committed", "plan.called", "plan.recorded")


def changes_plan(shop, rng):
    """A subscriber asks for plans, one after another or at once, and sometimes takes one back."""
    plans = shop.world.operators.plans
    subscription = plans.subscribe(rng.choice(_PLANS), declines=rng.random() < 0.35)
    yield soon(rng)
    for _ in range(rng.choice((1, 1, 2, 2, 3, 6))):
        key = plans.ask(subscription, rng.choice(_PLANS))
        yield rng.choice((0, soon(rng)))
        if rng.random() < 0.3:
            plans.withdraw(key)
            yield rng.choice((0, soon(rng)))


def changes_over_periods(shop, rng):
    """Between the requests the paid period ends, at a moment that nobody chose."""
    plans = shop.world.operators.plans
    subscription = plans.subscribe(rng.choice(_PLANS), declines=False)
    for _ in range(rng.choice((1, 2, 3))):
        yield soon(rng)
        key = plans.ask(subscription, rng.choice(_PLANS))
        yield 5 + soon(rng)
        plans.renew(subscription)
        if rng.random() < 0.4:
            plans.withdraw(key)  # too late, perhaps


def changes_while_others_act(shop, rng):
    """The schedule is let go, the subscription ended, or the change taken back exactly while it is worked on."""
    plans = shop.world.operators.plans
    subscription = plans.subscribe(rng.choice(_PLANS), declines=False)
    yield soon(rng)
    key = plans.ask(subscription, rng.choice(_PLANS))
    act = rng.choice(
        (
            lambda: plans.release(subscription),
            lambda: plans.end(subscription),
            lambda: plans.withdraw(key),
            lambda: plans.withdraw(key),
        )
    )

    def elsewhere():
        with contextlib.suppress(ShopRefused):  # somebody else was first
            act()

    if rng.random() < 0.3:
        # The second call of a change to come tells the schedule's phases, after which it is pending.
        shop.world.meanwhile("plan.called", lambda: shop.world.meanwhile("plan.called", elsewhere))
    elif rng.random() < 0.7:
        shop.world.meanwhile(rng.choice(_BOUNDARIES), elsewhere)
    else:
        yield 5 + soon(rng)
        elsewhere()
    yield soon(rng)
    if rng.random() < 0.5:
        plans.ask(subscription, rng.choice(_PLANS))


def changed_elsewhere(shop, rng):
    """Somebody changes the plan at Stripe, once or to and fro; the period may end, another plan be asked for."""
    plans = shop.world.operators.plans
    subscription = plans.subscribe(rng.choice(_PLANS), declines=rng.random() < 0.15)
    yield soon(rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        by, road = rng.choice(("dashboard", "portal", "api")), rng.choice(_ROADS)
        plans.elsewhere(subscription, rng.choice(_PLANS), by, road)
        yield rng.choice((0, 5, 5, 120, soon(rng)))
    if rng.random() < 0.2:
        plans.ask(subscription, rng.choice(_PLANS))
        yield soon(rng)
    if rng.random() < 0.3:
        plans.renew(subscription)


def opens_the_portal(shop, rng):
    """A customer changes the plan in the portal, whose session Stripe tells of."""
    plans = shop.world.operators.plans
    subscription = plans.subscribe("basic-month", declines=False)
    yield soon(rng)
    plans.elsewhere(subscription, "pro-month", "portal", rng.choice(_ROADS))


def renewal_declined(shop, rng):
    """A renewal is not paid, so the subscription is past due."""
    plans = shop.world.operators.plans
    subscription = plans.subscribe("basic-month", declines=True)
    yield soon(rng)
    plans.renew(subscription)


def waits_for_its_payment(shop, rng):
    """A change at Stripe waits for a card that is declined, until somebody pays with another, or nobody does."""
    plans = shop.world.operators.plans
    subscription = plans.subscribe(rng.choice(_PLANS), declines=True)
    yield soon(rng)
    road = rng.choice(_ROADS[2:]) | {"payment_behavior": "pending_if_incomplete"}
    plans.elsewhere(subscription, rng.choice(_PLANS), rng.choice(("portal", "api")), road)
    yield rng.choice((soon(rng), 3600))
    if rng.random() < 0.2:
        plans.ask(subscription, rng.choice(_PLANS))
        yield soon(rng)
    if rng.random() < 0.8:
        plans.pay(subscription)


STORIES = (
    Story(name="opens the portal", begin=begin(opens_the_portal), weight=0),
    Story(name="renewal declined", begin=begin(renewal_declined), weight=0),
    Story(name="waits for its payment", begin=begin(waits_for_its_payment), weight=0, share=0.02),
    Story(name="changed elsewhere", begin=begin(changed_elsewhere), weight=0, share=0.06),
    Story(name="changes plan", begin=begin(changes_plan), weight=0, share=0.05),
    Story(name="changes over periods", begin=begin(changes_over_periods), weight=0, share=0.05),
    Story(
        name="changes while others act", begin=begin(changes_while_others_act), weight=0, share=0.05
    ),
)
