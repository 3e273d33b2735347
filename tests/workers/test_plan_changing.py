"""A change of plan that is asked for here ends at Stripe as the terms' table says, to the cent."""

import itertools
import json

import pytest

from ledger.asked_plan_changes import NewPlanChange, write_change
from ledger.states import PlanChangeState, PlanEffect
from runtime.queues import CHANGE_PLAN_JOB
from tests.fakes.plan_shop import PRICES, PlanShop
from tests.fakes.worker_world import NthMeanwhile
from workers import crash_points
from workers.plan_changing import PREVIEW

SCHEDULED, APPLIED = PlanChangeState.SCHEDULED, PlanChangeState.APPLIED


@pytest.fixture
def shop(world):
    """A shop with three tiers and two intervals, on each engine in turn."""
    return PlanShop(world)


@pytest.fixture
def quick(memory):
    """The same in memory, for what the database has no part in."""
    return PlanShop(memory.world)


def clause_and_effect(before, after):
    """The row of the terms' table for a change, written out anew."""
    (tier, interval, _), (new_tier, new_interval, _) = PRICES[before], PRICES[after]
    if (interval, new_interval) == ("month", "year") and new_tier >= tier:
        return "CHANGE-ANNUAL", PlanEffect.NOW
    if interval != new_interval or new_tier < tier:
        return "CHANGE-DOWN", PlanEffect.PERIOD_END
    return "CHANGE-UP", PlanEffect.PERIOD_END


@pytest.mark.parametrize("before", PRICES)
def test_every_pair(quick, before):
    """Each plan to each other one, asked for in the middle of a period: what is charged, and when."""
    every_change_from(quick, before)


def test_every_pair_on_each_engine(shop):
    """The same of one plan, on each engine."""
    every_change_from(shop, "pro-month")


def every_change_from(shop, before):
    """Ask for every other plan in turn, each by a subscriber of its own."""
    for after in PRICES:
        if after == before:
            continue
        subscription = shop.subscribe(before)
        change_id = shop.asked(subscription, after, key=f"{before} to {after}")
        change = shop.change(change_id)
        clause, effect = clause_and_effect(before, after)
        bought = ("subscription_create", PRICES[before][2])
        dear = PRICES[after][2]

        assert (clause, effect, None) == (change.clause, change.effect, change.note)
        if effect is PlanEffect.NOW:
            assert (APPLIED, after) == (change.state, shop.plan(subscription))
            assert [bought, ("subscription_update", dear)] == shop.invoices(subscription)
            assert [] == shop.schedules(subscription)
            shop.renew(subscription)
            renewed = ("subscription_cycle", dear)
            assert [bought, ("subscription_update", dear), renewed] == shop.invoices(subscription)
            continue
        assert (SCHEDULED, before) == (change.state, shop.plan(subscription))
        assert shop.period_end(subscription) == change.effective_at
        assert [bought] == shop.invoices(subscription)
        shop.renew(subscription)
        assert (APPLIED, after) == (shop.change(change_id).state, shop.plan(subscription))
        assert [bought, ("subscription_cycle", dear)] == shop.invoices(subscription)
        shop.renew(subscription)
        assert [bought, *[("subscription_cycle", dear)] * 2] == shop.invoices(subscription)
        assert [("released", [before, after])] == shop.schedules(subscription)


def test_quantity_stays(quick):
    """Three seats stay three, at once as at the period's end."""
    yearly, dearer = (quick.subscribe("basic-month", quantity=3) for _ in range(2))
    quick.asked(yearly, "basic-year", key="k1")
    quick.asked(dearer, "pro-month", key="k2")
    quick.renew(dearer)

    assert 30_000 == quick.invoices(yearly)[-1][1]
    assert 6_000 == quick.invoices(dearer)[-1][1]


def test_new_period_of_another_interval(quick):
    """A year becomes months from its own end on, counted from there."""
    subscription = quick.subscribe("pro-year")
    quick.asked(subscription, "pro-month")
    ends = quick.period_end(subscription)
    quick.renew(subscription)

    assert ends == quick.shown(subscription)["billing_cycle_anchor"]
    assert 28 * 86_400 <= quick.period_end(subscription) - ends <= 31 * 86_400


CARRIED = {
    "automatic_tax": {"enabled": True},
    "description": "Seat 7",
    "discounts": [{"coupon": "co_half"}],
    "invoice_settings": {"account_tax_ids": ["atxi_1"], "issuer": {"type": "self"}},
    "metadata": {"seat": "7"},
    "on_behalf_of": "acct_1",
    "application_fee_percent": "2.5",
    "transfer_data": {"destination": "acct_2", "amount_percent": "10"},
}


