"""What changed between two states of a subscription's items.

Since Stripe's API of 2025-03-31 the billing period stands on each item, so every renewal changes
the items; only a change of prices is a change of plan. Source: docs.stripe.com/changelog (basil).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy.checks import require_count, require_text


class ItemChange(StrEnum):
    """What the difference between two states means; a plan change outranks all others."""

    PLAN = "plan"  # other prices
    QUANTITY = "quantity"  # the same prices in other numbers
    RENEWAL = "renewal"  # only the billing period moved
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionItem:
    """One item of a subscription; the period is in unix seconds (UTC)."""

    item_id: str
    price_id: str
    quantity: int
    period_start: int
    period_end: int

    def __post_init__(self) -> None:
        """Refuse wrong types and empty ids."""
        require_text("item_id", self.item_id)
        require_text("price_id", self.price_id)
        for name in ("quantity", "period_start", "period_end"):
            require_count(name, getattr(self, name))


def compare_items(
    previous_items: Sequence[SubscriptionItem],
    items: Sequence[SubscriptionItem],
) -> ItemChange:
    """What happened between the two states; the order and the ids of the items do not matter."""
    before, after = _quantities(previous_items), _quantities(items)
    if before.keys() != after.keys():
        return ItemChange.PLAN
    if before != after:
        return ItemChange.QUANTITY
    return ItemChange.NOTHING if _periods(previous_items) == _periods(items) else ItemChange.RENEWAL


def _quantities(items: Sequence[SubscriptionItem]) -> Counter[str]:
    """How many of each price, over all items."""
    quantities: Counter[str] = Counter()
    for item in items:
        quantities[item.price_id] += item.quantity
    return quantities


def _periods(items: Sequence[SubscriptionItem]) -> set[tuple[str, int, int]]:
    return {(item.price_id, item.period_start, item.period_end) for item in items}
