"""The money brakes: mode, caps, stop switch, live and test. What they keep back is never lost."""

import pytest

from ledger.brake import Brake, set_brake
from ledger.event_queries import EventFilter
from ledger.refund_intents import release_held
from ledger.replaying import ReplayAuthor, ReplayOrder, replay_step
from ledger.states import IntentState
from ledger.tables import decisions
from tests.fakes.at_once import at_once
from tests.fakes.worker_world import Meanwhile, worker_settings
from workers import crash_points
from workers.effects import send_refund

DAY = 24 * 3600


def stop(world, *, stopped, reason="looking into it"):
    """Throw or release the switch as the command does."""
    now_ms = world.clock.now_ms()
    brake = Brake(stopped=stopped, reason=reason, actor="ops", changed_ms=now_ms)
    with world.store.write() as connection:
        set_brake(connection, brake, origin="test")
        if not stopped:
            release_held(connection, now_ms)


def replay(world):
    """Have every event worked again, as an operator does."""
    order = ReplayOrder(wanted=EventFilter(), livemode=False, account=None)
    author = ReplayAuthor(actor="ops", reason="enforcing from now on", origin="test")
    with world.store.write() as connection:
        replay_step(
            connection,
            order,
            author,
            last_row=10_000,
            count_max=500,
            now_ms=world.clock.now_ms(),
        )
    world.wakeups.wake_events()


def held(world):
    """What keeps each intent back, in the words of the brake."""
    return [intent.held for intent in world.intents() if intent.state is IntentState.RESERVED]


def test_observe_mode_records_and_moves_nothing(world):
    """In observe mode the decision and the refund that would follow are there; nothing is sent."""
    world.change_settings(redress_mode="observe")
    world.pay_twice()

    world.settle()

    assert [] == world.refund_calls()
    assert IntentState.OBSERVED is world.intent().state
    assert ["observe"] == [row.mode for row in world.rows(decisions)]


def test_observed_refund_leaves_once_after_the_switch_and_a_replay(world):
    """After enforcing begins, a replay sends what was only observed: once, however often replayed."""
    world.change_settings(redress_mode="observe")
    world.pay_twice()
    world.settle()
    world.change_settings(redress_mode="enforce")

    for _ in range(3):
        replay(world)
        world.settle()

    assert 1 == len(world.refunds()) == len(world.refund_calls())
    assert IntentState.SUCCEEDED is world.intent().state
    assert ["observe", "enforce"] == [row.mode for row in world.rows(decisions)]


def test_switching_back_to_observe_holds_what_was_reserved(world):
    """A refund reserved while enforcing does not leave a process that observes."""
    world.pay_twice()
    world.deliver()
    world.drain()
    world.change_settings(redress_mode="observe")

    world.settle()

    assert [] == world.refund_calls()
    assert ["REDRESS_MODE is observe: nothing is sent"] == held(world)


CAPS = [
    pytest.param(
        {"redress_cap_refund": "usd=999,*=50000"}, "REDRESS_CAP_REFUND:", 0, id="per refund"
    ),
    pytest.param(
        {"redress_cap_customer_day": "usd=1999,*=9000"},
        "REDRESS_CAP_CUSTOMER_DAY:",
        1,
        id="per customer, money",
    ),
    pytest.param(
        {"redress_cap_customer_day_count": "2"},
        "REDRESS_CAP_CUSTOMER_DAY_COUNT:",
        2,
        id="per customer, count",
    ),
    pytest.param(
        {"redress_cap_day": "usd=2000,*=9000"}, "REDRESS_CAP_DAY:", 2, id="per day, money"
    ),
    pytest.param({"redress_cap_day_count": "1"}, "REDRESS_CAP_DAY_COUNT:", 1, id="per day, count"),
    pytest.param(
        {"redress_cap_refund": "eur=5000,*=999"},
        "REDRESS_CAP_REFUND:",
        0,
        id="for every other currency",
    ),
]


@pytest.mark.parametrize(("caps", "named", "sent"), CAPS)
def test_cap_holds_the_rest_back(world, caps, named, sent):
    """Refunds leave up to the cap, which itself may be reached; the rest waits and names the cap."""
    world.change_settings(**caps)
    customer = world.customer()
    for order in ("a", "b", "c"):
        world.pay_twice(customer, order=order)

    world.settle(30)

    assert sent == len(world.refunds())
    assert 3 - sent == len(held(world))
    assert all(reason.startswith(named) for reason in held(world))


