"""Credits follow a change of plan: at once for a year, at the switch for the rest; nothing that was issued is taken."""

import pytest
from sqlalchemy import select

from ledger.credit_tables import credit_entries
from ledger.issue_tables import credit_issues
from ledger.seen_plan_changes import seen_by_id
from ledger.seen_plan_leases import settle_seen
from ledger.seen_plan_tables import seen_plan_changes
from policy.billing_periods import period_end
from tests.fakes.plan_shop import PlanShop
from tests.fakes.scripted_carrier import ScriptedCarrier, scripted
from tests.fakes.scripted_product import SECRET
from tests.workers.test_credit_issuing import replay
from tests.workers.test_product_notices import heard

#: What each plan issues a month, as its price's metadata says.
BASIC, PRO, STUDIO = 100, 200, 300
AT_ONCE, SWITCHED_MONTH, SWITCHED_YEAR = "at once", "after a month", "after a year"

#: (before, after): when the new amount begins, what was issued until then, what is issued from then on.
TABLE = {
    ("basic-month", "pro-month"): (SWITCHED_MONTH, BASIC, PRO),
    ("basic-month", "studio-month"): (SWITCHED_MONTH, BASIC, STUDIO),
    ("pro-month", "basic-month"): (SWITCHED_MONTH, PRO, BASIC),
    ("pro-month", "studio-month"): (SWITCHED_MONTH, PRO, STUDIO),
    ("studio-month", "basic-month"): (SWITCHED_MONTH, STUDIO, BASIC),
    ("studio-month", "pro-month"): (SWITCHED_MONTH, STUDIO, PRO),
    ("basic-month", "basic-year"): (AT_ONCE, BASIC, BASIC),
    ("basic-month", "pro-year"): (AT_ONCE, BASIC, PRO),
    ("basic-month", "studio-year"): (AT_ONCE, BASIC, STUDIO),
    ("pro-month", "pro-year"): (AT_ONCE, PRO, PRO),
    ("pro-month", "studio-year"): (AT_ONCE, PRO, STUDIO),
    ("studio-month", "studio-year"): (AT_ONCE, STUDIO, STUDIO),
    ("pro-month", "basic-year"): (SWITCHED_MONTH, PRO, BASIC),
    ("studio-month", "basic-year"): (SWITCHED_MONTH, STUDIO, BASIC),
    ("studio-month", "pro-year"): (SWITCHED_MONTH, STUDIO, PRO),
    ("basic-year", "basic-month"): (SWITCHED_YEAR, BASIC, BASIC),
    ("basic-year", "pro-month"): (SWITCHED_YEAR, BASIC, PRO),
    ("basic-year", "studio-month"): (SWITCHED_YEAR, BASIC, STUDIO),
    ("pro-year", "basic-month"): (SWITCHED_YEAR, PRO, BASIC),
    ("pro-year", "pro-month"): (SWITCHED_YEAR, PRO, PRO),
    ("pro-year", "studio-month"): (SWITCHED_YEAR, PRO, STUDIO),
    ("studio-year", "basic-month"): (SWITCHED_YEAR, STUDIO, BASIC),
    ("studio-year", "pro-month"): (SWITCHED_YEAR, STUDIO, PRO),
    ("studio-year", "studio-month"): (SWITCHED_YEAR, STUDIO, STUDIO),
    ("basic-year", "pro-year"): (SWITCHED_YEAR, BASIC, PRO),
    ("basic-year", "studio-year"): (SWITCHED_YEAR, BASIC, STUDIO),
    ("pro-year", "basic-year"): (SWITCHED_YEAR, PRO, BASIC),
    ("pro-year", "studio-year"): (SWITCHED_YEAR, PRO, STUDIO),
    ("studio-year", "basic-year"): (SWITCHED_YEAR, STUDIO, BASIC),
    ("studio-year", "pro-year"): (SWITCHED_YEAR, STUDIO, PRO),
}


@pytest.fixture
def quick(memory):
    """A shop with three tiers and two intervals, in memory."""
    return PlanShop(memory.world)


def issued(shop):
    """Every amount of credits that was issued, oldest first."""
    entries = select(credit_entries.c.credits).where(credit_entries.c.credits > 0)
    with shop.store.read() as connection:
        return list(connection.execute(entries.order_by(credit_entries.c.id)).scalars())


def taken(shop):
    """Credits that were taken from anybody."""
    with shop.store.read() as connection:
        query = select(credit_entries.c.credits).where(credit_entries.c.credits < 0)
        return list(connection.execute(query).scalars())


def month_later(shop, subscription):
    """A month passes: what is billed by the month renews, a year's next month falls due."""
    start = shop.clock.now_ms() // 1000
    if shop.plan(subscription).endswith("month"):
        shop.renew(subscription)
        return
    later = period_end(start, "month", 1, start)
    if later >= shop.period_end(subscription):
        shop.renew(subscription)
        return
    shop.clock.advance(later - start)
    shop.settle(30)


@pytest.mark.parametrize("pair", TABLE)
def test_pairs(quick, pair):
    """Each pair of plans: what is issued at once, until the switch, and for three months after it."""
    before, after = pair
    when, old, new = TABLE[pair]
    subscription = quick.subscribe(before)
    quick.settle(60)

    assert [old] == issued(quick)

    quick.asked(subscription, after)
    at_once = [old, new] if when == AT_ONCE else [old]

    assert at_once == issued(quick)

    months = {AT_ONCE: 0, SWITCHED_MONTH: 1, SWITCHED_YEAR: 12}[when]
    for _ in range(months):
        month_later(quick, subscription)
    until = at_once if when == AT_ONCE else [old] * months + [new]

    assert until == issued(quick)

    for _ in range(3):
        month_later(quick, subscription)

    assert until + [new] * 3 == issued(quick)
    assert [] == taken(quick)


