"""Refunds after a chain of plan changes: what each invoice really took decides, to the cent.

The sandbox's fee is 2.9 % rounded half up and 0.30. A yearly plan asked about in its first month leaves eleven
unused months: eleven twelfths of what was paid for the plan, less the fee (policy § How they combine, 8 and 9).
"""

from datetime import UTC, datetime

import pytest

from ledger.refund_requests import NewRequest, judge_anew, request_by_id, write_request
from ledger.tables import decisions
from policy.decision import Decision
from policy.request_facts import Reason
from runtime.queues import JUDGE_REQUEST_JOB
from tests.fakes.plan_shop import PlanShop

DAY = 86_400


@pytest.fixture
def quick(memory):
    """A shop with three tiers and two intervals, in memory."""
    return PlanShop(memory.world)


@pytest.fixture
def shop(world):
    """The same on each engine in turn."""
    return PlanShop(world)


def newest_charge(shop):
    return next(iter(shop.sandbox.book.newest_first("charges")))["id"]


def ask_back(shop):
    """The customer asks for the money of the newest payment; the decision."""
    now_ms = shop.clock.now_ms()
    request = NewRequest(
        key="r1",
        email="buyer@shop.example",
        purchase_date=datetime.fromtimestamp(now_ms / 1000, UTC).date(),
        product="membership",
        reasons=(Reason.CHANGED_MIND,),
        asked_at=now_ms // 1000,
        charge_id=newest_charge(shop),
    )
    with shop.store.write() as connection:
        request_id, _ = write_request(connection, request, now_ms)
    shop.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
    shop.settle(120)
    return Decision.from_json(shop.rows(decisions)[-1].body)


def state(shop, **stated):
    """A person states facts, and the request is judged anew; the decision."""
    with shop.store.write() as connection:
        request = request_by_id(connection, 1, lock=True)
        judge_anew(connection, request, shop.clock.now_ms(), stated=stated)
    shop.settle(120)
    return Decision.from_json(shop.rows(decisions)[-1].body)


def refunded(shop):
    """What went back at Stripe, in cents."""
    return [refund["amount"] for refund in shop.refunds()]


def took(decision):
    """What the decision says that the invoice took."""
    told = decision.facts["request"]["took"]
    names = ("plan", "charged", "credited", "balance", "paid", "given_back")
    return {name: told[f"{name}_minor"] for name in names if told[f"{name}_minor"]}


def chain(shop, decision):
    """The invoices before, the oldest first: (why, plans, what was paid)."""
    return [
        (one["billing_reason"], [shop.names[price] for price in one["plans"]], one["paid_minor"])
        for one in decision.facts["request"]["took"]["before"]
    ][::-1]


def test_basic_to_pro_to_a_year(shop):
    """Monthly basic, monthly pro at the period's end, the year of pro at once, and a refund in the window."""
    subscription = shop.subscribe("basic-month")
    shop.asked(subscription, "pro-month")
    shop.renew(subscription)
    shop.clock.advance(5 * DAY)
    shop.asked(subscription, "pro-year", key="k2")
    shop.clock.advance(2 * DAY)
    decision = ask_back(shop)

    # The year cost 200.00, and nothing was taken off for the month of pro that was under way.
    # 200.00 x 11 / 12 = 183.33; the fee of 200.00 is 5.80 + 0.30 = 6.10; 183.33 - 6.10 = 177.23.
    assert "approve" == decision.verdict
    assert [17_723] == refunded(shop)
    assert {"plan": 20_000, "paid": 20_000} == took(decision)
    assert [
        ("subscription_create", ["basic-month"], 1000),
        ("subscription_cycle", ["pro-month"], 2000),
    ] == chain(shop, decision)
    assert "canceled" == shop.shown(subscription)["status"]


def test_a_year_that_a_balance_helped_to_pay(quick):
    """What the balance paid is not the card's, and comes on top of what the plan's price gives only up to the card's part."""
    subscription = quick.subscribe("basic-month")
    customer = quick.shown(subscription)["customer"]
    quick.v1.customers.balance_transactions.create(customer, {"amount": -3000, "currency": "usd"})
    quick.asked(subscription, "pro-year")
    decision = ask_back(quick)

    # The year cost 200.00: 30.00 from the balance, 170.00 from the card.
    # 200.00 x 11 / 12 = 183.33; the fee of 170.00 is 4.93 + 0.30 = 5.23; 178.10 are owed, 170.00 are the card's.
    assert [17_000] == refunded(quick)
    assert {"plan": 20_000, "balance": 3000, "paid": 17_000} == took(decision)


def test_a_year_after_a_year_with_a_balance(quick):
    """A yearly plan renews into another with a credit in the balance: no first purchase, so a person rules."""
    subscription = quick.subscribe("basic-year")
    quick.asked(subscription, "pro-year")
    customer = quick.shown(subscription)["customer"]
    quick.v1.customers.balance_transactions.create(customer, {"amount": -5000, "currency": "usd"})
    quick.renew(subscription)
    quick.clock.advance(3 * DAY)
    decision = ask_back(quick)

    assert "review" == decision.verdict
    assert {"plan": 20_000, "balance": 5000, "paid": 15_000} == took(decision)
    assert [("subscription_create", ["basic-year"], 10_000)] == chain(quick, decision)

    ruled = state(quick, ruled_renewal=True)

    # 200.00 x 11 / 12 = 183.33; the fee of 150.00 is 4.35 + 0.30 = 4.65; 178.68 are owed, 150.00 are the card's.
    assert "approve" == ruled.verdict
    assert [15_000] == refunded(quick)


