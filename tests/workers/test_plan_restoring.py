"""Changes of plan that are made at Stripe by other roads: seen, held against the table, and put right."""

import itertools

import pytest
from sqlalchemy import update

from ledger.cases import open_case
from ledger.decisions import append_decision
from ledger.plan_change_leases import lock_subscription
from ledger.refund_intents import reserve
from ledger.seen_plan_changes import seen_by_id
from ledger.seen_plan_leases import settle_seen
from ledger.seen_plan_tables import seen_plan_changes
from ledger.states import IntentState, SeenPlanState
from ledger.tables import cases, refund_intents
from policy.money import Money
from policy.plan_moves import CHARGED_LESS, TOO_EARLY
from policy.terms_file import load_terms
from policy.wrong_plan_charges import decide_wrong_charge
from runtime.queues import RESTORE_PLAN_JOB
from tests.fakes.plan_shop import PlanShop
from tests.fakes.worker_world import CrashAt, Meanwhile
from tests.policy.test_wrong_plan_charges import took
from workers import crash_points
from workers.plan_repairs import OVERDUE, SPENT, STEERED
from workers.plan_restoring import TWICE

NOW = {"billing_cycle_anchor": {"type": "now"}}
SOON = 300


@pytest.fixture
def shop(world):
    """A shop with three tiers and two intervals, on each engine in turn."""
    return PlanShop(world)


@pytest.fixture
def quick(memory):
    """The same in memory, for what the database has no part in."""
    return PlanShop(memory.world)


def change(shop, subscription, plan, *, by="dashboard", **params):
    """A change that somebody makes elsewhere, and all that follows; the id of its row."""
    shop.elsewhere(subscription, plan, by=by, **params)
    shop.settle(SOON)
    return shop.rows(seen_plan_changes)[-1].id


def only(shop):
    """The one change that was seen."""
    (row,) = shop.rows(seen_plan_changes)
    return row


def totals(shop, subscription):
    """What was billed and not taken back: (why, total, what credit notes took off), oldest first."""
    found = []
    for invoice in list(shop.sandbox.book.newest_first("invoices"))[::-1]:
        if invoice["parent"]["subscription_details"]["subscription"] != subscription:
            continue
        if invoice["status"] == "void" or invoice["total"] == 0:
            continue
        notes = [
            note["amount"]
            for note in shop.sandbox.book.newest_first("credit_notes", {"invoice": invoice["id"]})
        ]
        found.append((invoice["billing_reason"], invoice["total"], sum(notes)))
    return found


def balance(shop, subscription):
    """The customer's balance at Stripe; a credit is negative."""
    return shop.sandbox.book.get("customers", shop.shown(subscription)["customer"])["balance"]


def pending(shop, subscription):
    """The amounts of the prorations that wait for an invoice."""
    customer = shop.shown(subscription)["customer"]
    found = shop.v1.invoice_items.list({"customer": customer, "pending": True})
    return [item.amount for item in found.data]


def put_right(shop, subscription, before, after, ends):
    """The old price runs until the period's end, the new one comes then, and nothing waits or is owed."""
    assert before == shop.plan(subscription)
    assert ends == shop.period_end(subscription)
    assert [] == pending(shop, subscription)
    assert 0 == balance(shop, subscription)
    (phases,) = [found for status, found in shop.schedules(subscription) if status == "active"]
    assert [before, after] == phases
    billed = sum(total - noted for _, total, noted in totals(shop, subscription))
    entries = shop.sandbox.book.newest_first("customer_balance_transactions")
    billed += sum(entry["amount"] for entry in entries if entry["type"] == "adjustment")
    refunded = sum(refund["amount"] for refund in shop.refunds())
    charged = sum(charge["amount_captured"] for charge in shop.sandbox.book.newest_first("charges"))
    assert billed == charged - refunded


