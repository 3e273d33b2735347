"""Bugs that other refund processors have had, each as a test by its name."""

import pytest

from ledger.states import CaseState, IntentState
from ledger.tables import cases, decisions, events, look_ups, refund_intents
from policy.plan_changes import ItemChange
from tests.fakes.worker_world import Meanwhile
from workers import crash_points
from workers.item_changes import seen_change
from workers.rendered_fields import RenderedFields


def test_two_partial_refunds_of_equal_amount_on_one_charge_are_two_refunds(world):
    """Two refunds by hand of 3.00 each are 6.00: neither is taken for a repeat of the other."""
    charge_id = world.pay(world.customer())
    for _ in range(2):
        world.control("refunds", {"charge": charge_id, "amount": 300})

    world.settle()

    with world.store.read() as connection:
        known = connection.exec_driver_sql("SELECT refunded_minor FROM charges").scalar_one()
        seen = connection.exec_driver_sql("SELECT count(*) FROM refunds").scalar_one()
    assert (600, 2) == (known, seen)


def test_refund_made_by_hand_before_our_call_is_seen_not_doubled(world):
    """A refund in Stripe's dashboard between the decision and the call withdraws our own."""
    _, second = world.pay_twice()
    world.deliver()
    world.drain()
    world.control("refunds", {"charge": second})

    world.run_effects()

    assert IntentState.WITHDRAWN is world.intent().state
    assert [] == world.refund_calls()
    world.settle()
    assert 1 == len(world.refunds())
    assert [CaseState.CLOSED] == [row.state for row in world.rows(cases)]


def test_part_refunded_by_hand_is_not_refunded_again(world):
    """After a partial refund by hand nothing is sent on the old amount; a person decides the rest."""
    _, second = world.pay_twice()
    world.deliver()
    world.drain()
    world.control("refunds", {"charge": second, "amount": 300})

    world.settle()

    assert 1 == len(world.refunds())
    assert IntentState.WITHDRAWN is world.intent().state
    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]


def test_refund_webhook_before_the_answer_of_the_call_is_one_refund(world):
    """An event that is drained while the call's answer is on its way settles the intent, once."""
    world.pay_twice()
    world.deliver()
    world.drain()

    def event_overtakes():
        world.deliver()
        world.drain()

    world.restart(Meanwhile(crash_points.EFFECT_CALLED, event_overtakes))
    world.run_effects()
    world.settle()

    assert 1 == len(world.refunds()) == len(world.refund_calls())
    assert IntentState.SUCCEEDED is world.intent().state
    assert [CaseState.REFUNDED] == [row.state for row in world.rows(cases)]


def test_charge_already_refunded_is_final_not_retried(world):
    """Stripe's `charge_already_refunded` closes the case after one call and one look at the refunds."""
    _, second = world.pay_twice()
    world.deliver()
    world.drain()
    by_hand = Meanwhile(
        crash_points.EFFECT_SUBMITTED, lambda: world.control("refunds", {"charge": second})
    )
    world.restart(by_hand)

    world.run_effects()
    world.settle(3600)

    assert 1 == len(world.refund_calls()) == len(world.refunds())
    assert IntentState.REJECTED is world.intent().state
    assert [CaseState.CLOSED] == [row.state for row in world.rows(cases)]


def test_stored_500_under_a_key_ends_in_a_look_up(world):
    """The refund behind a 500 that Stripe saved under the key is found by asking, in one call."""
    world.pay_twice()
    world.deliver()
    world.drain()
    world.fault("500_stored", executed=True)

    world.run_effects()
    world.new_events()
    world.settle(30)

    assert 1 == len(world.refunds()) == len(world.refund_calls())
    assert IntentState.SUCCEEDED is world.intent().state


def test_key_older_than_20_hours_is_never_sent_blind(world):
    """When neither list nor event shows the refund and the key is old, a person is asked instead."""
    world.pay_twice()
    world.deliver()
    world.drain()
    world.fault("timeout_before")
    world.run_effects()
    world.clock.advance(20 * 3600 + 1)

    world.settle()

    assert 1 == len(world.refund_calls())
    assert [] == world.refunds()
    assert IntentState.UNKNOWN is world.intent().state
    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "reversed"])
def test_two_events_of_one_object_in_the_same_second_both_count(world, backwards):
    """A partial and then a further refund within one second end in their sum, whichever is read last."""
    charge_id = world.pay(world.customer())
    world.deliver()
    world.drain()
    for _ in range(2):
        world.control("refunds", {"charge": charge_id, "amount": 300})
    told = [event for event in world.new_events() if event["type"] == "charge.refunded"]

    for event in reversed(told) if backwards else told:
        world.receive(event)
        world.drain()

    with world.store.read() as connection:
        known = connection.exec_driver_sql("SELECT refunded_minor FROM charges").scalar_one()
    assert 2 == len(told)
    assert 600 == known


def subscribe(world):
    """A monthly subscription of a customer with a card; returns its id."""
    card = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    customer = world.customer()
    world.v1.payment_methods.attach(card.id, {"customer": customer})
    product = world.v1.products.create({"name": "Monthly plan"})
    price = world.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 2000,
            "recurring": {"interval": "month"},
        }
    )
    made = world.v1.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price.id}],
            "default_payment_method": card.id,
        }
    )
    return made.id


def test_renewals_are_not_plan_changes(world):
    """The event of a renewal moves the items' period only: no change of plan, nothing to refund."""
    subscription = subscribe(world)
    world.settle(5)
    world.clock.advance(30 * 24 * 3600)
    world.control(f"subscriptions/{subscription}/renew", {})

    told = world.new_events()
    world.receive(*told)
    world.settle()

    updated = [event for event in told if event["type"] == "customer.subscription.updated"]
    assert updated, "a renewal is told of"
    for event in updated:
        change = seen_change(
            RenderedFields(event["data"].get("previous_attributes"), "previous"),
            RenderedFields(event["data"]["object"], "subscription"),
        )
        assert change in (ItemChange.RENEWAL, ItemChange.NOTHING)
        note = world.event_row(event["id"]).note
        assert note == "renewed: the period moved, the plan did not change"
    assert ([], [], []) == (
        world.refunds(),
        world.rows(decisions),
        world.rows(refund_intents),
    )


def test_second_event_about_one_charge_is_no_second_charge(world):
    """Stripe sometimes tells of one object by two separate events: one payment, nothing to refund."""
    charge_id = world.pay(world.customer())
    world.control("events", {"type": "charge.succeeded", "kind": "charges", "id": charge_id})

    world.settle()

    assert [] == world.rows(cases)
    assert {"decided", "ignored"} == {row.state for row in world.rows(events)}
    assert [] == world.rows(look_ups)
