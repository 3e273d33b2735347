"""Look-ups: where events cannot tell, Stripe is asked, and every order of arrival ends alike."""

import pytest

from ledger.payment_facts import INVOICES_OF_PAYMENT_INTENT
from ledger.states import CaseState, IntentState, LookUpState
from ledger.stripe_tables import charges, invoice_payments, invoices, subscriptions
from ledger.tables import cases, decisions, look_ups
from tests.fakes.worker_world import CrashAt, Crashed
from workers.look_up import look_up


def price_of(world, name):
    """A monthly price of a product of its own; returns its id."""
    product = world.v1.products.create({"name": name})
    made = world.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 2000,
            "recurring": {"interval": "month"},
        }
    )
    return made.id


def subscriber(world):
    """A customer with a card on file."""
    card = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    customer = world.customer()
    world.v1.payment_methods.attach(card.id, {"customer": customer})
    return customer, card.id


def subscribe(world, who, price):
    """Subscribe and pay the first invoice; returns the subscription's id."""
    customer, card = who
    given = {"customer": customer, "items": [{"price": price}], "default_payment_method": card}
    return world.v1.subscriptions.create(given).id


def asked(world, object_type):
    """The questions about objects of one type."""
    return [row for row in world.rows(look_ups) if row.object_type == object_type]


def of_types(told, *types):
    return [event for event in told if event["type"] in types]


@pytest.mark.parametrize("backwards", [False, True], ids=["as they came", "backwards"])
def test_two_updates_of_one_second(world, backwards):
    """Two differing events of one subscription in one second: Stripe is asked, both orders end alike."""
    subscription = subscribe(world, subscriber(world), price_of(world, "Monthly"))
    world.settle(5)
    world.clock.advance(60)
    for ends in (True, False):
        world.v1.subscriptions.update(subscription, {"cancel_at_period_end": ends})
    told = of_types(world.new_events(), "customer.subscription.updated")
    assert 2 == len(told)

    for event in reversed(told) if backwards else told:
        world.receive(event)
        world.work()
    world.settle(5)

    (row,) = world.rows(subscriptions)
    assert row.cancel_at_period_end is False
    assert [LookUpState.ANSWERED] == [row.state for row in asked(world, "subscription")]


def charges_only(world):
    """Deliver the payments and nothing that could link them to their invoices."""
    world.receive(*of_types(world.new_events(), "charge.succeeded"))
    world.drain()


def test_payments_of_different_invoices_are_cleared(world):
    """Two equal payments in minutes are a question until Stripe names their invoices; then closed."""
    who = subscriber(world)
    for name in ("Monthly", "Storage"):
        subscribe(world, who, price_of(world, name))
        world.clock.advance(60)
    charges_only(world)
    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]

    world.run_effects()

    assert [CaseState.CLOSED] == [row.state for row in world.rows(cases)]
    first, *_, last = (row.verdict for row in world.rows(decisions))
    assert ("review", "deny") == (first, last)
    assert {LookUpState.ANSWERED} == {row.state for row in world.rows(look_ups)}
    assert 2 == len(world.rows(invoices)) == len(world.rows(invoice_payments))
    assert [] == world.intents()


def test_payments_without_invoices_stay_with_a_person(world):
    """When Stripe knows of no invoice either, the question stays: product and order are not known."""
    world.pay_twice(order=None)
    world.deliver()
    world.drain()

    world.settle()

    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]
    asked = {(row.object_type, row.state) for row in world.rows(look_ups)}
    assert {(INVOICES_OF_PAYMENT_INTENT, LookUpState.ANSWERED)} == asked
    assert [] == world.refund_calls()


def test_second_subscription_to_one_price_is_refunded(world):
    """Two subscriptions of one customer to one price within a day: the second's first payment goes back."""
    who, price = subscriber(world), price_of(world, "Monthly")
    subscribe(world, who, price)
    world.clock.advance(3600)
    subscribe(world, who, price)

    world.settle()

    (refund,) = world.refunds()
    later = max(world.rows(charges), key=lambda row: row.created)
    assert later.charge_id == refund["charge"]


