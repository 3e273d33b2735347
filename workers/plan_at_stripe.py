"""A subscription and a price as Stripe shows them, as far as a change of plan hangs on them.

Source: docs.stripe.com/api/subscriptions, /prices (2026-10-28.endive). Times are unix seconds (UTC),
amounts minor units.
"""

from dataclasses import dataclass

from policy.catalogue import Offer
from policy.plan_change_rules import PlanSide
from workers.billing_objects import interval_of, offer_metadata
from workers.catalogue_book import CatalogueBook
from workers.gateway import Gateway
from workers.rendered_fields import RenderedFields


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAtHand:
    """One price; `offer` is what the catalogue says of it, `amount_minor` None for tiers and metered use."""

    price_id: str
    currency: str
    amount_minor: int | None
    interval: str | None  # "month", "year", "3 month"; None: paid once
    active: bool
    metered: bool
    livemode: bool
    offer: Offer | None

    def side(self, quantity: int) -> PlanSide:
        """The policy's view of a subscription to this price."""
        return PlanSide(
            plan=None if self.offer is None else self.offer.plan,
            tier=None if self.offer is None else self.offer.tier,
            price_minor=self.amount_minor or 0,
            currency=self.currency,
            quantity=quantity,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAtHand:
    """One item of a subscription and its paid period."""

    item_id: str
    price: PriceAtHand
    quantity: int
    period_start: int
    period_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionAtHand:
    """One subscription. `ends_at` is when it was told to end, `schedule_id` the schedule that steers it."""

    subscription_id: str
    customer_id: str | None
    status: str
    livemode: bool
    items: tuple[ItemAtHand, ...]
    ends_at: int | None
    trial_end: int | None
    schedule_id: str | None
    pending_update: bool
    collection_paused: bool
    by_invoice: bool


def subscription_at_hand(
    gateway: Gateway, catalogue: CatalogueBook, subscription_id: str
) -> SubscriptionAtHand:
    """The subscription as Stripe shows it now. Raises GatewayError and UnreadableRendering."""
    shown = RenderedFields(gateway.stripe_object("subscription", subscription_id), "subscription")
    items = tuple(_item(part, catalogue) for part in shown.part("items").parts("data"))
    last = max((item.period_end for item in items), default=0)
    told_to_end = shown.whole_or_none("cancel_at")
    if told_to_end is None and shown.flag("cancel_at_period_end"):
        told_to_end = last
    return SubscriptionAtHand(
        subscription_id=shown.text("id"),
        customer_id=shown.reference("customer"),
        status=shown.text("status"),
        livemode=shown.flag("livemode"),
        items=items,
        ends_at=told_to_end,
        trial_end=shown.whole_or_none("trial_end"),
        schedule_id=shown.reference("schedule"),
        pending_update="pending_update" in shown,
        collection_paused="pause_collection" in shown,
        by_invoice=shown.text_or_none("collection_method") == "send_invoice",
    )


def price_at_hand(gateway: Gateway, catalogue: CatalogueBook, price_id: str) -> PriceAtHand:
    """The price as Stripe shows it now. Raises GatewayError and UnreadableRendering."""
    return _price(RenderedFields(gateway.stripe_object("price", price_id), "price"), catalogue)


def _item(item: RenderedFields, catalogue: CatalogueBook) -> ItemAtHand:
    return ItemAtHand(
        item_id=item.text("id"),
        price=_price(item.part("price"), catalogue),
        quantity=item.amount_or("quantity", 1),
        period_start=item.whole("current_period_start"),
        period_end=item.whole("current_period_end"),
    )


def _price(price: RenderedFields, catalogue: CatalogueBook) -> PriceAtHand:
    price_id, interval = price.text("id"), interval_of(price)
    return PriceAtHand(
        price_id=price_id,
        currency=price.currency("currency"),
        amount_minor=price.whole_or_none("unit_amount"),
        interval=interval,
        active=price.flag("active"),
        metered=price.part("recurring").text_or_none("usage_type") == "metered",
        livemode=price.flag("livemode"),
        offer=catalogue.of_price(price_id, interval, offer_metadata(price)),
    )
