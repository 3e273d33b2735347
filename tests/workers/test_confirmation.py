"""What becomes of a refund after the call: pending, failed, changed, told of before the answer."""

import copy

import pytest

from ledger.states import CaseState, IntentState
from ledger.tables import cases
from tests.fakes.worker_world import CrashAt
from workers.crash_points import EFFECT_CALLED


def case_of(world):
    (row,) = world.rows(cases)
    return row


def refund_event(world, event_type="refund.created"):
    """The newest event of this type about our refund."""
    found = world.sandbox.book.events_newest_first([event_type])
    return copy.deepcopy(next(iter(found)))


def test_refund_in_pending_then_succeeded(world):
    """A refund that Stripe takes its time over is PENDING, its case under way; then both are done."""
    world.control("settings", {"refund_life": "pending_then_succeeded", "refund_delay_seconds": 30})
    world.pay_twice()

    world.step()
    assert (IntentState.PENDING, CaseState.REFUNDING) == (
        world.intent().state,
        case_of(world).state,
    )
    world.settle(60)

    assert (IntentState.SUCCEEDED, CaseState.REFUNDED) == (
        world.intent().state,
        case_of(world).state,
    )
    assert 1 == len(world.refund_calls())


@pytest.mark.parametrize("status", ["failed", "canceled"])
@pytest.mark.parametrize("after_days", [0, 29], ids=["while pending", "29 days after"])
def test_refund_that_fails_reopens_its_case(world, status, after_days):
    """A failure, even 29 days after success, leaves the case to a person and is not tried again."""
    if after_days == 0:
        world.control("settings", {"refund_life": "pending"})
    world.pay_twice()
    world.settle()
    world.clock.advance(1 + after_days * 86_400)

    world.control(f"refunds/{world.intent().refund_id}", {"status": status})
    world.settle(600)

    assert IntentState.FAILED is world.intent().state
    assert CaseState.REVIEW == case_of(world).state
    assert "pay the customer another way" in case_of(world).note
    assert 1 == len(world.refund_calls())


def test_refund_event_alone_settles_an_unanswered_call(world):
    """The event of our refund settles the intent when the process died before the answer."""
    world.pay_twice()
    world.deliver()
    world.drain()
    world.crash(CrashAt(EFFECT_CALLED), world.run_effects)
    assert IntentState.SUBMITTED is world.intent().state

    world.deliver()
    world.drain()

    assert IntentState.SUCCEEDED is world.intent().state
    assert CaseState.REFUNDED == case_of(world).state


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"amount": 999}, id="another amount"),
        pytest.param({"currency": "eur"}, id="another currency"),
        pytest.param({"charge": "ch_of_somebody_else"}, id="another charge"),
    ],
)
def test_refund_that_names_our_intent_with_other_money(world, changed):
    """A refund that bears an intent's id but moves other money is a person's, and settles nothing."""
    world.pay_twice()
    world.deliver()
    world.drain()
    world.crash(CrashAt(EFFECT_CALLED), world.run_effects)
    event = refund_event(world)
    event["data"]["object"] |= changed

    world.receive(event)
    world.drain()

    assert IntentState.SUBMITTED is world.intent().state
    assert CaseState.REVIEW == case_of(world).state
    assert "moves other money" in case_of(world).note


def test_second_refund_that_names_one_intent(world):
    """Two refunds under one intent's name are a person's: the first stays the intent's."""
    world.pay_twice()
    world.settle()
    first = world.intent().refund_id
    event = refund_event(world)
    event["id"] = "evt_second"
    event["data"]["object"]["id"] = "re_second"

    world.receive(event)
    world.settle()

    assert first == world.intent().refund_id
    assert CaseState.REVIEW == case_of(world).state
    assert "a second refund re_second" in case_of(world).note


def test_refund_that_names_an_unknown_intent(world):
    """A refund of another ledger's is noted on its event and moves nothing here."""
    charge_id = world.pay(world.customer())
    named = {"charge": charge_id, "metadata": {"redress_intent": "ri_of_another_ledger"}}
    world.control("refunds", named)

    world.settle()

    note = world.event_row(refund_event(world)["id"]).note
    assert "which this ledger does not know" in note
    assert [] == world.rows(cases)


def test_refund_made_for_an_intent_that_was_withdrawn(world):
    """A refund under our name that we say was never sent is told of, and settles nothing."""
    _, second = world.pay_twice()
    world.deliver()
    world.drain()
    world.control("refunds", {"charge": second, "amount": 1})
    world.new_events()
    world.run_effects()
    assert IntentState.WITHDRAWN is world.intent().state
    named = {"redress_intent": world.intent().intent_id}
    world.sandbox.book.put(
        "charges", world.sandbox.book.get("charges", second) | {"amount_refunded": 0}
    )
    world.control("refunds", {"charge": second, "amount": 1000, "metadata": named})

    world.deliver()
    world.drain()

    assert "which was never sent" in world.event_row(refund_event(world)["id"]).note
    assert IntentState.WITHDRAWN is world.intent().state


def test_older_refund_event_after_a_newer_one_is_no_news(world):
    """`refund.created` in pending that arrives after the refund's success takes nothing back."""
    world.control("settings", {"refund_life": "pending_then_succeeded", "refund_delay_seconds": 1})
    world.pay_twice()
    world.deliver()
    world.drain()
    world.run_effects()
    created = refund_event(world)
    world.new_events()
    world.clock.advance(2)
    world.sandbox.tick()
    world.deliver()
    world.drain()
    assert IntentState.SUCCEEDED is world.intent().state

    world.receive(created)
    world.settle()

    assert IntentState.SUCCEEDED is world.intent().state
    assert CaseState.REFUNDED == case_of(world).state
