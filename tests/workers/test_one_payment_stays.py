"""At least one payment of a group is never refunded, whatever happens in between."""

import itertools

import pytest

from ledger.states import CaseState, IntentState
from ledger.tables import cases
from tests.fakes.worker_world import Meanwhile
from workers import crash_points


def standing(world):
    """The charges at Stripe of which some money stayed with the shop."""
    paid = world.sandbox.book.newest_first("charges")
    return {
        charge["id"] for charge in paid if charge["amount_refunded"] < charge["amount_captured"]
    }


def test_of_three_payments_the_earliest_stays(world):
    """Three payments of one order lead to two refunds, and the first payment stays."""
    customer = world.customer()
    first, *_ = (world.pay(customer) for _ in range(3))

    world.settle()

    assert 2 == len(world.refunds())
    assert {first} == standing(world)


def test_the_earliest_becomes_known_while_an_answer_is_out(world):
    """A refund of unknown outcome is still made when the payment that stays turns out to be an earlier one."""
    customer = world.customer()
    first, *_ = (world.pay(customer) for _ in range(3))
    told = world.new_events()
    late = [event for event in told if event["data"]["object"]["id"] == first]
    world.receive(*(event for event in told if event not in late))
    world.drain()
    world.fault("timeout_before")
    world.run_effects()

    world.receive(*late)
    world.settle()

    assert 2 == len(world.refunds())
    assert {first} == standing(world)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_three_payments_the_earliest_stays_in_every_order(sqlite_world, order):
    """Told of in any order, with the workers running after each, the first payment stays."""
    world = sqlite_world
    customer = world.customer()
    paid = [world.pay(customer) for _ in range(3)]
    told = {
        event["data"]["object"]["id"]: event
        for event in world.new_events()
        if event["type"] == "charge.succeeded"
    }

    for place in order:
        world.receive(told[paid[place]])
        world.work()
    world.settle()

    assert 2 == len(world.refunds())
    assert {paid[0]} == standing(world)


def test_kept_payment_refunded_by_hand_between_decision_and_call(world):
    """If the payment that was to stay went back by hand, the other one does not follow it."""
    first, second = world.pay_twice()
    world.deliver()
    world.drain()
    world.control("refunds", {"charge": first})
    world.new_events()

    world.run_effects()

    assert [] == world.refund_calls()
    assert IntentState.WITHDRAWN is world.intent().state
    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]
    assert {second} == standing(world)


def test_kept_payment_refunded_by_hand_and_told_of(world):
    """The same when the event of the refund by hand arrives before the call."""
    first, second = world.pay_twice()
    world.deliver()
    world.drain()
    world.control("refunds", {"charge": first})
    world.deliver()
    world.drain()

    world.settle()

    assert [] == world.refund_calls()
    assert [IntentState.WITHDRAWN] == [intent.state for intent in world.intents()]
    assert {second} == standing(world)


@pytest.mark.parametrize("by_hand", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
@pytest.mark.parametrize("told", [True, False], ids=["told of", "only visible at Stripe"])
def test_three_payments_some_refunded_by_hand_before_the_calls(sqlite_world, by_hand, told):
    """Whichever of three payments people refund before our calls, one payment stays."""
    world = sqlite_world
    customer = world.customer()
    paid = [world.pay(customer) for _ in range(3)]
    world.deliver()
    world.drain()
    for place in by_hand:
        world.control("refunds", {"charge": paid[place]})
    if not told:
        world.new_events()

    world.settle()

    assert standing(world)
    assert len(world.refunds()) <= 2


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "point", [crash_points.EFFECT_LEASED, crash_points.EFFECT_SUBMITTED, crash_points.EFFECT_CALLED]
)
def test_three_payments_one_refunded_by_hand_during_the_calls(sqlite_world, place, point):
    """A refund by hand in the middle of a call is never doubled at the charge that it is about."""
    world = sqlite_world
    customer = world.customer()
    paid = [world.pay(customer) for _ in range(3)]
    world.deliver()
    world.drain()

    def refund_by_hand():
        world.sandbox.control("POST", "/sandbox/refunds", {"charge": paid[place]})

    world.restart(Meanwhile(point, refund_by_hand))
    world.run_effects()
    world.settle()

    for charge_id in paid:
        refunded = sum(
            refund["amount"] for refund in world.refunds() if refund["charge"] == charge_id
        )
        assert refunded <= 1000
    if (place, point) != (0, crash_points.EFFECT_SUBMITTED):
        # Between the last look and Stripe nobody can look once more: only that race is lost.
        assert place == 0 or {paid[0]} == standing(world)


def test_earlier_payment_that_is_told_of_late_stays(world):
    """A first payment whose event comes after the second's refund was sent is not refunded as well."""
    customer = world.customer()
    paid = [world.pay(customer) for _ in range(3)]
    told = {
        event["data"]["object"]["id"]: event
        for event in world.new_events()
        if event["type"] == "charge.succeeded"
    }
    world.receive(told[paid[1]], told[paid[2]])
    world.settle()
    assert [paid[2]] == [refund["charge"] for refund in world.refunds()]

    world.receive(told[paid[0]])
    world.settle()

    assert {paid[0]} == standing(world)
    assert 2 == len(world.refunds())