ROADS = {
    "prorations that wait": {},
    "prorations billed": {"proration_behavior": "always_invoice"},
    "no prorations": {"proration_behavior": "none"},
    "a new period": NOW,
    "a new period without prorations": NOW | {"proration_behavior": "none"},
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("by", ["dashboard", "portal", "api"])
@pytest.mark.parametrize(
    ("before", "after"), [("basic-month", "pro-month"), ("studio-month", "basic-month")]
)
def test_within_an_interval(quick, before, after, by, road):
    """Up or down, by whatever road: the price waits for the period's end, and no money stays moved."""
    subscription = quick.subscribe(before)
    ends = quick.period_end(subscription)
    change(quick, subscription, after, by=by, **ROADS[road])

    assert [(by, "restored")] == [one for one in quick.seen() if one[0] != "us"]
    put_right(quick, subscription, before, after, ends)

    quick.renew(subscription)

    assert after == quick.plan(subscription)
    assert ["applied"] == quick.states()
    assert [] == pending(quick, subscription)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    ("before", "after"), [("pro-year", "pro-month"), ("pro-month", "basic-year")]
)
def test_to_another_interval(quick, before, after, road):
    """A change that begins a new period is put back into the one that was paid."""
    subscription = quick.subscribe(before)
    ends = quick.period_end(subscription)
    change(quick, subscription, after, **ROADS[road])

    assert [("dashboard", "restored")] == [one for one in quick.seen() if one[0] != "us"]
    put_right(quick, subscription, before, after, ends)

    quick.renew(subscription)

    assert after == quick.plan(subscription)


def test_on_each_engine(shop):
    """A prorated invoice is refunded by an intent of its own, noted at Stripe, and told by the row."""
    subscription = shop.subscribe("basic-month")
    ends = shop.period_end(subscription)
    change(shop, subscription, "pro-month", proration_behavior="always_invoice")
    seen = shop.rows(seen_plan_changes)[0]

    assert ("restored", "CHANGE-UP", TOO_EARLY) == (seen.state, seen.clause, seen.note)
    put_right(shop, subscription, "basic-month", "pro-month", ends)
    intent = shop.intent()
    assert f"plan_change:{seen.event_id}" == intent.cause
    assert "succeeded" == intent.state
    assert str(intent.amount.amount_minor) in seen.money


def test_to_a_year(quick):
    """What the table wants at once stands, when it was charged in full."""
    subscription = quick.subscribe("basic-month")
    change(quick, subscription, "pro-year", proration_behavior="none")

    assert [("dashboard", "in_line")] == quick.seen()
    assert "pro-year" == quick.plan(subscription)
    assert [] == quick.states()


def test_to_a_year_for_less(quick):
    """What was charged too little is a person's: nothing is charged without the customer's word."""
    subscription = quick.subscribe("basic-month")
    change(quick, subscription, "pro-year")

    assert ("review", CHARGED_LESS) == (only(quick).state, only(quick).note)
    assert "pro-year" == quick.plan(subscription)


def test_observe_mode(quick):
    """In observe mode nothing is sent; the row says what the terms wanted and what was taken."""
    quick.change_settings(redress_mode="observe")
    subscription = quick.subscribe("basic-month")
    change(quick, subscription, "pro-month")

    row = only(quick)
    assert ("observed", "CHANGE-UP", TOO_EARLY) == (row.state, row.clause, row.note)
    assert "2 prorations that wait" == row.money
    assert "pro-month" == quick.plan(subscription)
    assert 2 == len(pending(quick, subscription))