def test_caps_count_each_currency_by_itself(world):
    """A day's cap that euros have used up holds no dollars back."""
    world.change_settings(redress_cap_day="usd=1000,*=1000")
    for currency in ("eur", "usd"):
        world.pay_twice(order=currency, currency=currency)
    world.pay_twice(order="another", currency="eur")

    world.settle(30)

    assert ["eur", "usd"] == sorted(refund["currency"] for refund in world.refunds())
    assert 1 == len(held(world))


def test_day_cap_frees_itself_after_a_day(world):
    """What the cap of a day held back leaves by itself 24 hours later."""
    world.change_settings(redress_cap_day_count="1")
    world.pay_twice(order="a")
    world.pay_twice(order="b")
    world.settle(30)
    assert 1 == len(world.refunds())

    world.clock.advance(DAY + 600)
    world.settle(30)

    assert 2 == len(world.refunds())
    assert [] == held(world)


def test_stop_switch_holds_every_refund_and_loses_none(world):
    """Stopped, nothing leaves and decisions go on; released, all that waited leaves at once."""
    stop(world, stopped=True)
    for order in ("a", "b", "c"):
        world.pay_twice(order=order)
    asked = []
    world.carrier.watchers.append(lambda *call: asked.append(call))

    world.settle(60)
    assert [] == asked, "what is held back is not even looked at"
    assert ["all money is stopped by ops: looking into it"] * 3 == held(world)

    stop(world, stopped=False)
    world.settle(10)

    assert 3 == len(world.refunds())
    assert {IntentState.SUCCEEDED} == {intent.state for intent in world.intents()}


def test_stop_switch_between_last_check_and_submission_still_holds(world):
    """The switch is looked at in the transaction that submits: thrown a moment before, it holds."""
    world.pay_twice()
    world.deliver()
    world.drain()
    thrown = Meanwhile(crash_points.EFFECT_CHECKED, lambda: stop(world, stopped=True))
    world.restart(thrown)

    world.run_effects()

    assert [] == world.refund_calls()
    assert 1 == len(held(world))


def test_held_refund_is_judged_anew_when_it_is_released(world):
    """A refund by hand while the money was stopped is seen at release: nothing is sent twice."""
    stop(world, stopped=True)
    _, second = world.pay_twice()
    world.settle(30)
    world.control("refunds", {"charge": second})
    world.new_events()

    stop(world, stopped=False)
    world.settle(30)

    assert [] == world.refund_calls()
    assert IntentState.WITHDRAWN is world.intent().state


def test_live_key_does_not_refund_a_test_payment(world, settings):
    """An intent of the other mode than the key's stays where it is, and says why."""
    world.pay_twice()
    world.deliver()
    world.drain()
    world.settings = worker_settings(settings.redress_data, stripe_api_key="sk_live_made_up")
    world.restart()

    world.run_effects()

    assert [] == world.refund_calls()
    assert ["the payment and STRIPE_API_KEY are not both live or both test"] == held(world)


def test_charge_that_is_live_at_stripe_is_not_refunded_by_a_test_intent(world):
    """If Stripe's answer says the other mode than the decision did, the refund is withdrawn."""
    _, second = world.pay_twice()
    world.deliver()
    world.drain()
    charge = world.sandbox.book.get("charges", second)
    world.sandbox.book.put("charges", charge | {"livemode": True})

    world.run_effects()

    assert [] == world.refund_calls()
    assert IntentState.WITHDRAWN is world.intent().state


@pytest.mark.parametrize("workers", [2, 6])
def test_race_for_the_last_of_a_cap(world, workers):
    """Several effects workers at once cannot pass a cap together: as many leave as it allows."""
    world.change_settings(redress_cap_day_count="1")
    for number in range(workers):
        world.pay_twice(order=f"order-{number}")
    world.deliver()
    world.drain()
    due = [intent.intent_id for intent in world.intents()]
    assert workers == len(due)

    at_once(lambda intent_id: send_refund(world.fresh_context(), intent_id), due)
    world.settle(30)

    assert 1 == len(world.refunds())
    assert workers - 1 == len(held(world))
