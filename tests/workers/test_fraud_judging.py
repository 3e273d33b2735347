"""Suspected fraud from event to money: warnings, scores, lists, and what goes with the money."""

import random

import pytest

from ledger.accounts import account_of
from ledger.cases import FRAUD
from ledger.fraud_tables import list_entries, suspensions
from ledger.inbox import store_events
from ledger.list_entries import ListEntry, add_entry
from ledger.notice_tables import notices
from ledger.states import (
    CaseState,
    IntentState,
    ListName,
    ListSubject,
    Standing,
    StandingCause,
)
from ledger.tables import cases, decisions
from policy.decision import Decision

IP = "203.0.113.9"


def card(world, fingerprint, kind="tok_visa", country="US"):
    """A new payment method whose card has this identity."""
    made = world.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"token": kind},
            "metadata": {"sandbox_fingerprint": fingerprint, "sandbox_country": country},
        }
    )
    return made.id


def buy(world, fingerprint="fp_own", customer=None, **metadata):
    """A pack for 20.00 USD; its charge's id."""
    return world.pay(
        customer or world.customer(),
        amount=2000,
        order=None,
        payment_method=card(world, fingerprint),
        metadata={"product_id": "images-500", **metadata},
    )


def fail(world, fingerprint, amount=100, **metadata):
    """A try to pay that the bank declines; nobody in particular makes it."""
    with pytest.raises(Exception, match="declined"):
        world.pay(
            None,
            amount=amount,
            order=None,
            payment_method=card(world, fingerprint, kind="tok_chargeDeclined"),
            metadata=metadata,
        )
    world.clock.advance(1)


def warn(world, charge, fraud_type="made_with_stolen_card"):
    world.control("early_fraud_warnings", {"charge": charge, "fraud_type": fraud_type})


def use(shop, charge, customer, count):
    """The pack's credits are used."""
    assert charge
    shop.use(customer, count)


def fraud_cases(world):
    return [row for row in world.rows(cases) if row.kind == FRAUD]


def last_decision(world):
    return Decision.from_json(world.rows(decisions)[-1].body)


def standing(world, customer):
    with world.store.read() as connection:
        return account_of(connection, customer)


def test_a_warning_gives_the_money_back(shop):
    """20.00 of which nothing is used go back at once, as fraud; credits, account and card go with them."""
    charge, customer = shop.buy()
    warn(shop, charge)

    shop.settle()

    (refund,) = shop.refunds()
    assert (charge, 2000, "fraudulent") == (refund["charge"], refund["amount"], refund["reason"])
    (case,) = fraud_cases(shop)
    assert (CaseState.REFUNDED, charge) == (case.state, case.charge_id)
    account = standing(shop, customer)
    assert (Standing.SUSPENDED, StandingCause.FLAG) == (account.standing, account.cause)
    (entry,) = shop.rows(list_entries)
    assert ("block", "card", "redress", f"case:{case.id}") == (
        entry.list,
        entry.subject,
        entry.author,
        entry.origin,
    )


def test_a_warning_without_certainty_tells_stripe_no_fraud(shop):
    """What is not certain must not train Radar: the refund has no reason."""
    charge, _ = shop.buy()
    warn(shop, charge, "misc")

    shop.settle()

    assert [None] == [refund["reason"] for refund in shop.refunds()]


def test_a_warning_that_is_dearer_than_a_dispute(shop):
    """What is used up and dear stays, and the decision says why."""
    charge, customer = shop.buy(amount=9900)
    use(shop, charge, customer, 500)
    warn(shop, charge)

    shop.settle()

    assert [] == shop.refunds()
    assert [CaseState.CLOSED] == [case.state for case in fraud_cases(shop)]
    compared = last_decision(shop).clauses[0].compared
    assert (100, 80, 1500) == (
        compared["used_percent"],
        compared["dispute_percent"],
        compared["dispute_fee_minor"],
    )
    assert Standing.ACTIVE is standing(shop, customer).standing


def test_a_warning_about_a_disputed_payment(shop):
    """A warning that comes after its dispute moves nothing."""
    charge, _ = shop.buy()
    shop.control("disputes", {"charge": charge, "status": "needs_response"})
    warn(shop, charge)

    shop.settle()

    assert [] == shop.refunds() == shop.refund_calls()


def test_observed_warnings_suspend_nobody(shop):
    """In observe mode the decision is written down, and nothing else happens."""
    shop.change_settings(redress_mode="observe")
    shop.change()
    charge, customer = shop.buy()
    warn(shop, charge)

    shop.settle()

    assert [IntentState.OBSERVED] == [intent.state for intent in shop.intents()]
    assert [] == shop.rows(list_entries) == shop.rows(suspensions) == shop.refunds()
    assert Standing.ACTIVE is standing(shop, customer).standing


