"""The day's true duplicates: how a customer comes to pay twice for the same thing.

Each player is a generator that yields the seconds until its next half; what it plays is in the
remark of its `StoryKind`.
"""

from collections.abc import Iterator

from ops.sandbox.shop_cast import PACKS
from ops.sandbox.shop_orders import Counter, Paid, paid
from ops.sandbox.shop_plan import Story

# What a custom training costs on a hand-written invoice, well below the cap of one refund.
INVOICE_AMOUNT_MINOR = 15000


def same_invoice(counter: Counter, story: Story) -> Iterator[int]:
    """An invoice is paid, and a bank transfer clerk pays it a second time by card."""
    invoice_id = counter.bill(story.buyer, INVOICE_AMOUNT_MINOR, story.currency)
    yield story.gap_seconds
    kept = counter.pay_invoice(invoice_id, story.buyer)
    yield story.gap_seconds
    again = counter.pay_towards(invoice_id, story.buyer, INVOICE_AMOUNT_MINOR, story.currency)
    _duplicate(counter, story, kept, again)


def same_order(counter: Counter, story: Story) -> Iterator[int]:
    """The checkout is submitted twice for one order."""
    order = counter.order_reference(story)
    kept = counter.sell_pack(story, order=order)
    yield story.gap_seconds
    _duplicate(counter, story, kept, counter.sell_pack(story, order=order))


def second_subscription(counter: Counter, story: Story) -> Iterator[int]:
    """Someone who has forgotten the subscription of this morning subscribes again."""
    kept = counter.subscribe(story.buyer, story.plan, story.currency).paid
    yield story.gap_seconds
    again = counter.subscribe(story.buyer, story.plan, story.currency).paid
    _duplicate(counter, story, kept, again)


def same_purchase(counter: Counter, story: Story) -> Iterator[int]:
    """A double click in an app that writes no order reference."""
    kept = counter.sell_pack(story, order=None)
    yield story.gap_seconds
    _duplicate(counter, story, kept, counter.sell_pack(story, order=None))


def same_card(counter: Counter, story: Story) -> Iterator[int]:
    """A guest without an account pays twice with one card."""
    kept = _guest_pack(counter, story)
    yield story.gap_seconds
    _duplicate(counter, story, kept, _guest_pack(counter, story))


def _guest_pack(counter: Counter, story: Story) -> Paid:
    pack = PACKS[story.pack]
    intent = counter.sell(
        None,
        pack.amounts_minor[story.currency],
        story.currency,
        card=counter.guest_card(story.buyer),
        product=pack.sku,
    )
    return paid(intent)


def _duplicate(counter: Counter, story: Story, kept: Paid, again: Paid) -> None:
    counter.notes.duplicates.append((story, kept, again))