def test_a_credit_note_before(quick):
    """What a credit note gave to the balance went back: it is not given twice."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-year")
    invoice = quick.shown(subscription)["latest_invoice"]
    quick.v1.credit_notes.create({"invoice": invoice, "amount": 4000, "credit_amount": 4000})
    decision = ask_back(quick)

    # 183.33 - 6.10 = 177.23, of which 40.00 are in the balance already: 137.23.
    assert [13_723] == refunded(quick)
    assert {"plan": 20_000, "paid": 20_000, "given_back": 4000} == took(decision)


def test_a_credit_note_that_was_a_refund(quick):
    """A credit note over a refund counts once."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-year")
    invoice = quick.shown(subscription)["latest_invoice"]
    quick.v1.credit_notes.create({"invoice": invoice, "amount": 4000, "refund_amount": 4000})
    ask_back(quick)

    assert [4000, 13_723] == refunded(quick)


def test_everything_was_given_back(quick):
    """Where nothing is left, nothing goes back, and the sum is never below nothing."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-year")
    invoice = quick.shown(subscription)["latest_invoice"]
    quick.v1.credit_notes.create({"invoice": invoice, "amount": 20_000, "credit_amount": 20_000})
    decision = ask_back(quick)

    assert "deny" == decision.verdict
    assert [] == refunded(quick)


def test_prorations_on_the_invoice(quick):
    """A credit for another plan on the invoice lowers what was paid, not what the plan cost."""
    subscription = quick.subscribe("basic-month")
    quick.change_settings(redress_mode="observe")
    quick.elsewhere(subscription, "pro-year")  # 20 of 31 days of basic are taken off
    quick.settle(120)
    quick.change_settings(redress_mode="enforce")
    decision = ask_back(quick)
    unused = took(decision)["credited"]

    assert 0 < unused < 1000
    assert {"plan": 20_000, "credited": unused, "paid": 20_000 - unused} == took(decision)
    # 183.33 less the fee of what the card paid.
    fee = ((20_000 - unused) * 29 + 500) // 1000 + 30
    assert [18_333 - fee] == refunded(quick)


def discount(shop, percent):
    """A subscription's fields for a coupon that lasts."""
    coupon = shop.v1.coupons.create({"percent_off": percent, "duration": "forever"}).id
    return {"discounts": [{"coupon": coupon}]}


def tax(shop, percent, *, inclusive=False):
    """A subscription's fields for a tax on top of its prices, or in them."""
    given = {"display_name": "VAT", "percentage": percent, "inclusive": inclusive}
    return {"default_tax_rates": [shop.v1.tax_rates.create(given).id]}


def test_a_discount(quick):
    """What a coupon took off was never paid, also after a change of plan that carried it over."""
    subscription = quick.subscribe("basic-month", **discount(quick, 25))
    quick.asked(subscription, "pro-year")
    decision = ask_back(quick)

    # 200.00 less 25 % is 150.00; 150.00 x 11 / 12 = 137.50; the fee is 4.35 + 0.30 = 4.65; 132.85.
    assert [13_285] == refunded(quick)
    assert {"plan": 15_000, "paid": 15_000} == took(decision)


def test_a_tax_on_top(quick):
    """A tax that was charged on top was paid for the plan, and goes back with it."""
    subscription = quick.subscribe("basic-month", **tax(quick, 19))
    quick.asked(subscription, "pro-year")
    decision = ask_back(quick)

    # 200.00 and 19 % are 238.00; 238.00 x 11 / 12 = 218.16 (rounded down); the fee is 6.90 + 0.30 = 7.20; 210.96.
    assert [21_096] == refunded(quick)
    assert {"plan": 23_800, "paid": 23_800} == took(decision)


def test_a_tax_in_the_price(quick):
    """A tax that is in the price changes nothing."""
    subscription = quick.subscribe("basic-month", **tax(quick, 19, inclusive=True))
    quick.asked(subscription, "pro-year")
    decision = ask_back(quick)

    assert [17_723] == refunded(quick)
    assert {"plan": 20_000, "paid": 20_000} == took(decision)


def test_discount_tax_balance_and_prorations(quick):
    """All of them on one invoice: each is where it belongs."""
    given = discount(quick, 50) | tax(quick, 10)
    subscription = quick.subscribe("basic-month", **given)
    customer = quick.shown(subscription)["customer"]
    quick.v1.customers.balance_transactions.create(customer, {"amount": -1000, "currency": "usd"})
    quick.change_settings(redress_mode="observe")
    quick.elsewhere(subscription, "pro-year")
    quick.settle(120)
    quick.change_settings(redress_mode="enforce")
    decision = ask_back(quick)
    unused = took(decision)["credited"]

    # 200.00 less 50 % and with 10 % are 110.00. Of basic's 5.00 some two thirds are taken off, with 10 % of that,
    # and 10.00 come from the balance.
    assert 330 < unused < 385
    paid = 11_000 - unused - 1000
    assert {"plan": 11_000, "credited": unused, "balance": 1000, "paid": paid} == took(decision)
    # 110.00 x 11 / 12 = 100.83, less the fee of what the card paid; never more than that.
    fee = (paid * 29 + 500) // 1000 + 30
    assert [min(paid, 10_083 - fee)] == refunded(quick)


def test_a_month_after_changes(quick):
    """A month goes back whole, less the fee, whatever plan was there before."""
    subscription = quick.subscribe("studio-month")
    quick.asked(subscription, "basic-month")
    quick.renew(subscription)
    quick.clock.advance(DAY)
    decision = ask_back(quick)

    # 10.00 - (0.29 + 0.30) = 9.41.
    assert [941] == refunded(quick)
    assert [("subscription_create", ["studio-month"], 3000)] == chain(quick, decision)