def test_the_product_is_told_of_a_suspension(shop):
    """A webhook to the product says that the account is suspended, once."""
    shop.change_settings(
        redress_product_webhook_url="http://127.0.0.1:9/hook",
        redress_product_webhook_secret="whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    )
    shop.change()
    charge, customer = shop.buy()
    warn(shop, charge)
    shop.step()

    told = [row for row in shop.rows(notices) if row.event == "account.suspended"]
    assert [customer] == [row.subject_id for row in told]


def test_a_burst_of_small_failures_before_a_payment(world):
    """Stolen cards are tried out with little from one address; what then succeeds goes back."""
    for number in range(9):
        fail(world, f"fp_stolen_{number}", ip_address=IP, device_id="d-1")
    charge = buy(world, "fp_stolen_8", ip_address=IP, device_id="d-1")

    world.settle()

    assert [charge] == [refund["charge"] for refund in world.refunds()]
    compared = last_decision(world).clauses[0].compared
    assert (9, 75) == (compared["small_failures_hour"], compared["small_failures_hour_weight"])
    assert (9, 15) == (compared["cards_of_ip_day"], compared["cards_of_ip_day_weight"])


def test_an_ordinary_payment_leaves_no_row(world):
    """A decline, another card, a payment: what everybody does is no finding."""
    customer = world.customer()
    fail(world, "fp_old", amount=2000, ip_address=IP)
    buy(world, "fp_new", customer, ip_address=IP)

    world.settle()

    assert [] == world.rows(decisions) == fraud_cases(world)


def test_a_fraud_dispute_speaks_about_the_cards_other_payments(world):
    """Of three payments of a card one is disputed as fraud: the next goes back, the one before is looked at."""
    paid = [buy(world, "fp_stolen", ip_address=IP) for _ in range(3)]
    world.settle()
    world.control("disputes", {"charge": paid[1], "reason": "fraudulent"})

    world.settle()

    assert {paid[0]: CaseState.REVIEW, paid[2]: CaseState.REFUNDED} == {
        case.charge_id: case.state for case in fraud_cases(world)
    }
    assert [paid[2]] == [refund["charge"] for refund in world.refunds()]


def put_on_list(world, list_name, subject, value, expires_ms=None):
    entry = ListEntry(
        list_name=list_name,
        subject=subject,
        value=value,
        reason="a test",
        author="ada",
        expires_ms=expires_ms,
    )
    with world.store.write() as connection:
        add_entry(connection, entry, world.clock.now_ms())


def test_a_listed_card(world):
    """The next payment of a card on the block list goes back."""
    put_on_list(world, ListName.BLOCK, ListSubject.CARD, "fp_bad")
    charge = buy(world, "fp_bad")

    world.settle()

    assert [charge] == [refund["charge"] for refund in world.refunds()]


@pytest.mark.parametrize("exempt", [ListName.ALLOW, ListName.SNOOZE])
def test_an_exempted_customer(world, exempt):
    """Somebody vouches for the customer, or has him left alone: the score leads to nothing."""
    customer = world.customer()
    ends_ms = world.clock.now_ms() + 3_600_000
    put_on_list(world, exempt, ListSubject.CUSTOMER, customer, ends_ms)
    put_on_list(world, ListName.BLOCK, ListSubject.CARD, "fp_bad")
    buy(world, "fp_bad", customer)

    world.settle()

    assert [] == world.refunds() == fraud_cases(world)


def test_an_exemption_that_has_run_out(world):
    """After its expiry an entry counts no more."""
    customer = world.customer()
    ends_ms = world.clock.now_ms() + 1_000
    put_on_list(world, ListName.SNOOZE, ListSubject.CUSTOMER, customer, ends_ms)
    put_on_list(world, ListName.BLOCK, ListSubject.CARD, "fp_bad")
    world.clock.advance(2)
    charge = buy(world, "fp_bad", customer)

    world.settle()

    assert [charge] == [refund["charge"] for refund in world.refunds()]


def test_a_duplicate_that_is_warned_of_is_refunded_once(world):
    """Two causes for one payment: one refund, whichever comes first."""
    customer = world.customer()
    world.pay(customer, amount=2000)
    second = world.pay(customer, amount=2000)
    warn(world, second)

    world.settle(3_600)

    assert [second] == [refund["charge"] for refund in world.refunds()]


def scene(world):
    """Small failures, a payment that they speak against, and another of its card, as parsed events."""
    for number in range(7):
        fail(world, f"fp_{number}", ip_address=IP)
    customer = world.customer()
    buy(world, "fp_6", customer, ip_address=IP)
    second = buy(world, "fp_6", customer, ip_address=IP)
    world.control("disputes", {"charge": second, "reason": "fraudulent"})
    wanted = ("charge.succeeded", "charge.failed", "charge.dispute.created")
    return [event for event in world.new_events() if event["type"] in wanted]


def picture(world):
    """Each fraud case that stands with its refund, and each payment's last score."""
    intents = {intent.case_id: intent for intent in world.intents()}
    last = {row.case_id: row for row in world.rows(decisions)}
    suspended = {row.case_id for row in world.rows(suspensions) if row.ended_ms is None}
    return [
        (
            case.charge_id,
            case.state,
            Decision.from_json(last[case.id].body).clauses[0].compared["score"],
            case.id in intents and intents[case.id].state is not IntentState.WITHDRAWN,
        )
        for case in sorted(fraud_cases(world), key=lambda case: case.charge_id)
        if case.state != CaseState.CLOSED or case.id in suspended
    ]


def test_every_order_of_arrival_counts_the_same(memory):
    """Failures that are told of after the payment count all the same: one picture for every order."""
    world = memory.world
    told = [world.parsed(event) for event in scene(world)]
    start = memory.save()
    pictures = set()

    for seed in range(80):
        order = random.Random(seed).sample(range(len(told)), len(told))
        memory.restore(start)
        for place in order:
            with world.store.write() as connection:
                store_events(connection, [told[place]], world.clock.now_ms())
            world.drain()
        world.settle(30)
        pictures.add(str(picture(world)))

    assert 1 == len(pictures), "\n".join(pictures)
