"""Every pair of plans, by every road, at every moment: what the subscription, the invoices, the money and the credits end as.

Asserted on the books of the sandbox, against a table; all amounts are minor units. A unit of a customer's favour that rounding
leaves in the last second is a person's, like all that was charged too little: nothing is ever charged.
"""

from itertools import permutations

import pytest
from sqlalchemy import func, select

from ledger.credit_tables import credit_entries
from ledger.seen_plan_tables import seen_plan_changes
from policy.plan_moves import CHARGED_LESS
from tests.fakes.plan_shop import PRICES, PlanShop
from workers.plan_repairs import CREDITED_ON_RENEWAL, OVERDUE, PERIOD_OVER, SPENT

DAY = 86_400
SOON = 300

#: How the change is made: by whom and with which parameters of Stripe's; None is asked for here.
ROADS = {
    "asked here": None,
    "portal": ("portal", {"proration_behavior": "always_invoice"}),
    "dashboard with prorations": ("dashboard", {}),
    "dashboard without": ("dashboard", {"proration_behavior": "none"}),
    "api, a new period": ("api", {"billing_cycle_anchor": {"type": "now"}}),
}
#: Stripe begins no new period within a trial; a program that wants one ends the trial.
END_TRIAL = ("api", {"trial_end": "now"})

#: (moment, road): what becomes of a change that the table wants at the period's end, within an interval and to another
#: one, and of one that it wants at once.
TABLE = {
    ("mid-period", "asked here"): ("scheduled", "scheduled", "applied"),
    ("mid-period", "portal"): ("restored", "restored", "charged less"),
    ("mid-period", "dashboard with prorations"): ("restored", "restored", "charged less"),
    ("mid-period", "dashboard without"): ("restored", "restored", "in line"),
    ("mid-period", "api, a new period"): ("restored", "restored", "charged less"),
    ("first second", "asked here"): ("scheduled", "scheduled", "applied"),
    ("first second", "portal"): ("restored", "restored", "charged less"),
    ("first second", "dashboard with prorations"): ("restored", "restored", "charged less"),
    ("first second", "dashboard without"): ("restored", "restored", "in line"),
    ("first second", "api, a new period"): ("restored", "restored", "charged less"),
    ("last second", "asked here"): ("switched", "switched", "applied"),
    ("last second", "portal"): ("credit spent", "period over", "charged less"),
    ("last second", "dashboard with prorations"): ("credited", "period over", "charged less"),
    ("last second", "dashboard without"): ("in time", "period over", "in line"),
    ("last second", "api, a new period"): ("period over", "period over", "charged less"),
    ("trial", "asked here"): ("scheduled", "scheduled", "refused"),
    ("trial", "portal"): ("restored", "restored", "in line"),
    ("trial", "dashboard with prorations"): ("restored", "restored", "in line"),
    ("trial", "dashboard without"): ("restored", "restored", "in line"),
    ("trial", "api, a new period"): ("restored", "restored", "in line"),
    ("past due", "asked here"): ("refused", "refused", "refused"),
    ("past due", "portal"): ("put back", "overdue", "charged less"),
    ("past due", "dashboard with prorations"): ("put back", "overdue", "charged less"),
    ("past due", "dashboard without"): ("put back", "overdue", "in line"),
    ("past due", "api, a new period"): ("overdue", "overdue", "charged less"),
}
MOMENTS = tuple(dict.fromkeys(moment for moment, _ in TABLE))


@pytest.fixture
def quick(memory):
    """A shop with three tiers and two intervals, in memory."""
    return PlanShop(memory.world)


