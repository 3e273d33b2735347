"""Reads from `customer.subscription.updated` what happened to the subscription's items."""

from policy.plan_changes import ItemChange, SubscriptionItem, compare_items
from workers.rendered_fields import RenderedFields


def seen_change(previous: RenderedFields, subscription: RenderedFields) -> ItemChange:
    """What changed between `previous_attributes` and the subscription itself.

    Since Stripe's basil release every renewal moves `items`, because the period stands on each item;
    only other price ids are a change of plan (docs.stripe.com/changelog, 2025-03-31).
    """
    if "items" not in previous:
        return ItemChange.NOTHING
    before = items_of(previous)
    return compare_items(before, items_of(subscription)) if before else ItemChange.NOTHING


def items_of(fields: RenderedFields) -> list[SubscriptionItem]:
    """The items that a subscription, or the `previous_attributes` of one, shows."""
    return [
        SubscriptionItem(
            item_id=item.text("id"),
            price_id=item.reference("price") or "none",
            quantity=item.amount_or("quantity", 1),
            period_start=item.amount_or("current_period_start", 0),
            period_end=item.amount_or("current_period_end", 0),
        )
        for item in fields.part("items").parts("data")
    ]
