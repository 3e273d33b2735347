"""The day's look-alikes: payments that resemble duplicates and must stay.

Each player is a generator that yields the seconds until its next half; why nothing may be refunded
is in the remark of its `StoryKind`.
"""

from collections.abc import Iterator

from ops.sandbox.shop_cast import PACKS, PLANS
from ops.sandbox.shop_mistakes import INVOICE_AMOUNT_MINOR
from ops.sandbox.shop_orders import DECLINED_CARD, Counter, Paid, paid
from ops.sandbox.shop_plan import HOUR, Story

# The detector counts second subscriptions within a day; this seat was taken two hours earlier.
_SEAT_EARLIER_SECONDS = 26 * HOUR


def renewal_after_start(counter: Counter, story: Story) -> Iterator[int]:
    """A subscription starts and, its period shortened by the sandbox, renews minutes later."""
    begun = counter.subscribe(story.buyer, story.plan, story.currency)
    yield story.gap_seconds
    _stay(counter, story, begun.paid, counter.renew(begun.subscription_id))


def two_orders(counter: Counter, story: Story) -> Iterator[int]:
    """The same pack twice on purpose, each with its own order reference."""
    first = counter.sell_pack(story, order=counter.order_reference(story, "a"))
    yield story.gap_seconds
    second = counter.sell_pack(story, order=counter.order_reference(story, "b"))
    _stay(counter, story, first, second)


def two_packs_apart(counter: Counter, story: Story) -> Iterator[int]:
    """The same pack twice without order references, further apart than the window."""
    first = counter.sell_pack(story, order=None)
    yield story.gap_seconds
    _stay(counter, story, first, counter.sell_pack(story, order=None))


def card_changed(counter: Counter, story: Story) -> Iterator[int]:
    """A declined card, then a good one on the same payment intent."""
    pack = PACKS[story.pack]
    declined = counter.sell(
        story.buyer,
        pack.amounts_minor[story.currency],
        story.currency,
        card=DECLINED_CARD,
        product=pack.sku,
    )
    yield story.gap_seconds
    _stay(counter, story, paid(counter.confirm(declined, counter.guest_card(story.buyer))))


def order_retried(counter: Counter, story: Story) -> Iterator[int]:
    """A declined payment intent, then a new one for the same order."""
    pack = PACKS[story.pack]
    order = counter.order_reference(story)
    counter.sell(
        story.buyer,
        pack.amounts_minor[story.currency],
        story.currency,
        card=DECLINED_CARD,
        order=order,
        product=pack.sku,
    )
    yield story.gap_seconds
    _stay(counter, story, counter.sell_pack(story, order=order))


