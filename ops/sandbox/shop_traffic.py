"""The day's ordinary traffic: sales, renewals, declined cards, and what banks and staff do later.

Each player is a generator that yields the seconds until its next half.
"""

from collections.abc import Iterator

from ops.sandbox.shop_cast import PACKS, PLANS
from ops.sandbox.shop_orders import DECLINED_CARD, Counter
from ops.sandbox.shop_plan import DAY_SECONDS, Story

# Before a renewal the subscription began this long ago; events older than 30 days are not listed.
_LAST_PERIOD_SECONDS = 29 * DAY_SECONDS
# One in so many single purchases comes from the old app, which writes no order reference.
_WITHOUT_REFERENCE = 9


def pack(counter: Counter, story: Story) -> Iterator[int]:
    """A credit pack, nearly always with its order reference."""
    nameless = story.number % _WITHOUT_REFERENCE == 0 and story.buyer > story.number
    counter.sell_pack(story, order=None if nameless else counter.order_reference(story))
    yield 0


def plan(counter: Counter, story: Story) -> Iterator[int]:
    """A new subscription, monthly or annual as the story's plan says."""
    counter.subscribe(story.buyer, story.plan, story.currency)
    yield 0


def renewal(counter: Counter, story: Story) -> Iterator[int]:
    """A subscription of last month renews today."""
    today = counter.till.now
    counter.till.now = today - _LAST_PERIOD_SECONDS
    begun = counter.subscribe(story.buyer, story.plan, story.currency)
    counter.till.now = today
    counter.renew(begun.subscription_id)
    yield 0


def declined(counter: Counter, story: Story) -> Iterator[int]:
    """A declined card, and nobody tries again."""
    amount_minor = PACKS[story.pack].amounts_minor[story.currency]
    counter.sell(story.buyer, amount_minor, story.currency, card=DECLINED_CARD)
    yield 0


def refunded_by_hand(counter: Counter, story: Story) -> Iterator[int]:
    """Staff refunds a pack in the dashboard: every other time only a half of it."""
    sold = counter.sell_pack(story, order=counter.order_reference(story))
    yield story.gap_seconds
    part_minor = sold.amount_minor // 2 if story.number % 2 else None
    counter.refund_by_hand(sold.charge_id, part_minor)


def disputed(counter: Counter, story: Story) -> Iterator[int]:
    """A bank disputes a pack; some disputes are decided within the day."""
    sold = counter.sell_pack(story, order=counter.order_reference(story))
    yield story.gap_seconds
    dispute = counter.till.control("/sandbox/disputes", {"charge": sold.charge_id})
    yield story.gap_seconds
    if story.number % 2:
        counter.till.control(f"/sandbox/disputes/{dispute['id']}", {"status": "under_review"})


def early_warning(counter: Counter, story: Story) -> Iterator[int]:
    """A card network reports a pack's payment as probably fraudulent."""
    sold = counter.sell_pack(story, order=counter.order_reference(story))
    yield story.gap_seconds
    counter.till.control("/sandbox/early_fraud_warnings", {"charge": sold.charge_id})


def reviewed(counter: Counter, story: Story) -> Iterator[int]:
    """Radar puts a payment up for review, and staff approves it."""
    sold = counter.sell_pack(story, order=counter.order_reference(story))
    review = counter.till.control("/sandbox/reviews", {"charge": sold.charge_id})
    yield story.gap_seconds
    counter.till.post(f"/v1/reviews/{review['id']}/approve")


def plan_edit(counter: Counter, story: Story) -> Iterator[int]:
    """A subscription is moved to another price of the same interval, without proration."""
    begun = counter.subscribe(story.buyer, story.plan, story.currency)
    interval = PLANS[story.plan].interval
    peers = sorted(key for key, peer in PLANS.items() if peer.interval == interval)
    other = peers[(peers.index(story.plan) + 1) % len(peers)]
    yield story.gap_seconds
    counter.till.post(
        f"/v1/subscriptions/{begun.subscription_id}",
        {
            "items": [{"id": begun.item_id, "price": counter.price(other, story.currency)}],
            "proration_behavior": "none",
        },
    )


def cancelled(counter: Counter, story: Story) -> Iterator[int]:
    """A subscription is cancelled soon after its start: now, or for the end of its period."""
    begun = counter.subscribe(story.buyer, story.plan, story.currency)
    yield story.gap_seconds
    path = f"/v1/subscriptions/{begun.subscription_id}"
    if story.number % 2:
        counter.till.delete(path)
    else:
        counter.till.post(path, {"cancel_at_period_end": True})