def coupon(shop, name):
    """A coupon that halves every price."""
    shop.v1.coupons.create({"id": name, "percent_off": 50, "duration": "forever"})


def tax_rate(shop):
    """The id of a tax of 19 % on top."""
    given = {"display_name": "VAT", "percentage": 19, "inclusive": False}
    return shop.v1.tax_rates.create(given).id


@pytest.mark.parametrize(
    "given",
    [CARRIED, {"collection_method": "send_invoice", "days_until_due": 14}],
    ids=["all fields", "by invoice"],
)
def test_fields_are_carried(quick, given):
    """What the subscription had before, it has while the change is pending and after the switch."""
    coupon(quick, "co_half")
    rates = {"default_tax_rates": [tax_rate(quick)]}
    subscription = quick.subscribe("basic-month", **given, **rates)
    names = (*given, *rates, "default_payment_method")
    before = {name: quick.shown(subscription)[name] for name in names}
    quick.asked(subscription, "pro-month")
    pending = {name: quick.shown(subscription)[name] for name in names}
    quick.renew(subscription)

    assert all(before.values())
    assert before == pending == {name: quick.shown(subscription)[name] for name in names}
    assert "pro-month" == quick.plan(subscription)


def test_items_fields_are_carried(quick):
    """What the item had, the item of the new price has."""
    coupon(quick, "co_item")
    item = {
        "discounts": [{"coupon": "co_item"}],
        "metadata": {"place": "window"},
        "tax_rates": [tax_rate(quick)],
    }
    items = [{"price": quick.prices["basic-month"], "quantity": 2} | item]
    subscription = quick.subscribe("basic-month", items=items)
    quick.asked(subscription, "pro-month")
    quick.renew(subscription)
    (shown,) = quick.shown(subscription)["items"]["data"]

    assert (2, ["co_item"], {"place": "window"}, item["tax_rates"]) == (
        shown["quantity"],
        shown["discounts"],
        shown["metadata"],
        [rate["id"] for rate in shown["tax_rates"]],
    )


def test_trial_is_carried(quick):
    """A dearer plan asked for on trial begins when the trial ends, and the trial stays as long."""
    subscription = quick.subscribe("basic-month", trial_period_days=14)
    trial_end = quick.shown(subscription)["trial_end"]
    quick.asked(subscription, "pro-month")

    assert trial_end == quick.shown(subscription)["trial_end"]
    quick.renew(subscription)
    assert "active" == quick.shown(subscription)["status"]
    assert [("subscription_cycle", 2000)] == quick.invoices(subscription)


def test_replaced_while_pending(shop):
    """A second request takes the place of the first, and its schedule."""
    subscription = shop.subscribe("basic-month")
    shop.asked(subscription, "pro-month", key="k1")
    shop.asked(subscription, "studio-month", key="k2")

    assert ["replaced", "scheduled"] == shop.states()
    assert [("active", ["basic-month", "studio-month"])] == shop.schedules(subscription)
    shop.renew(subscription)
    assert ["replaced", "applied"] == shop.states()
    assert 3000 == shop.invoices(subscription)[-1][1]


def test_fifty_flips(shop):
    """Fifty requests in a day leave one schedule and one pending change: the last."""
    subscription = shop.subscribe("basic-month")
    for number in range(50):
        shop.ask(subscription, ("pro-month", "studio-month")[number % 2], key=f"k{number}")
        if number % 7 == 0:
            shop.work()
    shop.settle(300)

    assert ["replaced"] * 49 + ["scheduled"] == shop.states()
    assert [("active", ["basic-month", "studio-month"])] == shop.schedules(subscription)


def test_the_year_at_once_replaces_what_was_pending(shop):
    """A yearly plan starts now; the schedule of the change before it is let go first."""
    subscription = shop.subscribe("basic-month")
    shop.asked(subscription, "pro-month", key="k1")
    shop.asked(subscription, "pro-year", key="k2")

    assert ["replaced", "applied"] == shop.states()
    assert [("released", ["basic-month", "pro-month"])] == shop.schedules(subscription)
    bought = ("subscription_create", 1000)
    assert [bought, ("subscription_update", 20_000)] == shop.invoices(subscription)


def test_back_to_the_plan_it_has(shop):
    """Asking for the plan that it has takes back what was to come."""
    subscription = shop.subscribe("basic-month")
    shop.asked(subscription, "pro-month", key="k1")
    stay = shop.asked(subscription, "basic-month", key="k2")
    shop.renew(subscription)

    assert ["replaced", "applied"] == shop.states()
    assert PlanEffect.STAY is shop.change(stay).effect
    assert [1000, 1000] == [total for _, total in shop.invoices(subscription)]


