"""Changes of plan that are seen, applied or put right later than they were made: days, hours, or a period after."""

import pytest

from tests.fakes.plan_shop import PlanShop
from tests.workers.test_plan_restoring import NOW, SOON, change, only, put_right, totals
from workers.plan_restoring import TOO_OLD


@pytest.fixture
def quick(memory):
    """A shop with three tiers and two intervals, in memory."""
    return PlanShop(memory.world)


def test_told_days_later(quick):
    """What is told more than three days after it was made is a person's."""
    subscription = quick.subscribe("basic-month")
    quick.elsewhere(subscription, "pro-month")
    quick.clock.advance(4 * 86_400)
    quick.settle(SOON)

    assert ("review", TOO_OLD) == (only(quick).state, only(quick).note)
    assert "pro-month" == quick.plan(subscription)


def test_the_last_second(quick):
    """A change whose period ends before anybody looked has its prorations taken off the renewal."""
    subscription = quick.subscribe("basic-month")
    quick.clock.advance(quick.period_end(subscription) - quick.clock.now_ms() / 1000 - 86_400)
    quick.elsewhere(subscription, "pro-month")
    quick.clock.advance(86_400)
    quick.control(f"subscriptions/{subscription}/renew", {})
    quick.settle(SOON)

    assert [("dashboard", "restored")] == quick.seen()
    assert "pro-month" == quick.plan(subscription)
    (_, total, noted) = totals(quick, subscription)[-1]
    assert 2000 == total - noted
    assert [total - 2000] == [refund["amount"] for refund in quick.refunds()]


def test_billed_at_once_and_seen_too_late(quick):
    """What was billed for the last hours goes back although the period is over; the price has come in time."""
    subscription = quick.subscribe("basic-month")
    quick.clock.advance(quick.period_end(subscription) - quick.clock.now_ms() / 1000 - 7_200)
    quick.elsewhere(subscription, "studio-month", proration_behavior="always_invoice")
    quick.clock.advance(7_200)
    quick.control(f"subscriptions/{subscription}/renew", {})
    quick.settle(SOON)

    assert [("dashboard", "restored")] == quick.seen()
    assert "studio-month" == quick.plan(subscription)
    # Of 31 days two hours: 3000 * 7200 // 2678400 = 8, less 1000 * 7200 / 2678400 rounded up = 3.
    assert [("subscription_create", 1000, 0), ("subscription_update", 5, 5)] == totals(
        quick, subscription
    )[:2]
    assert [5] == [refund["amount"] for refund in quick.refunds()]


def parked(quick, plan):
    """A change by somebody else's program that waits for a payment; its subscription and invoice."""
    subscription = quick.subscribe("basic-month")
    card = quick.card(quick.shown(subscription)["customer"], "chargeDeclined")
    quick.v1.subscriptions.update(subscription, {"default_payment_method": card})
    params = {"payment_behavior": "pending_if_incomplete", "proration_behavior": "always_invoice"}
    quick.elsewhere(subscription, plan, by="api", **params)
    quick.settle(60)
    return subscription, quick.shown(subscription)["latest_invoice"]


def test_a_change_that_waited_for_its_payment(quick):
    """What was billed hours before it was applied is found, and goes back."""
    subscription, invoice = parked(quick, "pro-month")
    ends = quick.period_end(subscription)

    assert [] == quick.seen()

    quick.clock.advance(20 * 3600)
    card = quick.card(quick.shown(subscription)["customer"])
    quick.v1.invoices.pay(invoice, {"payment_method": card})
    quick.v1.subscriptions.update(subscription, {"default_payment_method": card})
    quick.settle(SOON)

    assert ["restored"] == [state for made_by, state in quick.seen() if made_by != "us"]
    put_right(quick, subscription, "basic-month", "pro-month", ends)
    assert 1 == len(quick.refunds())


def test_a_change_that_was_never_paid(quick):
    """A change whose payment never came is none, and one that is asked for here waits for its end."""
    subscription, _ = parked(quick, "pro-month")
    quick.asked(subscription, "studio-month")

    assert ["refused"] == quick.states()
    assert "waits for its payment" in quick.change(1).note

    quick.clock.advance(23 * 3600)
    quick.settle(60)
    quick.asked(subscription, "studio-month", key="k2")

    assert ["refused", "scheduled"] == quick.states()
    assert [] == quick.seen()


def test_prorations_with_tax(quick):
    """The tax on a proration goes back with it, from a renewal as from an invoice of its own."""
    given = {"display_name": "VAT", "percentage": 10, "inclusive": False}
    rate = quick.v1.tax_rates.create(given).id
    subscription = quick.subscribe("basic-month", default_tax_rates=[rate])
    quick.clock.advance(quick.period_end(subscription) - quick.clock.now_ms() / 1000 - 86_400)
    quick.elsewhere(subscription, "pro-month")
    quick.clock.advance(86_400)
    quick.control(f"subscriptions/{subscription}/renew", {})
    quick.settle(SOON)

    # Of 31 days one: 2000 / 31 = 64, less 1000 / 31 rounded up = 33; of both 10 % on top, 6 and 3.
    assert [("dashboard", "restored")] == quick.seen()
    assert ("subscription_cycle", 2200 + 34, 34) == totals(quick, subscription)[-1]
    assert [34] == [refund["amount"] for refund in quick.refunds()]


@pytest.mark.parametrize("params", [{"proration_behavior": "always_invoice"}, NOW])
def test_billed_with_tax_and_discount(quick, params):
    """An invoice that a change made goes back whole, with its tax and as its discount left it."""
    coupon = quick.v1.coupons.create({"percent_off": 20, "duration": "forever"}).id
    given = {"display_name": "VAT", "percentage": 10, "inclusive": False}
    rate = quick.v1.tax_rates.create(given).id
    subscription = quick.subscribe(
        "basic-month", default_tax_rates=[rate], discounts=[{"coupon": coupon}]
    )
    ends = quick.period_end(subscription)
    change(quick, subscription, "pro-month", **params)
    (_, total, noted) = totals(quick, subscription)[-1]

    assert total == noted == quick.refunds()[0]["amount"]
    put_right(quick, subscription, "basic-month", "pro-month", ends)

    quick.renew(subscription)

    # 20.00 less 20 % is 16.00, with 10 % on top 17.60.
    assert ("subscription_cycle", 1760, 0) == totals(quick, subscription)[-1]