def test_our_own_calls_start_nothing(quick):
    """The echo of a change that was asked for here, and of putting one right, is known by its key."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-year")

    assert [("us", "own")] == quick.seen()

    other = quick.subscribe("basic-month")
    quick.asked(other, "pro-month", key="k2")
    quick.renew(other)

    assert [("us", "own")] * 2 == quick.seen()


def test_flips(quick):
    """Fifty changes to and fro within a day end in one pending change and one review, not in fifty schedules."""
    subscription = quick.subscribe("basic-month")
    for flip in range(50):
        quick.elsewhere(subscription, ("pro-month", "studio-month")[flip % 2])
        quick.clock.advance(20)
        quick.step()
    quick.settle(600)

    assert 1 == len([row for row in quick.rows(seen_plan_changes) if row.state == "review"])
    assert 1 == quick.states().count("scheduled")
    assert 1 >= len([one for one in quick.schedules(subscription) if one[0] == "active"])
    assert TWICE in {row.note for row in quick.rows(seen_plan_changes)}


def test_flips_in_a_row(quick):
    """Several changes within seconds are one: from the first price to the last."""
    subscription = quick.subscribe("basic-month")
    ends = quick.period_end(subscription)
    for plan in ("pro-month", "studio-month", "pro-month"):
        quick.elsewhere(subscription, plan)
        quick.clock.advance(2)
    quick.settle(SOON)

    foreign = [state for made_by, state in quick.seen() if made_by != "us"]
    assert ["merged", "merged", "restored"] == foreign
    put_right(quick, subscription, "basic-month", "pro-month", ends)


def test_there_and_back(quick):
    """Who changes back leaves prorations behind, which are removed; nothing is scheduled."""
    subscription = quick.subscribe("basic-month")
    quick.elsewhere(subscription, "pro-month")
    quick.clock.advance(2)
    quick.elsewhere(subscription, "basic-month")
    quick.settle(SOON)

    assert [("dashboard", "merged"), ("dashboard", "restored")] == quick.seen()
    assert "basic-month" == quick.plan(subscription)
    assert [] == pending(quick, subscription)
    assert [] == quick.states()


def test_a_person_accepts(quick):
    """What a person lets stand is left alone, also while it is being put right."""
    subscription = quick.subscribe("basic-month")

    def accept():
        row = quick.rows(seen_plan_changes)[0]
        with quick.store.write() as connection:
            lock_subscription(connection, row.subscription_id)
            seen = seen_by_id(connection, row.id, lock=True)
            state = SeenPlanState.ACCEPTED.value
            settle_seen(
                connection, seen, 1, state=state, next_attempt_ms=None, fence=seen.fence + 1
            )

    quick.restart(Meanwhile(crash_points.RESTORE_LOOKED, accept))
    change(quick, subscription, "pro-month")

    assert [("dashboard", "accepted")] == quick.seen()
    assert "pro-month" == quick.plan(subscription)
    assert 2 == len(pending(quick, subscription))


def test_what_a_later_change_took(quick):
    """A change is done when its own money is back, whatever a later one took that waits for a person."""
    subscription = quick.subscribe("basic-month")
    quick.elsewhere(subscription, "pro-month", **NOW)
    quick.settle(25)
    quick.elsewhere(subscription, "studio-month", trial_end="now")
    quick.settle(SOON)

    assert ["restored", "review"] == [state for made_by, state in quick.seen() if made_by != "us"]
    assert 1 == len(quick.refunds())


def insist(quick, seen_id):
    """A person has a change put right that was left to people."""
    with quick.store.write() as connection:
        seen = seen_by_id(connection, seen_id, lock=True)
        settle_seen(
            connection,
            seen,
            quick.clock.now_ms(),
            state="waiting",
            insisted=True,
            next_attempt_ms=quick.clock.now_ms(),
            fence=seen.fence + 1,
        )
    assert "review" == seen.state


def test_a_person_insists(quick):
    """What the loop breaker left is put right when a person says so."""
    subscription = quick.subscribe("basic-month")
    ends = quick.period_end(subscription)
    change(quick, subscription, "pro-month")
    seen_id = change(quick, subscription, "studio-month")
    insist(quick, seen_id)
    quick.settle(SOON)

    put_right(quick, subscription, "basic-month", "studio-month", ends)


def test_a_schedule_of_somebody_else(quick):
    """Where somebody else's schedule steers the subscription, a person decides."""
    subscription = quick.subscribe("basic-month")
    schedule = quick.v1.subscription_schedules.create({"from_subscription": subscription}).id
    change(quick, subscription, "pro-month")

    assert ("review", STEERED.format(schedule)) == (only(quick).state, only(quick).note)
    assert "pro-month" == quick.plan(subscription)


def test_a_credit_that_was_spent(quick):
    """A credit that paid another invoice meanwhile is not asked back by a machine."""
    subscription = quick.subscribe("studio-month")
    quick.elsewhere(subscription, "basic-month", proration_behavior="always_invoice")
    customer = quick.shown(subscription)["customer"]
    quick.v1.customers.balance_transactions.create(customer, {"amount": 100, "currency": "usd"})
    quick.settle(SOON)

    row = only(quick)
    assert "review" == row.state
    assert row.note.startswith(SPENT.partition("{}")[0])