def test_question_that_stripe_cannot_answer_is_asked_again(world):
    """A question that meets a fault stays wanted and is answered once Stripe can be read."""
    world.pay_twice(order=None)
    world.deliver()
    world.drain()
    world.fault("503", "/v1/invoice_payments", method="GET", times=3)

    world.run_effects()
    assert {LookUpState.WANTED} == {row.state for row in world.rows(look_ups)}
    world.settle(600)

    assert {LookUpState.ANSWERED} == {row.state for row in world.rows(look_ups)}


def test_question_is_given_up_after_twelve_tries(sqlite_world):
    """A question that is never answered is asked twelve times and no more; the review stays."""
    world = sqlite_world
    world.pay_twice(order=None)
    world.deliver()
    world.drain()
    world.fault("503", "/v1/invoice_payments", method="GET", times=1_000)

    for _ in range(20):
        world.step()
        world.clock.advance(4_000)

    assert {(LookUpState.GIVEN_UP, 12)} == {
        (row.state, row.attempts) for row in world.rows(look_ups)
    }
    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]


def test_object_that_stripe_does_not_know_is_given_up_at_once(world):
    """A 404 is Stripe's last word: the question is closed after one try."""
    subscription = subscribe(world, subscriber(world), price_of(world, "Monthly"))
    world.settle(5)
    world.clock.advance(60)
    for ends in (True, False):
        world.v1.subscriptions.update(subscription, {"cancel_at_period_end": ends})
    world.deliver()
    world.drain()
    world.sandbox.book.remove("subscriptions", subscription)

    world.run_effects()

    assert [(LookUpState.GIVEN_UP, 1)] == [
        (row.state, row.attempts) for row in asked(world, "subscription")
    ]


def test_event_that_overtakes_the_answer_wins(world):
    """If an event moves the object while Stripe is asked, the answer is not written over it."""
    subscription = subscribe(world, subscriber(world), price_of(world, "Monthly"))
    world.settle(5)
    world.clock.advance(60)
    for ends in (True, False):
        world.v1.subscriptions.update(subscription, {"cancel_at_period_end": ends})
    world.deliver()
    world.drain()

    def newer_event(_method, path):
        if path == f"/v1/subscriptions/{subscription}":
            world.carrier.watchers.clear()
            world.clock.advance(1)
            world.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
            world.deliver()
            world.drain()

    world.carrier.watchers.append(newer_event)
    world.run_effects()
    world.settle(60)

    (row,) = world.rows(subscriptions)
    assert row.cancel_at_period_end is True
    assert {LookUpState.ANSWERED} == {row.state for row in world.rows(look_ups)}


def test_worker_that_dies_while_asking_is_followed_by_another(world):
    """A question whose worker is killed in the middle is due again within half a minute."""
    world.pay_twice(order=None)
    world.deliver()
    world.drain()

    def killed(_method, path):
        if path == "/v1/invoice_payments":
            world.carrier.watchers.clear()
            raise Crashed

    world.carrier.watchers.append(killed)
    assert world.crash(CrashAt("never"), world.run_effects)
    world.wakeups.jobs.clear()
    world.settle(30)

    assert {LookUpState.ANSWERED} == {row.state for row in world.rows(look_ups)}


def test_answered_question_is_not_asked_twice(world):
    """A second bell for a question that was answered, or of one that never was, calls nobody."""
    world.pay_twice(order=None)
    world.settle()
    calls = []
    world.carrier.watchers.append(lambda *call: calls.append(call))

    for row in world.rows(look_ups):
        look_up(world.context, row.id)
    look_up(world.context, 10_000)

    assert [] == calls


def test_refund_follows_from_an_answer(world):
    """When the answer makes a review certain, the refund leaves without any further event."""
    who, price = subscriber(world), price_of(world, "Monthly")
    subscribe(world, who, price)
    world.clock.advance(60)
    subscribe(world, who, price)
    told = world.new_events()
    running = ("customer.subscription.created", "customer.subscription.updated")
    world.receive(*of_types(told, "charge.succeeded", *running))
    world.drain()
    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]

    world.run_effects()

    assert IntentState.SUCCEEDED is world.intent().state
    assert 1 == len(world.refunds())
