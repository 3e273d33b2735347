"""Payments: honest ones, true duplicates of each certain kind, and look-alikes that must stay."""

from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story

_AMOUNTS = (700, 1500, 2900)


def honest(shop, rng):
    """One customer buys two different things."""
    buyer = shop.buyer()
    shop.pay(buyer, rng.choice(_AMOUNTS), order="a", product="pack")
    yield soon(rng)
    if rng.random() < 0.5:
        shop.pay(buyer, rng.choice(_AMOUNTS), order="b", product="pack")


def same_order(shop, rng):
    """An order is paid two or three times."""
    group, buyer, amount = shop.group(kind="same_order"), shop.buyer(), rng.choice(_AMOUNTS)
    order = f"order-{rng.randint(0, 10**6)}"
    later = {"capture_method": "automatic_async"} if rng.random() < 0.3 else {}
    for _ in range(rng.choice((2, 2, 2, 3))):
        shop.pay(buyer, amount, order=order, group=group, **later)
        yield soon(rng)


def paid_twice(shop, _rng):
    """An order is paid twice in one moment."""
    group, buyer = shop.group(kind="same_order"), shop.buyer()
    for _ in range(2):
        shop.pay(buyer, 1500, order=f"twice-{buyer[0]}", group=group)
    yield 0


def same_purchase(shop, rng):
    """A customer buys the same pack twice within minutes, without order references."""
    group, buyer, amount = shop.group(kind="same_purchase"), shop.buyer(), rng.choice(_AMOUNTS)
    for _ in range(2):
        shop.pay(buyer, amount, product="pack", group=group)
        yield soon(rng)


def same_card(shop, rng):
    """Two customers with one card buy alike: a person decides, nobody is refunded."""
    fingerprint = f"shared-{rng.randint(0, 10**6)}"
    group = shop.group(kind="same_card", certain=False)
    for _ in range(2):
        customer, _ = shop.buyer()
        shop.pay((customer, shop.card(customer, fingerprint)), 1500, product="pack", group=group)
        yield soon(rng)


def declined_first(shop, rng):
    """A declined card is tried again and taken: one payment."""
    customer, _ = shop.buyer()
    shop.pay((customer, "pm_card_chargeDeclined"), 1500, order="c")
    yield soon(rng)
    shop.pay((customer, shop.card(customer)), 1500, order="c")


def held(shop, rng):
    """Money is held and captured later, or let go."""
    buyer = shop.buyer()
    charge_id = shop.pay(buyer, 1500, order="d", capture_method="manual")
    intent_id = shop.till.get(f"/v1/charges/{charge_id}")["payment_intent"]
    yield soon(rng)
    if rng.random() < 0.7:
        part = {"amount_to_capture": 900} if rng.random() < 0.3 else {}
        shop.till.post(f"/v1/payment_intents/{intent_id}/capture", part)
    else:
        shop.touch(charge_id, "released")
        shop.till.post(f"/v1/payment_intents/{intent_id}/cancel", {})


def captured(shop, rng):
    """Money is held and captured."""
    charge_id = shop.pay(shop.buyer(), 1500, order="d", capture_method="manual")
    intent_id = shop.till.get(f"/v1/charges/{charge_id}")["payment_intent"]
    yield soon(rng)
    shop.till.post(f"/v1/payment_intents/{intent_id}/capture", {})


def let_go(shop, rng):
    """Money is held and let go."""
    charge_id = shop.pay(shop.buyer(), 1500, order="d", capture_method="manual")
    intent_id = shop.till.get(f"/v1/charges/{charge_id}")["payment_intent"]
    yield soon(rng)
    shop.touch(charge_id, "released")
    shop.till.post(f"/v1/payment_intents/{intent_id}/cancel", {})


STORIES = (
    Story(name="honest", begin=begin(honest), weight=3),
    Story(name="same order", begin=begin(same_order), weight=12),
    Story(name="paid twice", begin=begin(paid_twice), weight=1),
    Story(name="same purchase", begin=begin(same_purchase), weight=5),
    Story(name="same card", begin=begin(same_card), weight=3),
    Story(name="declined first", begin=begin(declined_first), weight=3),
    Story(name="held", begin=begin(held), weight=3),
    Story(name="captured", begin=begin(captured), weight=0),
    Story(name="let go", begin=begin(let_go), weight=0),
)