def test_an_invoice_that_was_not_paid(quick):
    """What was billed and not paid is voided."""
    subscription = quick.subscribe("basic-month")
    ends = quick.period_end(subscription)
    card = quick.card(quick.shown(subscription)["customer"], "chargeDeclined")
    quick.v1.subscriptions.update(subscription, {"default_payment_method": card})
    change(quick, subscription, "pro-month", proration_behavior="always_invoice")

    assert [("dashboard", "restored")] == [one for one in quick.seen() if one[0] != "us"]
    assert "basic-month" == quick.plan(subscription)
    assert ends == quick.period_end(subscription)
    assert [("subscription_create", 1000, 0)] == totals(quick, subscription)
    assert [] == quick.refunds()


def test_a_renewal_that_was_not_paid(quick):
    """A proration on a renewal that is not paid yet is taken off it by a credit note."""
    subscription = quick.subscribe("basic-month")
    quick.clock.advance(quick.period_end(subscription) - quick.clock.now_ms() / 1000 - 86_400)
    card = quick.card(quick.shown(subscription)["customer"], "chargeDeclined")
    quick.v1.subscriptions.update(subscription, {"default_payment_method": card})
    quick.elsewhere(subscription, "pro-month")
    quick.clock.advance(86_400)
    quick.control(f"subscriptions/{subscription}/renew", {})
    quick.settle(SOON)

    assert [("dashboard", "restored")] == quick.seen()
    (_, total, noted) = totals(quick, subscription)[-1]
    assert 2000 == total - noted
    invoice = next(iter(quick.sandbox.book.newest_first("invoices")))
    assert ("open", 2000) == (invoice["status"], invoice["amount_remaining"])


def test_a_refund_under_way(quick):
    """Where the payment is being refunded for another reason, the case waits for a person."""
    subscription = quick.subscribe("basic-month")
    quick.elsewhere(subscription, "pro-month", proration_behavior="always_invoice")
    quick.step()
    invoice = next(iter(quick.sandbox.book.newest_first("invoices")))
    charge = next(iter(quick.sandbox.book.newest_first("charges")))["id"]
    with quick.store.write() as connection:
        case = open_case(
            connection,
            kind="refund_request",
            charge_id=charge,
            kept_charge_id=None,
            customer_id=invoice["customer"],
            now_ms=1,
        )
        decision_id = append_decision(
            connection,
            case_id=case.case_id,
            event_row_id=None,
            decision=decide_wrong_charge(took(100), load_terms()),
            mode="enforce",
            now_ms=1,
        )
        reserve(
            connection,
            case_id=case.case_id,
            decision_id=decision_id,
            charge_id=charge,
            kept_charge_id=None,
            customer_id=invoice["customer"],
            cause="refund_request",
            reason="requested_by_customer",
            amount=Money(amount_minor=1, currency="usd"),
            livemode=False,
            state=IntentState.RESERVED,
            now_ms=1,
        )
        connection.execute(update(refund_intents).values(next_attempt_ms=2**50))
    quick.settle(SOON)

    assert "basic-month" == quick.plan(subscription)
    assert [] == quick.refunds()
    assert ["refund_request", f"plan_change:{quick.rows(seen_plan_changes)[0].event_id}"] == [
        row.kind for row in quick.rows(cases)
    ]


def test_on_trial(quick):
    """A change during the trial waits for the trial's end."""
    subscription = quick.subscribe("basic-month", trial_period_days=30)
    ends = quick.period_end(subscription)
    change(quick, subscription, "pro-month")

    assert [("dashboard", "restored")] == [one for one in quick.seen() if one[0] != "us"]
    put_right(quick, subscription, "basic-month", "pro-month", ends)


def test_what_was_owed_before(quick):
    """A period that began anew is put back when what was owed before is paid, and a person says so."""
    subscription = quick.subscribe("pro-month")
    card = quick.card(quick.shown(subscription)["customer"], "chargeDeclined")
    quick.v1.subscriptions.update(subscription, {"default_payment_method": card})
    quick.renew(subscription)
    ends = quick.period_end(subscription)
    owed = next(iter(quick.sandbox.book.newest_first("invoices")))["id"]
    seen_id = change(quick, subscription, "basic-year", proration_behavior="none")

    assert ("review", OVERDUE) == (only(quick).state, only(quick).note)

    quick.v1.invoices.pay(
        owed, {"payment_method": quick.card(quick.shown(subscription)["customer"])}
    )
    insist(quick, seen_id)
    quick.settle(SOON)

    put_right(quick, subscription, "pro-month", "basic-year", ends)