class Subscriber:
    """One subscriber whose plan is changed from `before` to `after` at a moment; prices and credits of both."""

    def __init__(self, shop, before, after, moment):
        self.shop, self.moment = shop, moment
        self.before, self.after = before, after
        (tier, interval, self.old_price), (new_tier, new_interval, self.new_price) = (
            PRICES[before],
            PRICES[after],
        )
        self.old_credits, self.new_credits = 100 * tier, 100 * new_tier
        #: How many months of credits a whole period brings.
        self.months = 12 if interval == "year" else 1
        if (interval, new_interval) == ("month", "year") and new_tier >= tier:
            self.column = 2
        else:
            self.column = 0 if interval == new_interval else 1
        trial = {"trial_period_days": 30} if moment == "trial" else {}
        self.id = shop.subscribe(before, **trial)
        shop.settle(60)
        self._wait_for_moment()
        self.ends = shop.period_end(self.id)

    def _wait_for_moment(self):
        shop = self.shop
        if self.moment == "first second":
            shop.renew(self.id)
            self.months_come()
            shop.clock.advance(1)
        elif self.moment == "last second":
            shop.clock.advance(shop.period_end(self.id) - shop.clock.now_ms() / 1000 - 1)
            self.months_come()
        elif self.moment == "past due":
            card = shop.card(shop.shown(self.id)["customer"], "chargeDeclined")
            shop.v1.subscriptions.update(self.id, {"default_payment_method": card})
            shop.renew(self.id)
            self.months_come()
            shop.clock.advance(5 * DAY)

    def change(self, road):
        """Change the plan by a road, and let everything follow; in the last second the period ends meanwhile."""
        shop, how = self.shop, ROADS[road]
        if self.moment == "trial" and road == "api, a new period":
            moved = {"by": "api", "items": []} | how[1]
            refused = shop.sandbox.control(
                "POST", f"/sandbox/subscriptions/{self.id}/change", moved
            )
            assert 400 == refused.status
            how = END_TRIAL
        #: What a proration of the whole rest comes to, rounded in the customer's favour.
        (item,) = shop.shown(self.id)["items"]["data"]
        starts, now = item["current_period_start"], shop.clock.now_ms() // 1000
        self.unused = -(-self.old_price * (self.ends - now) // (self.ends - starts))
        if how is None:
            shop.ask(self.id, self.after)
            shop.step()
        else:
            shop.elsewhere(self.id, self.after, by=how[0], **how[1])
        if self.moment == "last second" and shop.period_end(self.id) == self.ends:
            shop.clock.advance(1)
            shop.control(f"subscriptions/{self.id}/renew", {})
        shop.settle(SOON)

    # --- the books ---

    @property
    def paid(self):
        """What left the customer's cards, less what came back."""
        book = self.shop.sandbox.book
        captured = sum(charge["amount_captured"] for charge in book.newest_first("charges"))
        return captured - sum(refund["amount"] for refund in self.shop.refunds())

    @property
    def open(self):
        """What is asked for and not paid, oldest first."""
        invoices = list(self.shop.sandbox.book.newest_first("invoices"))[::-1]
        return [one["amount_remaining"] for one in invoices if one["status"] == "open"]

    @property
    def balance(self):
        """The customer's balance; a credit is negative."""
        return self.shop.sandbox.book.get("customers", self.shop.shown(self.id)["customer"])[
            "balance"
        ]

    @property
    def pending(self):
        """The amounts of the prorations that wait for an invoice."""
        items = self.shop.sandbox.book.newest_first("invoiceitems")
        return [item["amount"] for item in items if item["invoice"] is None]

    @property
    def credits(self):
        """The credits that were issued and not taken again."""
        with self.shop.store.read() as connection:
            return connection.execute(select(func.sum(credit_entries.c.credits))).scalar() or 0

    @property
    def seen(self):
        """The one change that was seen, if it was made elsewhere."""
        (row,) = [row for row in self.shop.rows(seen_plan_changes) if row.made_by != "us"]
        return row

    @property
    def periods_paid(self):
        """How many periods of the old plan were paid before the change."""
        return {"first second": 2, "trial": 0}.get(self.moment, 1)

    @property
    def standing(self):
        """What each invoice comes to that is not void, less its credit notes, oldest first."""
        book, found = self.shop.sandbox.book, []
        for invoice in list(book.newest_first("invoices"))[::-1]:
            notes = book.newest_first("credit_notes", {"invoice": invoice["id"]})
            if invoice["status"] != "void":
                found.append(invoice["total"] - sum(note["amount"] for note in notes))
        return found

    @property
    def old_months(self):
        """How many months of credits the old plan has brought when it is changed."""
        if self.moment == "trial":
            return 0
        begun = {"mid-period": 1, "first second": self.months + 1}
        return begun.get(self.moment, self.months)

    def months_come(self):
        """Every month of a year that has begun brings its credits; each takes a sweep."""
        for _ in range(12):
            self.shop.step()


def stands_at(subscriber, plan, *, paid, credits_held, owed=()):
    """The plan, the money and the credits are these, and no part of a period is charged or credited."""
    assert plan == subscriber.shop.plan(subscriber.id)
    assert (paid, list(owed)) == (subscriber.paid, subscriber.open)
    assert credits_held == subscriber.credits
    assert ([], 0) == (subscriber.pending, subscriber.balance)
    asked = {total for total in subscriber.standing if total > 0}
    assert asked <= {subscriber.old_price, subscriber.new_price}


def scheduled(one, _road):
    """Nothing happens until the period's end; then the new price is charged, and the new credits come."""
    held = one.old_credits * one.old_months
    stands_at(one, one.before, paid=one.old_price * one.periods_paid, credits_held=held)
    assert ["scheduled"] == one.shop.states()
    at_the_switch(one, one.periods_paid)


def switched(one, _road):
    """The period's end has come: the next one is at the new price."""
    held = one.old_credits * one.old_months + one.new_credits
    stands_at(one, one.after, paid=one.old_price + one.new_price, credits_held=held)
    assert ["applied"] == one.shop.states()


def at_the_switch(one, periods):
    """The period ends: the new plan begins and is paid in full, after each month of the old one."""
    one.shop.renew(one.id)
    one.months_come()
    old = one.old_credits * one.months * periods
    paid = one.old_price * periods + one.new_price
    stands_at(one, one.after, paid=paid, credits_held=old + one.new_credits)
    assert ["applied"] == one.shop.states()


def restored(one, _road):
    """The old price runs until the end of the period that was paid, which is where it was; the rest is the wish."""
    held = one.old_credits * one.old_months
    stands_at(one, one.before, paid=one.old_price * one.periods_paid, credits_held=held)
    assert ("restored", one.ends) == (one.seen.state, one.shop.period_end(one.id))
    assert ["scheduled"] == one.shop.states()
    at_the_switch(one, one.periods_paid)


def put_back(one, _road):
    """The old price, and what is owed for it; the wish is refused until that is paid."""
    held, paid = one.old_credits * one.old_months, one.old_price
    stands_at(one, one.before, paid=paid, credits_held=held, owed=[one.old_price])
    assert ("restored", one.ends) == (one.seen.state, one.shop.period_end(one.id))
    assert ["refused"] == one.shop.states()


def refused(one, _road):
    """Nothing changes; the sentence says why."""
    owed = [one.old_price] if one.moment == "past due" else []
    held, paid = one.old_credits * one.old_months, one.old_price * one.periods_paid
    stands_at(one, one.before, paid=paid, credits_held=held, owed=owed)
    assert ["refused"] == one.shop.states()


def now(one, _road):
    """The new price is charged in full at once, beside what was paid."""
    held = one.old_credits * one.old_months + one.new_credits
    paid = one.old_price * one.periods_paid + one.new_price
    stands_at(one, one.after, paid=paid, credits_held=held)
    assert ["applied"] == one.shop.states()


def in_line(one, road):
    """The same, made elsewhere; within a trial that lasts it is charged when that ends."""
    prior, held = one.old_price * one.periods_paid, one.old_credits * one.old_months
    if one.moment == "past due":
        owed = [one.old_price, one.new_price]
        stands_at(one, one.after, paid=prior, credits_held=held, owed=owed)
    else:
        if one.moment == "trial" and road.startswith("dashboard"):
            stands_at(one, one.after, paid=prior, credits_held=held)
            one.shop.renew(one.id)
        paid, credits_held = prior + one.new_price, held + one.new_credits
        stands_at(one, one.after, paid=paid, credits_held=credits_held)
    assert ("in_line", []) == (one.seen.state, one.shop.states())


def left_to_a_person(one, note, *, paid, owed=(), credits_held):
    """A person finds what was taken in the row; nothing is charged and nothing else is moved."""
    assert ("review", one.after) == (one.seen.state, one.shop.plan(one.id))
    assert note == one.seen.note
    assert (paid, list(owed)) == (one.paid, one.open)
    assert credits_held == one.credits
    assert ([], []) == (one.pending, one.shop.states())
    assert 0 == sum(refund["amount"] for refund in one.shop.refunds())


def charged_less(one, _road):
    """The year was charged less the unused time, which the terms do not take off."""
    charged, prior = one.new_price - one.unused, one.old_price * one.periods_paid
    held = one.old_credits * one.old_months
    owes = one.moment == "past due"
    left_to_a_person(
        one,
        CHARGED_LESS,
        paid=prior + (0 if owes else charged),
        owed=[one.old_price, charged] if owes else [],
        credits_held=held + (0 if owes else one.new_credits),
    )
    assert f"{charged} usd" in one.seen.money


def overdue(one, road):
    """What was owed before would look paid in a trial: a person has it paid first."""
    unused = 0 if road == "dashboard without" else one.unused
    charged = one.new_price - unused
    held = one.old_credits * one.old_months
    left_to_a_person(
        one,
        OVERDUE,
        paid=one.old_price,
        owed=[one.old_price, *([charged] if charged > 0 else [])],
        credits_held=held + (0 if charged > 0 else one.new_credits),
    )
    assert f"{charged} usd" in one.seen.money


def last_second(one, note, *, short):
    """The next period was bought at the new price, by a unit less where a second was credited."""
    paid = one.old_price + one.new_price - short
    held = one.old_credits * one.old_months + one.new_credits
    left_to_a_person(one, note, paid=paid, credits_held=held)


def credited(one, _road):
    """The credit of a second, a unit by rounding, is on the renewal."""
    (renewal,) = [
        invoice["id"]
        for invoice in one.shop.sandbox.book.newest_first("invoices")
        if invoice["billing_reason"] == "subscription_cycle"
    ]
    last_second(one, CREDITED_ON_RENEWAL.format(renewal, 1), short=1)


def credit_spent(one, _road):
    """The same credit lay in the balance, and the renewal has used it."""
    (billed,) = [
        invoice["id"]
        for invoice in one.shop.sandbox.book.newest_first("invoices")
        if invoice["billing_reason"] == "subscription_update"
    ]
    last_second(one, SPENT.format(1, billed), short=1)


def period_over(one, road):
    """A period that began a second early is the one that the customer is in."""
    last_second(one, PERIOD_OVER, short=0 if road == "dashboard without" else 1)


def in_time(one, _road):
    """The new price came with the next period, and in full: nothing is left to put right."""
    held = one.old_credits * one.old_months + one.new_credits
    stands_at(one, one.after, paid=one.old_price + one.new_price, credits_held=held)
    assert ("restored", []) == (one.seen.state, one.shop.states())


OUTCOMES = {
    "applied": now,
    "charged less": charged_less,
    "credit spent": credit_spent,
    "credited": credited,
    "in line": in_line,
    "in time": in_time,
    "overdue": overdue,
    "period over": period_over,
    "put back": put_back,
    "refused": refused,
    "restored": restored,
    "scheduled": scheduled,
    "switched": switched,
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("pair", list(permutations(PRICES, 2)), ids=" to ".join)
def test_matrix(memory, quick, pair, moment):
    """One pair of plans at one moment, by every road."""
    stands = memory.save()
    for road in ROADS:
        memory.restore(stands)
        subscriber = Subscriber(quick, *pair, moment)
        subscriber.change(road)
        OUTCOMES[TABLE[moment, road][subscriber.column]](subscriber, road)
