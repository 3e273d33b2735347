"""The main job: of two payments for one thing the later one goes back, once, with a reason."""

import json

import pytest

from ledger.decisions import broken_seal
from ledger.states import CaseState, EventState, IntentState
from ledger.tables import cases, decisions, events, seals
from policy.decision import Decision


def test_second_payment_of_an_order_is_refunded_once(world):
    """Two payments of one order lead to exactly one refund, of all of the later one."""
    first, second = world.pay_twice()

    world.settle()

    (refund,) = world.refunds()
    assert (second, 1000, "usd") == (refund["charge"], refund["amount"], refund["currency"])
    assert refund["reason"] == "duplicate"
    intent = world.intent()
    assert (IntentState.SUCCEEDED, refund["id"]) == (intent.state, intent.refund_id)
    (case,) = world.rows(cases)
    assert (second, first, CaseState.REFUNDED) == (case.charge_id, case.kept_charge_id, case.state)
    assert {EventState.DECIDED, EventState.IGNORED} == {row.state for row in world.rows(events)}


def test_decision_says_what_was_compared(world):
    """The decision names the clause, the terms, the payment that stays and what was compared."""
    first, second = world.pay_twice()

    world.settle()

    (row,) = world.rows(decisions)
    decision = Decision.from_json(row.body)
    billing = decision.clauses[0]
    assert ("approve", 1000, "usd", "2025-09-14", "enforce") == (
        row.verdict,
        row.amount_minor,
        row.currency,
        row.terms_version,
        row.mode,
    )
    assert ("BILLING", True) == (billing.clause, billing.holds)
    assert "order-1" == billing.compared["order_reference"]
    assert first == billing.compared["kept_charge_id"]
    assert second == json.loads(row.body)["facts"]["payment"]["charge_id"]


def test_intent_marks_its_refund_and_its_key(world):
    """The refund at Stripe bears the intent's id, and the call its key: each derived from the other."""
    world.pay_twice()

    world.settle()

    intent = world.intent()
    assert {"redress_intent": intent.intent_id} == world.refunds()[0]["metadata"]
    assert f"redress:refund:{intent.intent_id}" == intent.idempotency_key
    assert [intent.idempotency_key] == [call["idempotency_key"] for call in world.refund_calls()]


def test_decisions_are_sealed_by_the_sweeper(world):
    """Each decision is chained within a sweep, and the chain holds."""
    for order in ("a", "b", "c"):
        world.pay_twice(order=order)

    world.settle(10)

    assert len(world.rows(decisions)) == len(world.rows(seals)) == 3
    with world.store.read() as connection:
        assert broken_seal(connection) is None


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"order": "order-2"}, id="another order"),
        pytest.param({"amount": 1001}, id="another amount"),
        pytest.param({"currency": "eur"}, id="another currency"),
    ],
)
def test_look_alikes_are_left_alone(world, second):
    """Payments that differ in order, amount or currency are two purchases: nothing is refunded."""
    customer = world.customer()
    world.pay(customer)
    world.pay(customer, **second)

    world.settle()

    assert [] == world.refunds()
    assert [] == world.intents()


def test_orders_of_different_customers_are_left_alone(world):
    """One order reference used by two customers with two cards says nothing."""
    for fingerprint in ("card-1", "card-2"):
        card = world.v1.payment_methods.create(
            {
                "type": "card",
                "card": {"token": "tok_visa"},
                "metadata": {"sandbox_fingerprint": fingerprint},
            }
        )
        customer = world.customer()
        world.v1.payment_methods.attach(card.id, {"customer": customer})
        world.pay(customer, payment_method=card.id)

    world.settle()

    assert [] == world.refunds()


def test_every_repeated_delivery_is_one_event(world):
    """Events that are delivered fifty times are decided once and refund once."""
    world.pay_twice()
    told = world.new_events()
    for _ in range(50):
        world.receive(*told)

    world.settle()

    assert len(told) + 2 == len(world.rows(events)), "and the two events of the refund"
    assert len(world.refunds()) == len(world.rows(decisions)) == 1


def test_refund_of_another_amount_than_was_decided_is_not_sent(world):
    """If both payments turn out to have captured less than their events said, nothing is sent."""
    paid = world.pay_twice()
    world.deliver()
    world.drain()
    for charge_id in paid:
        charge = world.sandbox.book.get("charges", charge_id)
        world.sandbox.book.put("charges", charge | {"amount_captured": 900})

    world.run_effects()

    assert [] == world.refund_calls()
    assert IntentState.WITHDRAWN is world.intent().state
    assert "instead of" in world.intent().note
