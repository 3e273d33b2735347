"""Invoices, subscriptions and schedules: paid twice, renewed, changed, paused, ended."""

from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story


def same_invoice(shop, rng):
    """An invoice is paid, and a payment made beside it is attached to it as well."""
    group, buyer = shop.group(kind="same_invoice"), shop.buyer()
    customer, method = buyer
    till = shop.till
    invoice = shop.bill(customer, 1500)
    yield soon(rng)
    till.post(f"/v1/invoices/{invoice}/pay", {"payment_method": method})
    shop.paid_for(invoice, group)
    yield soon(rng)
    intent = till.post(
        "/v1/payment_intents",
        {
            "amount": 1500,
            "currency": "usd",
            "customer": customer,
            "payment_method": method,
            "confirm": True,
        },
    )
    till.post(f"/v1/invoices/{invoice}/attach_payment", {"payment_intent": intent["id"]})
    shop.took(intent, group)


def voided(shop, rng):
    """An invoice is finalised and voided."""
    customer, _ = shop.buyer()
    till = shop.till
    invoice = shop.bill(customer, 700)
    yield soon(rng)
    till.post(f"/v1/invoices/{invoice}/void", {})


def second_subscription(shop, rng):
    """A customer subscribes twice to the same price."""
    group, buyer, price = shop.group(kind="second_subscription"), shop.buyer(), shop.price()
    for _ in range(2):
        shop.subscribe(buyer, price, group)
        yield soon(rng)


def second_after_the_first_ended(shop, rng):
    """A customer subscribes, ends it, and subscribes again: two purchases, unless the end comes late."""
    buyer, price = shop.buyer(), shop.price()
    group = shop.group(kind="ended between", certain=False)
    first = shop.subscribe(buyer, price, group)
    yield 2
    shop.till.delete(f"/v1/subscriptions/{first['id']}")
    yield 2 + soon(rng)
    shop.subscribe(buyer, price, group)


def renewals(shop, rng):
    """A subscription is renewed, changed, and ended."""
    buyer = shop.buyer()
    made = shop.subscribe(buyer, shop.price())
    for _ in range(rng.randint(0, 2)):
        yield 1 + soon(rng)
        renewed = shop.till.control(f"subscriptions/{made['id']}/renew", {})
        shop.charges.append(renewed["charge"]["id"])
    yield 1 + soon(rng)
    path = f"/v1/subscriptions/{made['id']}"
    if rng.random() < 0.5:
        item = made["items"]["data"][0]["id"]
        change = {"items": [{"id": item, "price": shop.price(amount=5000)}]}
        shop.till.post(path, change | {"proration_behavior": "none"})
        yield 1 + soon(rng)
    if rng.random() < 0.6:
        shop.till.delete(path)


def scheduled(shop, rng):
    """A schedule is made from a subscription and released or cancelled."""
    made = shop.subscribe(shop.buyer(), shop.price())
    yield 1 + soon(rng)
    schedule = shop.till.post("/v1/subscription_schedules", {"from_subscription": made["id"]})["id"]
    yield 1 + soon(rng)
    end = rng.choice(("release", "cancel"))
    shop.till.post(f"/v1/subscription_schedules/{schedule}/{end}", {})


def schedule_cancelled(shop, rng):
    """A schedule is cancelled, and its subscription with it."""
    made = shop.subscribe(shop.buyer(), shop.price())
    schedule = shop.till.post("/v1/subscription_schedules", {"from_subscription": made["id"]})["id"]
    yield 1 + soon(rng)
    shop.till.post(f"/v1/subscription_schedules/{schedule}/cancel", {})


def on_trial(shop, rng):
    """Two subscriptions are told of while they are on trial."""
    for seat in (1, 2):
        customer, method = shop.buyer()
        given = {"customer": customer, "items": [{"price": shop.price()}], "trial_period_days": 30}
        made = shop.till.post("/v1/subscriptions", given | {"default_payment_method": method})
        yield 1 + soon(rng)
        shop.till.post(f"/v1/subscriptions/{made['id']}", {"description": f"Seat {seat}"})


def price_changed(shop, rng):
    """A price is bought, renamed, and taken off sale."""
    price = shop.price(amount=rng.choice((3000, 4000)))
    shop.subscribe(shop.buyer(), price)
    yield soon(rng)
    shop.till.post(f"/v1/prices/{price}", {"nickname": "Sale"})
    yield soon(rng)
    shop.till.post(f"/v1/prices/{price}", {"active": False})


STORIES = (
    Story(name="same invoice", begin=begin(same_invoice), weight=4),
    Story(name="voided", begin=begin(voided), weight=3),
    Story(name="second subscription", begin=begin(second_subscription), weight=4),
    Story(name="ended between", begin=begin(second_after_the_first_ended), weight=3),
    Story(name="renewals", begin=begin(renewals), weight=3),
    Story(name="scheduled", begin=begin(scheduled), weight=3),
    Story(name="schedule cancelled", begin=begin(schedule_cancelled), weight=0),
    Story(name="on trial", begin=begin(on_trial), weight=0),
    Story(name="price changed", begin=begin(price_changed), weight=2),
)