def captured_in_part(counter: Counter, story: Story) -> Iterator[int]:
    """A hold, of which two thirds are captured and the rest is released."""
    held = _hold(counter, story)
    yield story.gap_seconds
    _capture(counter, held, {"amount_to_capture": held.amount_minor * 2 // 3})
    _stay(counter, story, held)


def captured_twice(counter: Counter, story: Story) -> Iterator[int]:
    """A hold, captured half and half."""
    held = _hold(counter, story)
    half_minor = held.amount_minor // 2
    yield story.gap_seconds
    _capture(counter, held, {"amount_to_capture": half_minor, "final_capture": False})
    yield story.gap_seconds
    _capture(counter, held, {"amount_to_capture": held.amount_minor - half_minor})
    _stay(counter, story, held)


def paid_in_parts(counter: Counter, story: Story) -> Iterator[int]:
    """An invoice, paid half and half by two payments of the same amount."""
    invoice_id = counter.bill(story.buyer, INVOICE_AMOUNT_MINOR, story.currency)
    half_minor = INVOICE_AMOUNT_MINOR // 2
    first = counter.pay_towards(invoice_id, story.buyer, half_minor, story.currency)
    yield story.gap_seconds
    second = counter.pay_towards(invoice_id, story.buyer, half_minor, story.currency)
    _stay(counter, story, first, second)


def subscribed_again(counter: Counter, story: Story) -> Iterator[int]:
    """A subscription is cancelled, and the customer comes back to the same price."""
    first = counter.subscribe(story.buyer, story.plan, story.currency)
    yield story.gap_seconds
    counter.till.delete(f"/v1/subscriptions/{first.subscription_id}")
    yield story.gap_seconds
    second = counter.subscribe(story.buyer, story.plan, story.currency)
    _stay(counter, story, first.paid, second.paid)


def second_seat_later(counter: Counter, story: Story) -> Iterator[int]:
    """A second seat at the same price, more than a day after the first."""
    today = counter.till.now
    counter.till.now = today - _SEAT_EARLIER_SECONDS
    first = counter.subscribe(story.buyer, story.plan, story.currency).paid
    counter.till.now = today
    yield story.gap_seconds
    _stay(counter, story, first, counter.subscribe(story.buyer, story.plan, story.currency).paid)


def two_plans(counter: Counter, story: Story) -> Iterator[int]:
    """Two running subscriptions to different prices."""
    keys = sorted(PLANS)
    other = keys[(keys.index(story.plan) + 1) % len(keys)]
    first = counter.subscribe(story.buyer, story.plan, story.currency).paid
    yield story.gap_seconds
    _stay(counter, story, first, counter.subscribe(story.buyer, other, story.currency).paid)


def two_people(counter: Counter, story: Story) -> Iterator[int]:
    """Two customers buy the same pack for the same amount in the same minute."""
    first = counter.sell_pack(story, order=None)
    yield min(story.gap_seconds, 30)
    second = counter.sell_pack(story, order=None, number=story.buyer + 1)
    _stay(counter, story, first, second)


def two_currencies(counter: Counter, story: Story) -> Iterator[int]:
    """The same number of minor units, once in dollars and once in euros."""
    pack = PACKS["images-100"]
    halves: list[Paid] = []
    for currency in ("usd", "eur"):
        amount_minor = pack.amounts_minor[currency]
        halves.append(paid(counter.sell(story.buyer, amount_minor, currency, product=pack.sku)))
        yield story.gap_seconds
    _stay(counter, story, *halves)


def shared_reference(counter: Counter, story: Story) -> Iterator[int]:
    """One order reference (a shared basket), paid by two customers with a card each."""
    order = counter.order_reference(story)
    first = counter.sell_pack(story, order=order)
    yield story.gap_seconds
    second = counter.sell_pack(story, order=order, number=story.buyer + 1)
    _stay(counter, story, first, second)


def deposit_and_balance(counter: Counter, story: Story) -> Iterator[int]:
    """A third of the price now and the rest later, under one order reference."""
    pack = PACKS[story.pack]
    order = counter.order_reference(story)
    whole_minor = pack.amounts_minor[story.currency]
    deposit_minor = whole_minor // 3
    halves: list[Paid] = []
    for amount_minor in (deposit_minor, whole_minor - deposit_minor):
        intent = counter.sell(
            story.buyer, amount_minor, story.currency, order=order, product=pack.sku
        )
        halves.append(paid(intent))
        yield story.gap_seconds
    _stay(counter, story, *halves)


def two_products(counter: Counter, story: Story) -> Iterator[int]:
    """Two different packs that cost the same, minutes apart."""
    halves: list[Paid] = []
    for sku in ("images-100", "video-10"):
        amount_minor = PACKS[sku].amounts_minor[story.currency]
        halves.append(paid(counter.sell(story.buyer, amount_minor, story.currency, product=sku)))
        yield story.gap_seconds
    _stay(counter, story, *halves)


def refunded_then_bought(counter: Counter, story: Story) -> Iterator[int]:
    """A pack is given back by staff, and the customer buys it again within the window."""
    first = counter.sell_pack(story, order=None)
    yield story.gap_seconds // 2
    counter.refund_by_hand(first.charge_id)
    yield story.gap_seconds - story.gap_seconds // 2
    _stay(counter, story, counter.sell_pack(story, order=None))


def _hold(counter: Counter, story: Story) -> Paid:
    pack = PACKS[story.pack]
    intent = counter.sell(
        story.buyer,
        pack.amounts_minor[story.currency],
        story.currency,
        order=counter.order_reference(story),
        product=pack.sku,
        hold=True,
    )
    return paid(intent)


def _capture(counter: Counter, held: Paid, params: dict[str, int | bool]) -> None:
    charge = counter.till.get(f"/v1/charges/{held.charge_id}")
    counter.till.post(f"/v1/payment_intents/{charge['payment_intent']}/capture", params)


def _stay(counter: Counter, story: Story, *payments: Paid) -> None:
    counter.notes.look_alikes.extend((story, payment) for payment in payments)
