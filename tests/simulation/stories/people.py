"""F21: people. Refunds typed in Stripe's dashboard, refunds with a life of their own, customers who leave."""

import contextlib

from ops.sandbox.shop_till import ShopRefused
from tests.simulation.shop import begin, soon
from tests.simulation.stories import Story

_BOUNDARIES = (
    "drain.claimed",
    "drain.committed",
    "effect.leased",
    "effect.checked",
    "effect.checked",
    "effect.submitted",
    "effect.submitted",
    "effect.called",
)
_LIVES = ("pending", "pending_then_succeeded", "pending_then_failed")


def refund_by_hand(shop, rng):
    """Somebody refunds a payment, or a part of it, in the dashboard."""
    yield soon(rng)
    charge_id = shop.any_charge(rng)
    if charge_id is None:
        charge_id = shop.pay(shop.buyer(), 1500, order="hand", product="pack")
    shop.touch(charge_id, "refunded by hand")
    body = {"charge": charge_id}
    if rng.random() < 0.5:
        body["amount"] = 300
    shop.till.control("refunds", body)
    if rng.random() < 0.3:
        shop.till.control("refunds", body)


def hand_races_us(shop, rng):
    """An order is paid twice and somebody refunds the second payment within the same seconds."""
    group, buyer = shop.group(kind="same_order"), shop.buyer()
    for _ in range(2):
        shop.pay(buyer, 1500, order="by hand", group=group)
    yield rng.uniform(0, 2)
    charge_id = group.charge_ids[rng.choice((0, 1, 1))]
    shop.touch(charge_id, "refunded by hand")
    part = {"amount": 300} if rng.random() < 0.4 else {}
    shop.till.control("refunds", {"charge": charge_id} | part)


def slow_refunds(shop, rng):
    """For a while Stripe's refunds are pending first; some fail at their end, or after it."""
    life = rng.choice(_LIVES)
    shop.refund_lives.add(life)
    shop.till.control(
        "settings", {"refund_life": life, "refund_delay_seconds": rng.choice((1, 5, 600))}
    )
    yield 30 + soon(rng)
    for refund in list(shop.world.book.newest_first("refunds"))[:2]:
        if refund["status"] != "failed" and rng.random() < 0.5:
            shop.touch(refund["charge"], "refund failed")
            shop.till.control(f"refunds/{refund['id']}", {"status": "failed"})
            yield 1
    shop.till.control("settings", {"refund_life": "succeeded"})


#: Types that the sandbox never emits by itself, and the kind of object that they show.
_RARE_TYPES = {
    "customer.deleted": "customers",
    "customer.subscription.paused": "subscriptions",
    "customer.subscription.resumed": "subscriptions",
    "invoice.marked_uncollectible": "invoices",
    "invoice.payment_failed": "invoices",
    "invoice.overpaid": "invoices",
    "subscription_schedule.completed": "subscription_schedules",
    "subscription_schedule.updated": "subscription_schedules",
    "charge.pending": "charges",
}


def told_again(shop, rng):
    """Stripe tells of one payment by a second event, in the same second or a later one."""
    yield rng.choice((0, 1)) + soon(rng)
    charge_id = shop.any_charge(rng)
    if charge_id is not None:
        charge = shop.till.get(f"/v1/charges/{charge_id}")
        if charge["captured"]:
            body = {"type": "charge.succeeded", "kind": "charges", "id": charge_id}
            shop.till.control("events", body)


def rare_types(shop, rng):
    """Stripe tells of what the stand-in never does by itself: the rarer types of every family."""
    customer, _ = shop.buyer()
    made = shop.subscribe((customer, shop.card(customer)), shop.price())
    shop.till.post("/v1/subscription_schedules", {"from_subscription": made["id"]})
    yield 1 + soon(rng)
    shop.till.post(f"/v1/customers/{customer}", {"name": "Somebody"})
    # In any order: what is told last may come after the faults.
    for name, kind in rng.sample(list(_RARE_TYPES.items()), len(_RARE_TYPES)):
        newest = next(iter(shop.world.book.newest_first(kind)))["id"]
        # Whoever is deleted is nobody's customer any more, so it is no other story's.
        about = customer if kind == "customers" else newest
        shop.till.control("events", {"type": name, "kind": kind, "id": about})
        yield 1 + soon(rng)


def hand_at_a_boundary(shop, rng):
    """Somebody refunds the second payment, or a part, exactly while a process stands between two steps."""
    yield from _meanwhile(
        shop,
        rng,
        "refunded by hand",
        lambda charge_id: shop.till.control(
            "refunds", {"charge": charge_id} | rng.choice(({}, {"amount": 300}))
        ),
    )


def dispute_at_a_boundary(shop, rng):
    """The bank opens a dispute on the second payment exactly while a process stands between two steps."""
    yield from _meanwhile(
        shop,
        rng,
        "disputed",
        lambda charge_id: shop.till.control(
            "disputes", {"charge": charge_id, "status": "needs_response"}
        ),
    )


def brake_at_a_boundary(shop, rng):
    """Somebody stops all money exactly while a process stands between two steps."""
    operators = shop.world.operators
    yield from _meanwhile(shop, rng, None, lambda _charge_id: operators.brake_for(30_000))


def _meanwhile(shop, rng, touch, act):
    group, buyer = shop.group(kind="same_order"), shop.buyer()

    def elsewhere():
        if len(group.payments) > 1:
            charge_id = group.charge_ids[1]
            if touch is not None:
                shop.touch(charge_id, touch)
            with contextlib.suppress(ShopRefused):  # somebody else was first
                act(charge_id)

    for _ in range(2):
        shop.pay(buyer, 1500, order="boundary", group=group)
    shop.world.meanwhile(rng.choice(_BOUNDARIES), elsewhere)
    yield 0


def later_release(shop, rng):
    """Stripe renders an event in a release that nobody knows yet, among others that can be read."""
    group, buyer = shop.group(kind="same_order"), shop.buyer()
    for _ in range(2):
        shop.pay(buyer, 1500, order="release", group=group)
    yield soon(rng)
    book = shop.world.book
    _, event = book.events_after(book.last_event_seq() - 1)[0]
    later = {"id": f"evt_later{rng.randint(0, 10**9)}", "api_version": "2099-01-01.later"}
    book.emit(event | later)
    shop.world.courier.collect()


STORIES = (
    Story(name="refund by hand", begin=begin(refund_by_hand), weight=3),
    Story(name="hand races us", begin=begin(hand_races_us), weight=5),
    Story(name="slow refunds", begin=begin(slow_refunds), weight=3),
    Story(name="told again", begin=begin(told_again), weight=3),
    Story(name="rare types", begin=begin(rare_types), weight=3),
    Story(name="hand at a boundary", begin=begin(hand_at_a_boundary), weight=5),
    Story(name="dispute at a boundary", begin=begin(dispute_at_a_boundary), weight=5),
    Story(name="brake at a boundary", begin=begin(brake_at_a_boundary), weight=3),
    Story(name="later release", begin=begin(later_release), weight=3),
)
