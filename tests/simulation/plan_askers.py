"""People who ask for other plans, and take that back: what `redress plan change` and `withdraw` do.

Whoever sees an error cannot know whether the act was committed: a change is simply asked for again under its
key; a withdrawal is not, and the audit log says whether it stands.
"""

import contextlib
from dataclasses import dataclass, field
from functools import partial

from ledger.asked_plan_changes import NewPlanChange, change_by_id, write_change
from ledger.audit_log import record
from ledger.plan_change_leases import lock_subscription, withdraw_change
from ops.sandbox.shop_till import ShopRefused
from runtime.queues import CHANGE_PLAN_JOB
from tests.fakes.plan_shop import PRICES

_AGAIN_MS = 10_000


@dataclass(slots=True, kw_only=True)
class Subscriber:
    """A subscription whose plan is changed: what it began with, and whether others had a hand in it."""

    plan: str
    declines: bool = False
    meddled: bool = False
    elsewhere: int = 0  # how often somebody changed it at Stripe
    keys: list = field(default_factory=list)


class PlanAskers:
    """Everybody who changes plans. `soon(delay_ms, act)` runs an act as a task; `wakeups()` is their bell."""

    def __init__(self, world, clock, soon, wakeups):
        self.world = world
        self.clock = clock
        self._soon = soon
        self._wakeups = wakeups
        self.subscribers = {}
        #: Key of a change -> (subscription id, plan).
        self.asked = {}
        self._prices = {}

    def price(self, plan):
        """The id of a plan's price, made at its first use."""
        if plan not in self._prices:
            tier, interval, amount = PRICES[plan]
            till = self.world.shop.till
            product = till.post("/v1/products", {"name": f"Tier {tier}"})["id"]
            self._prices[plan] = till.post(
                "/v1/prices",
                {
                    "product": product,
                    "currency": "usd",
                    "unit_amount": amount,
                    "recurring": {"interval": interval},
                    "metadata": {"redress_credits": "100", "redress_tier": str(tier)},
                },
            )["id"]
        return self._prices[plan]

    def plan_of(self, price_id):
        """The name of the plan that a price is of."""
        return next(plan for plan, known in self._prices.items() if known == price_id)

    def subscribe(self, plan, *, declines):
        """Somebody new subscribes; afterwards his card may decline. Returns the subscription's id."""
        shop = self.world.shop
        customer, method = shop.buyer()
        made = shop.subscribe((customer, method), self.price(plan))["id"]
        self.subscribers[made] = Subscriber(plan=plan, declines=declines)
        if declines:
            given = {"type": "card", "card": {"token": "tok_chargeDeclined"}}
            bad = shop.till.post("/v1/payment_methods", given)["id"]
            shop.till.post(f"/v1/payment_methods/{bad}/attach", {"customer": customer})
            shop.till.post(f"/v1/subscriptions/{made}", {"default_payment_method": bad})
        return made

    def ask(self, subscription_id, plan):
        """Ask for a plan, as often as it takes until it is written down; returns the key."""
        keys = self.subscribers[subscription_id].keys
        key = f"{subscription_id}-{len(keys)}"
        keys.append(key)
        self.asked[key] = subscription_id, plan
        self._take_in(key)
        return key

    def take_the_rest_in(self):
        """What the faults kept out so far is taken in now."""
        for key in self.asked:
            self._take_in(key)

    def withdraw(self, key):
        """Take a change back, if it is known by then and still open."""
        self._soon(0, partial(self._withdraw, key))

    def release(self, subscription_id):
        """Somebody lets the schedule go in the dashboard."""
        schedule = self.world.book.get("subscriptions", subscription_id)["schedule"]
        if schedule is not None:
            self.subscribers[subscription_id].meddled = True
            self.world.shop.till.post(f"/v1/subscription_schedules/{schedule}/release", {})

    def end(self, subscription_id):
        """Somebody ends the subscription in the dashboard."""
        self.subscribers[subscription_id].meddled = True
        self.world.shop.till.delete(f"/v1/subscriptions/{subscription_id}")

    def elsewhere(self, subscription_id, plan, by, road):
        """Somebody changes the plan at Stripe, at once."""
        subscription = self.world.book.get("subscriptions", subscription_id)
        (item,) = subscription["items"]["data"]
        if subscription["status"] == "trialing" and "billing_cycle_anchor" in road:
            # Stripe begins no new period in a trial; who wants one ends it.
            road = {"trial_end": "now"}
        moved = {"id": item["id"], "price": self.price(plan), "quantity": item["quantity"]}
        self.subscribers[subscription_id].elsewhere += 1
        given = {"by": by, "items": [moved]} | road
        with contextlib.suppress(ShopRefused):
            self.world.shop.till.control(f"subscriptions/{subscription_id}/change", given)
        self.world.struck(f"plan changed by {by}")

    def pay(self, subscription_id):
        """The customer pays the latest invoice with a card that is good."""
        till = self.world.shop.till
        subscription = self.world.book.get("subscriptions", subscription_id)
        given = {"type": "card", "card": {"token": "tok_visa"}}
        card = till.post("/v1/payment_methods", given)["id"]
        till.post(f"/v1/payment_methods/{card}/attach", {"customer": subscription["customer"]})
        with contextlib.suppress(ShopRefused):  # it may be paid, or void
            path = f"/v1/invoices/{subscription['latest_invoice']}/pay"
            till.post(path, {"payment_method": card})

    def renew(self, subscription_id):
        """The paid period ends."""
        shop = self.world.shop
        renewed = shop.till.control(f"subscriptions/{subscription_id}/renew", {})
        if renewed["charge"] is not None:
            shop.charges.append(renewed["charge"]["id"])

    def _take_in(self, key):
        known = "SELECT 1 FROM plan_changes WHERE key = ?"
        if self.world.store.raw.execute(known, (key,)).fetchone() is None:
            self._soon(0, partial(self._ask, key))
            self.world.scheduler.after(_AGAIN_MS, partial(self._take_in, key))

    def _ask(self, key):
        subscription_id, plan = self.asked[key]
        asked = NewPlanChange(
            key=key,
            subscription_id=subscription_id,
            price_id=self.price(plan),
            livemode=False,
            reason="a story",
        )
        with self.world.store.write() as connection:
            change_id, _ = write_change(connection, asked, self.clock.now_ms())
        self._wakeups().wake_effect(CHANGE_PLAN_JOB, change_id)

    def _withdraw(self, key):
        world = self.world
        row = world.store.raw.execute(
            "SELECT id, subscription_id FROM plan_changes WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return
        with world.store.write() as connection:
            lock_subscription(connection, row[1])
            change = change_by_id(connection, row[0], lock=True)
            if withdraw_change(connection, change, self.clock.now_ms()) is None:
                return
            record(
                connection,
                at_ms=self.clock.now_ms(),
                actor="somebody",
                action="plan.withdraw",
                object_id=key,
                result="done",
                origin="simulation",
                detail="changed his mind",
            )
        world.struck("plan withdrawn")
        self._wakeups().wake_effect(CHANGE_PLAN_JOB, row[0])