def test_the_brake(quick):
    """The brake keeps everything back, and loses nothing."""
    subscription = quick.subscribe("basic-month")
    ends = quick.period_end(subscription)
    quick.brake(stopped=True)
    change(quick, subscription, "pro-month", proration_behavior="always_invoice")

    assert [("dashboard", "restoring")] == quick.seen()
    assert "pro-month" == quick.plan(subscription)

    quick.release()
    quick.settle(SOON)

    put_right(quick, subscription, "basic-month", "pro-month", ends)


def test_asked_since(quick):
    """Who asked here for another plan afterwards gets that one."""
    subscription = quick.subscribe("basic-month")
    quick.elsewhere(subscription, "pro-month")
    quick.clock.advance(2)
    quick.ask(subscription, "studio-month")
    quick.settle(SOON)

    assert "basic-month" == quick.plan(subscription)
    assert ["scheduled"] == quick.states()
    assert [["basic-month", "studio-month"]] == [
        plans for status, plans in quick.schedules(subscription) if status == "active"
    ]


@pytest.mark.parametrize("road", ["prorations that wait", "prorations billed", "a new period"])
def test_crashes(memory, quick, road):
    """Whatever a worker died of, the next one looks at Stripe and ends where the first would have."""
    subscription = quick.subscribe("basic-month")
    ends = quick.period_end(subscription)
    stands = memory.save()
    for point, nth in itertools.product(crash_points.RESTORE_POINTS, (1, 2, 3)):
        memory.restore(stands)
        quick.elsewhere(subscription, "pro-month", **ROADS[road])
        quick.step()
        quick.clock.advance(30)
        crashed = quick.crash(CrashAt(point, nth), quick.step)
        quick.settle(SOON)

        assert crashed or nth > 1, point
        put_right(quick, subscription, "basic-month", "pro-month", ends)
        assert 1 >= len(quick.refunds())


@pytest.mark.parametrize("kind", ["429", "409", "503", "reset", "truncated_json"])
@pytest.mark.parametrize("path", ["/v1/subscriptions", "/v1/invoiceitems", "/v1/credit_notes"])
def test_stripe_faults(quick, kind, path):
    """A call of unknown outcome is found by looking, or made again."""
    subscription = quick.subscribe("basic-month")
    ends = quick.period_end(subscription)
    road = {} if path == "/v1/invoiceitems" else ROADS["prorations billed"]
    quick.elsewhere(subscription, "pro-month", **road)
    quick.step()
    method = "DELETE" if path == "/v1/invoiceitems" else "POST"
    quick.fault(kind, path, times=2, method=method)
    quick.settle(900)

    put_right(quick, subscription, "basic-month", "pro-month", ends)


def test_changed_again_while_it_is_put_right(quick):
    """Who changes the subscription between two calls meets no call that Stripe refuses, and then a person."""
    subscription = quick.subscribe("basic-month")

    def again():
        quick.clock.advance(1)
        quick.elsewhere(subscription, "pro-month", **NOW)

    quick.restart(Meanwhile(crash_points.RESTORE_CALLED, again))
    change(quick, subscription, "pro-month")
    log = quick.sandbox.control("GET", "/sandbox/requests", {"path_prefix": "/v1/subscriptions"})

    assert {200} == {row["status"] for row in log.json()["data"] if row["method"] == "POST"}
    assert "basic-month" == quick.plan(subscription)


def test_rung_for_too_early(quick):
    """A change is left to settle before anybody looks at it."""
    subscription = quick.subscribe("basic-month")
    quick.elsewhere(subscription, "pro-month")
    quick.step()
    quick.wakeups.wake_effect(RESTORE_PLAN_JOB, only(quick).id)
    quick.work()

    assert [("dashboard", "waiting")] == quick.seen()
    assert "pro-month" == quick.plan(subscription)