def test_back_before_anything_was_sent(quick):
    """The same while the earlier request was not looked at yet: Stripe is told nothing."""
    subscription = quick.subscribe("basic-month")
    calls = quick.calls()
    quick.ask(subscription, "pro-year", key="k1")
    quick.asked(subscription, "basic-month", key="k2")

    assert ["replaced", "applied"] == quick.states()
    assert calls == quick.calls()


def test_refused_leaves_the_earlier_one(quick):
    """What cannot be carried out takes nobody's place."""
    subscription = quick.subscribe("basic-month")
    quick.ask(subscription, "pro-month", key="k1")
    quick.asked(subscription, "price_nobody", key="k2")

    assert ["scheduled", "refused"] == quick.states()
    assert "check both ids" in quick.change(2).note


def test_after_the_switch(quick):
    """While the schedule's last phase runs, another change uses it again."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-month", key="k1")
    quick.renew(subscription)
    quick.asked(subscription, "studio-month", key="k2")
    quick.renew(subscription)
    quick.asked(subscription, "basic-month", key="k3")
    quick.renew(subscription)

    assert ["applied"] * 3 == quick.states()
    assert [1000, 2000, 3000, 1000] == [total for _, total in quick.invoices(subscription)]
    assert 1 == len(quick.schedules(subscription))


def test_switched_unseen(shop):
    """A change that took effect unseen, and was followed by another at once, is not called replaced."""
    subscription = shop.subscribe("basic-month")
    shop.asked(subscription, "pro-month", key="k1")
    shop.control(f"subscriptions/{subscription}/renew", {})
    shop.ask(subscription, "studio-month", key="k2")
    shop.run_effects()

    assert ["applied", "scheduled"] == shop.states()


def test_withdrawn(shop):
    """Taking a pending change back lets the schedule go, and the plan renews as it is."""
    subscription = shop.subscribe("basic-month")
    change = shop.asked(subscription, "pro-month")
    open_before = shop.withdraw(change)
    shop.settle(60)
    again = shop.withdraw(change)
    shop.renew(subscription)

    assert (True, False) == (open_before, again)
    assert ["withdrawn"] == shop.states()
    assert [1000, 1000] == [total for _, total in shop.invoices(subscription)]


def test_withdrawn_unsent(quick):
    """What was not looked at yet is taken back without a word to Stripe."""
    subscription = quick.subscribe("basic-month")
    calls = quick.calls()
    quick.withdraw(quick.ask(subscription, "pro-year"))
    quick.settle(60)

    assert (["withdrawn"], calls) == (quick.states(), quick.calls())


@pytest.mark.parametrize("plan", ["pro-month", "pro-year"])
def test_withdrawn_meanwhile(memory, quick, plan):
    """Taken back at any moment, a change has either taken effect or left nothing behind."""
    subscription = quick.subscribe("basic-month")
    change = quick.ask(subscription, plan)
    stands, ends = memory.save(), set()
    for point, nth in itertools.product(crash_points.PLAN_POINTS, (1, 2)):
        memory.restore(stands)
        quick.wakeups.wake_effect(CHANGE_PLAN_JOB, change)
        quick.world.restart(NthMeanwhile(point, nth, lambda: quick.withdraw(change)))
        quick.settle(120)
        (state,) = quick.states()
        ends.add(state)
        quick.renew(subscription)
        paid = [total for _, total in quick.invoices(subscription)]

        if state == "applied":
            assert [1000, 20_000, 20_000] == paid, (point, nth)
        elif state == "scheduled":
            assert (plan, nth) == ("pro-month", 2)  # a boundary that is not reached twice
        else:
            assert ("withdrawn", [1000, 1000]) == (state, paid), (point, nth)

    assert "withdrawn" in ends


def test_preview(quick):
    """A preview tells what a change would do, and neither carries it out nor takes another one's place."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "studio-month")
    before = quick.calls()
    asked = NewPlanChange(
        key="look",
        subscription_id=subscription,
        price_id=quick.prices["pro-year"],
        livemode=False,
        reason="a test",
        preview=True,
    )
    with quick.store.write() as connection:
        preview_id, _ = write_change(connection, asked, quick.clock.now_ms())
    quick.settle(120)
    shown = quick.change(preview_id)

    assert ("observed", PREVIEW, "now") == (shown.state, shown.note, shown.effect)
    assert {"amount_minor": 20_000, "currency": "usd"} == json.loads(shown.outlook)["due_now"]
    assert before == quick.calls()
    assert ["scheduled", "observed"] == quick.states()