@pytest.mark.parametrize("road", [{"proration_behavior": "always_invoice"}, {}])
def test_prorations_bring_nothing(quick, road):
    """A change that somebody made at once and that was put right issues nothing, and takes nothing."""
    subscription = quick.subscribe("basic-month")
    quick.settle(60)
    quick.elsewhere(subscription, "pro-month", **road)
    quick.settle(300)

    assert [BASIC] == issued(quick)

    quick.renew(subscription)

    assert [BASIC, PRO] == issued(quick)
    assert [] == taken(quick)


def test_a_period_that_began_anew(quick):
    """Credits that a wrongly begun period brought go back with its money; the rest stays."""
    subscription = quick.subscribe("basic-month")
    quick.settle(60)
    quick.elsewhere(subscription, "pro-month", billing_cycle_anchor={"type": "now"})
    quick.settle(300)

    assert [BASIC, PRO] == issued(quick)
    assert [-PRO] == taken(quick)

    quick.renew(subscription)

    assert [BASIC, PRO, PRO] == issued(quick)


def put_right(shop, subscription):
    """A yearly plan that somebody ended early, its rest credited, and that was put right."""
    shop.elsewhere(subscription, "basic-month")
    shop.settle(300)
    assert ["restored"] == [state for made_by, state in shop.seen() if made_by != "us"]


def test_a_year_that_was_put_right(quick):
    """What a wrong credit had bought goes without a refund, and the year's months come on as before."""
    subscription = quick.subscribe("pro-year")
    quick.settle(60)
    put_right(quick, subscription)

    assert ([PRO, BASIC], [-BASIC]) == (issued(quick), taken(quick))
    assert [] == quick.refunds()

    for _ in range(3):
        month_later(quick, subscription)

    assert [PRO, BASIC] + [PRO] * 3 == issued(quick)


def test_a_period_that_a_credit_paid_exactly(quick):
    """An invoice that comes to nothing moved no money, and what it brought goes all the same."""
    subscription = quick.subscribe("studio-month")
    quick.settle(60)
    # Of 31 days 20 2/3 are left: 3000 x 2 / 3 is credited, and pro costs 2000.
    left = 31 * 86_400 * 2 // 3
    quick.clock.advance(quick.period_end(subscription) - left - quick.clock.now_ms() / 1000)
    quick.elsewhere(subscription, "pro-month", billing_cycle_anchor={"type": "now"})
    quick.settle(300)

    assert ["restored"] == [state for made_by, state in quick.seen() if made_by != "us"]
    assert 0 == next(iter(quick.sandbox.book.newest_first("invoices")))["total"]
    assert ([STUDIO, PRO], [-PRO]) == (issued(quick), taken(quick))


def test_the_product_is_told(quick):
    """The product hears of what was taken without a refund, once, and by no case."""
    quick.world.carriers = scripted(email=ScriptedCarrier(), webhook=ScriptedCarrier())
    quick.change_settings(
        redress_product_webhook_url="https://product.example/hook",
        redress_product_webhook_secret=SECRET,
    )
    subscription = quick.subscribe("pro-year")
    quick.settle(60)
    put_right(quick, subscription)

    customer = quick.shown(subscription)["customer"]
    data = {"customer_id": customer, "case_id": None, "charge_id": None, "credits": BASIC}
    assert [data] == heard(quick, "credits.revoked")


def test_what_is_undone_stays_undone(quick):
    """An invoice that is told, or replayed, after it was undone brings nothing."""
    subscription = quick.subscribe("pro-year")
    quick.settle(60)
    quick.elsewhere(subscription, "basic-month")
    told = quick.new_events()
    late = [event for event in told if event["type"].startswith("invoice.")]
    quick.receive(*(event for event in told if event not in late))
    quick.settle(300)

    assert ["restored"] == [state for made_by, state in quick.seen() if made_by != "us"]
    assert [PRO] == issued(quick)

    quick.receive(*late)
    quick.settle(60)
    replay(quick, "invoice.paid")
    quick.settle(60)

    assert ([PRO], []) == (issued(quick), taken(quick))


def accept(shop, seen_id):
    """A person lets the change stand."""
    with shop.store.write() as connection:
        seen = seen_by_id(connection, seen_id, lock=True)
        settle_seen(
            connection, seen, 1, state="accepted", next_attempt_ms=None, fence=seen.fence + 1
        )


def test_a_year_that_ended_early(quick):
    """Where a person lets a year end early, its later months bring nothing beside the new plan's."""
    subscription = quick.subscribe("pro-year")
    quick.settle(60)
    quick.elsewhere(subscription, "basic-month", proration_behavior="none")
    quick.step()
    accept(quick, quick.rows(seen_plan_changes)[0].id)
    quick.settle(60)

    assert [PRO, BASIC] == issued(quick)

    for _ in range(3):
        month_later(quick, subscription)

    assert [PRO] + [BASIC] * 4 == issued(quick)
    assert "stopped" in [row.state for row in quick.rows(credit_issues)]


def test_a_month_that_falls_due_meanwhile(quick):
    """While a change may still be put right, a month of the year waits, and comes afterwards."""
    subscription = quick.subscribe("pro-year")
    quick.settle(60)
    quick.brake(stopped=True)
    quick.elsewhere(subscription, "basic-month", proration_behavior="none")
    quick.settle(60)
    month_later(quick, subscription)
    month_later(quick, subscription)

    assert [PRO, BASIC] == issued(quick)[:2]
    assert PRO not in issued(quick)[2:]
    assert [("issuing", 1)] == [
        (row.state, row.issued)
        for row in quick.rows(credit_issues)
        if row.ref == quick.prices["pro-year"]
    ]
