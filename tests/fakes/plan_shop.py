"""A shop with three tiers by the month and by the year, whose subscribers change their plan."""

from ledger.asked_plan_changes import NewPlanChange, change_by_id, write_change
from ledger.brake import Brake, set_brake
from ledger.brake_release import release_all
from ledger.plan_change_leases import withdraw_change
from ledger.plan_change_tables import plan_changes
from ledger.seen_plan_tables import seen_plan_changes
from runtime.queues import CHANGE_PLAN_JOB

#: Minor units per period; a year costs ten months.
PRICES = {
    f"{name}-{interval}": (tier, interval, tier * 1000 * (10 if interval == "year" else 1))
    for tier, name in enumerate(("basic", "pro", "studio"), start=1)
    for interval in ("month", "year")
}
MID_PERIOD_SECONDS = 10 * 86_400


class PlanShop:
    """A worker world with six plans; what the world has, the shop has too."""

    def __init__(self, world):
        self.world = world
        product = world.v1.products.create({"name": "Membership"}).id
        self.prices = {
            name: world.v1.prices.create(
                {
                    "product": product,
                    "currency": "usd",
                    "unit_amount": amount,
                    "recurring": {"interval": interval},
                    "metadata": {"redress_credits": str(tier * 100), "redress_tier": str(tier)},
                }
            ).id
            for name, (tier, interval, amount) in PRICES.items()
        }
        self.names = {price: name for name, price in self.prices.items()}

    def __getattr__(self, name):
        return getattr(self.world, name)

    def card(self, customer, kind="visa"):
        """A card of the customer's, of a kind that Stripe has for tests."""
        given = {"type": "card", "card": {"token": f"tok_{kind}"}}
        card = self.v1.payment_methods.create(given)
        self.v1.payment_methods.attach(card.id, {"customer": customer})
        return card.id

    def subscribe(self, plan, *, quantity=1, **params):
        """A new customer's subscription, paid and ten days old; returns its id."""
        customer = self.customer()
        given = {
            "customer": customer,
            "items": [{"price": self.prices[plan], "quantity": quantity}],
            "default_payment_method": self.card(customer),
        }
        subscription = self.v1.subscriptions.create(given | params).id
        self.clock.advance(MID_PERIOD_SECONDS)
        return subscription

    def ask(self, subscription, plan, key="k1"):
        """Ask for a change and ring for it; returns its id."""
        asked = NewPlanChange(
            key=key,
            subscription_id=subscription,
            price_id=self.prices.get(plan, plan),
            livemode=False,
            reason="a test",
        )
        with self.store.write() as connection:
            change_id, _ = write_change(connection, asked, self.clock.now_ms())
        self.wakeups.wake_effect(CHANGE_PLAN_JOB, change_id)
        return change_id

    def asked(self, subscription, plan, key="k1"):
        """Ask for a change and let it be carried out; returns its id."""
        change_id = self.ask(subscription, plan, key)
        self.settle(120)
        return change_id

    def withdraw(self, change_id):
        """Take a change back and ring for it; whether it was open."""
        with self.store.write() as connection:
            change = change_by_id(connection, change_id, lock=True)
            withdrawn = withdraw_change(connection, change, self.clock.now_ms())
        self.wakeups.wake_effect(CHANGE_PLAN_JOB, change_id)
        return withdrawn is not None

    def elsewhere(self, subscription, plan, by="dashboard", **params):
        """Somebody changes the plan at Stripe, at once, by whatever road; nothing is delivered yet."""
        (item,) = self.shown(subscription)["items"]["data"]
        moved = {"id": item["id"], "price": self.prices[plan], "quantity": item["quantity"]}
        given = {"by": by, "items": [moved]} | params
        return self.control(f"subscriptions/{subscription}/change", given)

    def seen(self):
        """Every change that Stripe's events told of, oldest first: (who made it, where it stands)."""
        rows = sorted(self.rows(seen_plan_changes), key=lambda row: (row.seen_at, row.id))
        return [(row.made_by, row.state) for row in rows]

    def change(self, change_id):
        """The change as it stands."""
        with self.store.read() as connection:
            return change_by_id(connection, change_id)

    def states(self):
        """Where every change stands, oldest first."""
        return [row.state for row in self.rows(plan_changes)]

    def brake(self, *, stopped):
        """Put the brake on, or take it off."""
        now_ms = self.clock.now_ms()
        standing = Brake(stopped=stopped, reason="a test", actor="ada", changed_ms=now_ms)
        with self.store.write() as connection:
            set_brake(connection, standing, origin="cli")

    def release(self):
        """Take the brake off as an operator does: what it kept back is due at once."""
        self.brake(stopped=False)
        with self.store.write() as connection:
            release_all(connection, self.clock.now_ms())

    # --- Stripe's books ---

    def shown(self, subscription):
        """The subscription in Stripe's own book."""
        return self.sandbox.book.get("subscriptions", subscription)

    def plan(self, subscription):
        """The name of the plan that the subscription is billed for."""
        (item,) = self.shown(subscription)["items"]["data"]
        return self.names[item["price"]["id"]]

    def period_end(self, subscription):
        """When its paid period ends."""
        (item,) = self.shown(subscription)["items"]["data"]
        return item["current_period_end"]

    def renew(self, subscription):
        """Let the paid period end, and the processor see it."""
        self.clock.advance(self.period_end(subscription) - self.clock.now_ms() / 1000)
        self.control(f"subscriptions/{subscription}/renew", {})
        self.settle(120)

    def invoices(self, subscription):
        """What was billed, oldest first: (why, how much), each line for a whole period."""
        found = []
        for invoice in list(self.sandbox.book.newest_first("invoices"))[::-1]:
            details = invoice["parent"]["subscription_details"]
            if details["subscription"] != subscription:
                continue
            for line in invoice["lines"]["data"]:
                assert not line["parent"]["subscription_item_details"]["proration"]
            found.append((invoice["billing_reason"], invoice["total"]))
        assert (
            []
            == self.sandbox.control("GET", "/sandbox/book", {"kind": "invoiceitems"}).json()["data"]
        )
        return found

    def schedules(self, subscription):
        """Every schedule that the subscription ever had: (status, the plans of its phases)."""
        return [
            (
                schedule["status"],
                [self.names[phase["items"][0]["price"]] for phase in schedule["phases"]],
            )
            for schedule in list(self.sandbox.book.newest_first("subscription_schedules"))[::-1]
            if subscription in (schedule["subscription"], schedule["released_subscription"])
        ]

    def calls(self):
        """Every request that could have changed something at Stripe since the shop opened."""
        log = self.sandbox.control("GET", "/sandbox/requests", {"path_prefix": "/v1/subscription"})
        return [
            (row["method"], row["path"], row["status"])
            for row in log.json()["data"]
            if row["method"] != "GET"
        ]
