"""A change of plan is previewed by the terms' table, and whatever stands in its way is named."""

from dataclasses import replace

import pytest

from policy.plan_change_rules import Effect
from tests.workers.test_credit_issuing import price_of, subscribe
from workers.catalogue_book import CatalogueBook
from workers.gateway_errors import Rejected
from workers.plan_at_stripe import price_at_hand, subscription_at_hand
from workers.plan_preview import preview_plan

STARTER = {"redress_credits": "200", "redress_tier": "1"}
STUDIO = {"redress_credits": "2000", "redress_tier": "3"}


@pytest.fixture
def shop(sqlite_world):
    """A world whose prices describe themselves by their metadata."""
    return sqlite_world


def previewed(shop, subscription_id, price_id):
    """What the change of a subscription at the sandbox to a price would do."""
    gateway, catalogue = shop.context.gateway, CatalogueBook()
    return preview_plan(
        subscription_at_hand(gateway, catalogue, subscription_id),
        price_at_hand(gateway, catalogue, price_id),
    )


def period_end_of(shop, subscription_id):
    """When the paid period of a subscription ends."""
    return shop.v1.subscriptions.retrieve(subscription_id)["items"]["data"][0].current_period_end


@pytest.mark.parametrize(
    ("before", "after", "clause"),
    [(STARTER, STUDIO, "CHANGE-UP"), (STUDIO, STARTER, "CHANGE-DOWN")],
    ids=["up", "down"],
)
def test_same_interval(shop, before, after, clause):
    """Up or down within one interval waits for the period's end, and is charged then."""
    _, subscription = subscribe(shop, price_of(shop, **before), quantity=2)

    preview = previewed(shop, subscription, price_of(shop, **after))

    assert preview.refused is None
    assert (Effect.PERIOD_END, clause) == (
        preview.decision.effect,
        preview.decision.clause.clause.value,
    )
    assert period_end_of(shop, subscription) == preview.effective_at
    assert (None, 4000) == (preview.due_now, preview.due_then.amount_minor)
    assert (0, 2 * int(before["redress_credits"]), 2 * int(after["redress_credits"])) == (
        preview.credits_now,
        preview.credits_before,
        preview.credits_after,
    )


def test_monthly_to_annual(shop):
    """A yearly plan of the same tier starts now: charged in full, its first month's credits at once."""
    _, subscription = subscribe(shop, price_of(shop, **STARTER))

    preview = previewed(shop, subscription, price_of(shop, "year", **STARTER))

    assert (None, Effect.NOW, None) == (
        preview.refused,
        preview.decision.effect,
        preview.effective_at,
    )
    assert (2000, 200) == (preview.due_now.amount_minor, preview.credits_now)


def test_outside_the_catalogue(shop):
    """A price that nobody describes is a person's matter, and the preview says which question is open."""
    _, subscription = subscribe(shop, price_of(shop, **STARTER))

    preview = previewed(shop, subscription, price_of(shop))

    assert Effect.REVIEW is preview.decision.effect
    assert "not in the catalogue" in preview.refused


def test_unknown_price(shop):
    """A price that Stripe does not know is Stripe's refusal."""
    _, subscription = subscribe(shop, price_of(shop, **STARTER))

    with pytest.raises(Rejected):
        previewed(shop, subscription, "price_nobody")


OBSTACLES = {
    "over": ({"status": "canceled"}, {}, "It is over"),
    "first invoice unpaid": ({"status": "incomplete"}, {}, "first invoice is not paid"),
    "first invoice never paid": ({"status": "incomplete_expired"}, {}, "was never paid"),
    "past due": ({"status": "past_due"}, {}, "is overdue"),
    "unpaid": ({"status": "unpaid"}, {}, "are not paid"),
    "paused": ({"status": "paused"}, {}, "resume it first"),
    "cancelled for the period's end": ({"ends_at": 9}, {}, "take the cancellation back"),
    "somebody's schedule": ({"schedule_id": "sub_sched_1"}, {}, "sub_sched_1 steers it"),
    "waits for a payment": ({"pending_update": True}, {}, "waits for its payment"),
    "collection paused": ({"collection_paused": True}, {}, "resume their collection"),
    "no item": ({"items": ()}, {}, "has 0 items"),
    "measured use": ({}, {"metered": True}, "measured use"),
    "tiers": ({}, {"amount_minor": None}, "no amount of its own"),
    "the other mode": ({}, {"livemode": True}, "other mode"),
    "not sold any more": ({}, {"active": False}, "inactive"),
    "paid once": ({}, {"interval": None}, "paid once"),
}


@pytest.mark.parametrize(
    ("subscription_changes", "price_changes", "sentence"), OBSTACLES.values(), ids=OBSTACLES
)
def test_obstacle(shop, subscription_changes, price_changes, sentence):
    """Each state that a change cannot be carried out in is refused with what to do first."""
    _, subscription_id = subscribe(shop, price_of(shop, **STARTER))
    gateway, catalogue = shop.context.gateway, CatalogueBook()
    subscription = subscription_at_hand(gateway, catalogue, subscription_id)
    wanted = price_at_hand(gateway, catalogue, price_of(shop, **STUDIO))

    preview = preview_plan(
        replace(subscription, **subscription_changes), replace(wanted, **price_changes)
    )

    assert preview.decision is None
    assert sentence in preview.refused


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"status": "trialing"}, "on trial"), ({"by_invoice": True}, "invoices that are sent out")],
    ids=["trial", "by invoice"],
)
def test_obstacle_to_a_change_now(shop, changes, sentence):
    """What cannot be charged at once does not start at once; at the period's end it may."""
    _, subscription_id = subscribe(shop, price_of(shop, **STARTER))
    gateway, catalogue = shop.context.gateway, CatalogueBook()
    subscription = replace(subscription_at_hand(gateway, catalogue, subscription_id), **changes)
    yearly = price_at_hand(gateway, catalogue, price_of(shop, "year", **STARTER))
    dearer = price_at_hand(gateway, catalogue, price_of(shop, **STUDIO))

    assert sentence in preview_plan(subscription, yearly).refused
    assert preview_plan(subscription, dearer).refused is None


def test_same_price(shop):
    """The price that it has already is no change."""
    price = price_of(shop, **STARTER)
    _, subscription = subscribe(shop, price)

    assert "nothing to change" in previewed(shop, subscription, price).refused


def test_several_items(shop):
    """Of several items nobody guesses which one changes."""
    _, subscription = subscribe(shop, price_of(shop, **STARTER))
    other = {"items": [{"price": price_of(shop, **STUDIO)}], "proration_behavior": "none"}
    shop.v1.subscriptions.update(subscription, other)

    assert "has 2 items" in previewed(shop, subscription, price_of(shop, **STUDIO)).refused
