"""Disputes before, during and after the decision and the call (F11, I5): no refund beside a dispute."""

import pytest

from ledger.cases import DUPLICATE_CHARGE
from ledger.states import CaseState, IntentState
from ledger.tables import cases
from tests.fakes.worker_world import Meanwhile
from workers import crash_points

NEVER_SENT = [IntentState.WITHDRAWN]


def dispute(world, charge_id, status="needs_response"):
    """Open a dispute, or an inquiry, about a charge at Stripe; returns its id."""
    told = {"charge": charge_id, "status": status, "reason": "product_not_received"}
    return world.control("disputes", told)["id"]


def case_states(world):
    """The duplicate's case; that of the dispute itself is another matter."""
    return [row.state for row in world.rows(cases) if row.kind == DUPLICATE_CHARGE]


@pytest.mark.parametrize("told", [True, False], ids=["told of", "only visible at Stripe"])
def test_dispute_before_the_decision(world, told):
    """A duplicate that is disputed already goes to a person, and Stripe is not called."""
    _, second = world.pay_twice()
    charges_told = world.new_events()
    dispute(world, second)
    if told:
        world.receive(*charges_told, *world.new_events())
    else:
        world.receive(*charges_told)
        world.new_events()

    world.settle()

    assert [] == world.refunds() == world.refund_calls()
    assert [CaseState.REVIEW] == case_states(world)


@pytest.mark.parametrize("told", [True, False], ids=["told of", "only visible at Stripe"])
def test_dispute_between_decision_and_call(world, told):
    """A dispute that opens after the decision is seen before the call: the refund is withdrawn."""
    _, second = world.pay_twice()
    world.deliver()
    world.drain()
    dispute(world, second)
    if told:
        world.deliver()
        world.drain()
    else:
        world.new_events()

    world.run_effects()
    world.settle()

    assert [] == world.refunds() == world.refund_calls()
    assert NEVER_SENT == [intent.state for intent in world.intents()]
    assert [CaseState.REVIEW] == case_states(world)
    if not told:
        assert "the charge is disputed at Stripe (open)" in world.intent().note


def test_dispute_between_last_check_and_stripe(world):
    """A race that is lost ends as Stripe's refusal: final, one call, a person decides."""
    _, second = world.pay_twice()
    world.deliver()
    world.drain()
    opens = Meanwhile(crash_points.EFFECT_SUBMITTED, lambda: dispute(world, second))
    world.restart(opens)

    world.run_effects()
    world.settle(3600)

    assert [] == world.refunds()
    assert 1 == len(world.refund_calls())
    assert IntentState.REJECTED is world.intent().state
    assert [CaseState.REVIEW] == case_states(world)


def test_dispute_after_the_refund(world):
    """A dispute about a refunded charge changes nothing about the refund, and makes no second one."""
    _, second = world.pay_twice()
    world.settle()
    dispute(world, second)

    world.settle()

    assert 1 == len(world.refunds()) == len(world.refund_calls())
    assert IntentState.SUCCEEDED is world.intent().state
    assert [CaseState.REFUNDED] == case_states(world)


def test_inquiry_does_not_forbid_the_refund(world):
    """An inquiry moved no money: the duplicate is refunded, which is what settles an inquiry."""
    _, second = world.pay_twice()
    dispute(world, second, "warning_needs_response")

    world.settle()

    assert [second] == [refund["charge"] for refund in world.refunds()]


@pytest.mark.parametrize(
    ("outcome", "case_state"),
    [
        pytest.param("won", CaseState.REVIEW, id="won: the bank denied it, so a person decides"),
        pytest.param("lost", CaseState.CLOSED, id="lost: the customer has the money"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"], ids=["before", "after the decision"])
def test_dispute_that_was_decided(world, outcome, case_state, when):
    """A dispute's end moves no money by itself: won leaves a question, lost closes the case."""
    _, second = world.pay_twice()
    if when == "after":
        world.deliver()
        world.drain()
    opened = dispute(world, second)
    world.clock.advance(1)
    if when == "after":
        world.deliver()
        world.drain()
    world.control(f"disputes/{opened}", {"status": outcome})

    world.settle()

    assert [] == world.refunds() == world.refund_calls()
    assert [case_state] == case_states(world)


@pytest.mark.parametrize("status", ["needs_response", "warning_needs_response"])
def test_dispute_about_the_payment_that_stays(world, status):
    """If the kept payment is contested, giving the other one back might leave none: a person decides."""
    first, _ = world.pay_twice()
    dispute(world, first, status)

    world.settle()

    assert [] == world.refunds() == world.refund_calls()
    assert [CaseState.REVIEW] == case_states(world)


def test_dispute_about_the_payment_that_stays_between_decision_and_call(world):
    """The kept payment is looked at before the call as well, even if no event has told of the dispute."""
    first, _ = world.pay_twice()
    world.deliver()
    world.drain()
    dispute(world, first)
    world.new_events()

    world.run_effects()

    assert [] == world.refund_calls()
    assert [IntentState.WITHDRAWN] == [intent.state for intent in world.intents()]
    assert [CaseState.REVIEW] == case_states(world)


def test_dispute_on_a_pending_refund_fails_it(world):
    """A refund that fails because a dispute opened meanwhile reopens its case for a person."""
    world.control("settings", {"refund_life": "pending"})
    _, second = world.pay_twice()
    world.settle(10)
    assert IntentState.PENDING is world.intent().state
    dispute(world, second)
    failed = {"status": "failed", "failure_reason": "charge_for_pending_refund_disputed"}
    world.control(f"refunds/{world.intent().refund_id}", failed)

    world.settle()

    assert IntentState.FAILED is world.intent().state
    assert [CaseState.REVIEW] == case_states(world)
    assert 1 == len(world.refund_calls())
