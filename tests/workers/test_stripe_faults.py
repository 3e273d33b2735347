"""Stripe fails in every way it can (F6, F7, F8): one refund at most, no blind retry, no endless one."""

import itertools

import pytest

from ledger.states import CaseState, IntentState
from ledger.tables import cases
from runtime.limits import EVENT_ATTEMPTS_MAX
from tests.fakes.worker_world import CrashAt
from workers.crash_points import EFFECT_CALLED, EFFECT_SUBMITTED
from workers.effects import NO_ANSWER

HOUR = 3600


def reserve_one(world):
    """A duplicate that is decided and whose refund is about to leave."""
    world.pay_twice()
    world.deliver()
    world.drain()
    assert IntentState.RESERVED is world.intent().state


NOT_EXECUTED = ["429", "500", "503", "409", "timeout_before", "reset"]
EXECUTED = ["timeout_after", "truncated_json", "other_currency"]


@pytest.mark.parametrize("kind", NOT_EXECUTED)
@pytest.mark.parametrize("times", [1, 3])
def test_call_that_was_not_executed_is_made_again(sqlite_world, kind, times):
    """A call that Stripe did not carry out is repeated under the same key until it is, once."""
    world = sqlite_world
    reserve_one(world)
    world.fault(kind, times=times)

    world.settle(300)

    assert 1 == len(world.refunds())
    assert IntentState.SUCCEEDED is world.intent().state
    assert 1 == len({call["idempotency_key"] for call in world.refund_calls()})
    assert times + 1 == len(world.refund_calls())


@pytest.mark.parametrize("kind", [*EXECUTED, "reset"])
@pytest.mark.parametrize("webhook", [True, False], ids=["event first", "no event"])
def test_call_that_was_executed_is_found_at_stripe(world, kind, webhook):
    """A refund whose answer was lost or unreadable is adopted, and no second call is made."""
    reserve_one(world)
    world.fault(kind, **({"executed": True} if kind == "reset" else {}))

    world.run_effects()
    assert IntentState.UNKNOWN is world.intent().state
    if webhook:
        world.deliver()
        world.drain()
    else:
        world.new_events()
    world.settle(60)

    assert IntentState.SUCCEEDED is world.intent().state
    assert world.intent().refund_id == world.refunds()[0]["id"]
    assert 1 == len(world.refunds()) == len(world.refund_calls())
    assert [CaseState.REFUNDED] == [row.state for row in world.rows(cases)]


@pytest.mark.parametrize("seconds", [5, 60])
def test_stalled_answer_is_one_refund(sqlite_world, seconds):
    """An answer that comes late, within the time-out or after it, stands for one refund."""
    reserve_one(sqlite_world)
    sqlite_world.fault("stall_seconds", seconds=seconds)

    sqlite_world.settle(60)

    assert 1 == len(sqlite_world.refunds()) == len(sqlite_world.refund_calls())
    assert IntentState.SUCCEEDED is sqlite_world.intent().state


@pytest.mark.parametrize("kind", ["429", "500", "503", "409", "timeout_before", "reset"])
def test_trouble_that_lasts_ends_with_a_person(sqlite_world, kind):
    """Tries are bounded: after the twelfth a person takes over, and nothing is called any more."""
    world = sqlite_world
    reserve_one(world)
    world.fault(kind, times=1_000)

    for _ in range(16):
        world.step()
        world.clock.advance(1.2 * HOUR)  # the longest delay of the schedule
    world.control("faults", [])
    calls = len(world.refund_calls())
    for _ in range(3):
        world.step()
        world.clock.advance(1.2 * HOUR)

    assert calls == len(world.refund_calls()) <= EVENT_ATTEMPTS_MAX
    assert [] == world.refunds()
    assert world.intent().next_attempt_ms is None
    assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]


@pytest.mark.parametrize("executed", [False, True], ids=["not executed", "executed"])
def test_stored_500_ends_in_a_look_up(world, executed):
    """A 500 that Stripe replays under the key for a day is no loop: Stripe is asked, then a person."""
    reserve_one(world)
    world.fault("500_stored", executed=executed)

    for _ in range(40):
        world.step()
        world.clock.advance(1.5 * HOUR)

    assert int(executed) == len(world.refunds())
    assert len(world.refund_calls()) <= EVENT_ATTEMPTS_MAX
    state, case_state = (
        (IntentState.SUCCEEDED, CaseState.REFUNDED)
        if executed
        else (IntentState.UNKNOWN, CaseState.REVIEW)
    )
    assert state is world.intent().state
    assert [case_state] == [row.state for row in world.rows(cases)]
    assert world.intent().next_attempt_ms is None


@pytest.mark.parametrize(
    ("point", "refunds"),
    [
        pytest.param(EFFECT_SUBMITTED, 0, id="before the call"),
        pytest.param(EFFECT_CALLED, 1, id="after the call"),
    ],
)
def test_worker_that_stalls_for_25_hours(world, point, refunds):
    """Past 20 hours a key is never sent again: the refund is found at Stripe, or a person is asked."""
    reserve_one(world)
    world.crash(CrashAt(point), world.run_effects)
    assert refunds == len(world.refunds())
    world.new_events()
    world.clock.advance(25 * HOUR)

    world.settle(120)

    assert refunds == len(world.refunds()) == len(world.refund_calls())
    if refunds:
        assert IntentState.SUCCEEDED is world.intent().state
    else:
        assert (IntentState.UNKNOWN, NO_ANSWER) == (world.intent().state, world.intent().note)
        assert [CaseState.REVIEW] == [row.state for row in world.rows(cases)]


@pytest.mark.parametrize(
    ("hours", "calls"), [pytest.param(19, 1, id="19 hours"), pytest.param(21, 0, id="21 hours")]
)
def test_key_is_sent_again_only_while_it_is_young(sqlite_world, hours, calls):
    """Up to 20 hours after the first submission the same key may go again; after that it may not."""
    world = sqlite_world
    reserve_one(world)
    world.crash(CrashAt(EFFECT_SUBMITTED), world.run_effects)
    world.clock.advance(hours * HOUR)

    world.settle(60)

    assert calls == len(world.refund_calls()) == len(world.refunds())


def test_clock_that_jumps_ahead_is_treated_as_an_old_key(sqlite_world):
    """A machine whose clock jumps by a day between call and record looks the refund up."""
    world = sqlite_world
    reserve_one(world)
    world.crash(CrashAt(EFFECT_CALLED), world.run_effects)
    world.clock.jump(24 * HOUR)

    world.settle(60)

    assert 1 == len(world.refunds()) == len(world.refund_calls())
    assert IntentState.SUCCEEDED is world.intent().state


@pytest.mark.parametrize("kind", ["429", "500", "503", "timeout_before", "reset", "truncated_json"])
def test_stripe_that_cannot_be_read_sends_nothing(sqlite_world, kind):
    """Without the last look at the charge no refund leaves; it leaves once Stripe can be read."""
    world = sqlite_world
    reserve_one(world)
    world.fault(kind, "/v1/charges", method="GET", times=4)

    for _ in range(3):
        world.step()
        assert [] == world.refund_calls()
        world.clock.advance(20)
    world.settle(300)

    assert 1 == len(world.refunds()) == len(world.refund_calls())


def test_refusal_of_a_later_call_does_not_forget_the_earlier_one(sqlite_world):
    """After a call of unknown outcome, a throttled one leaves the outcome unknown: Stripe is asked."""
    world = sqlite_world
    reserve_one(world)
    world.fault("timeout_before")
    world.run_effects()
    world.fault("429")

    world.clock.advance(60)
    world.sweep()
    world.run_effects()

    assert 2 == len(world.refund_calls())
    assert IntentState.UNKNOWN is world.intent().state


def test_tries_follow_the_schedule(sqlite_world):
    """Between the tries of a refused call lie the schedule's delays, a fifth of jitter at most."""
    world = sqlite_world
    reserve_one(world)
    world.fault("429", times=4)
    called_ms = []
    world.carrier.watchers.append(
        lambda method, path: (
            called_ms.append(world.clock.now_ms())
            if (method, path) == ("POST", "/v1/refunds")
            else None
        )
    )

    while IntentState.SUCCEEDED is not world.intent().state:
        world.work()
        due_ms = world.intent().next_attempt_ms
        if due_ms is not None:
            world.clock.jump((due_ms - world.clock.now_ms()) / 1000)
        world.sweep()

    waited = [later - earlier for earlier, later in itertools.pairwise(called_ms)]
    for delay_ms, actual_ms in zip((1_000, 2_000, 4_000, 15_000), waited, strict=True):
        assert delay_ms <= actual_ms <= delay_ms * 1.2


def test_throttled_calls_do_not_age_the_key(world):
    """A key that Stripe throttled was never kept there: 20 hours count from the first call that it may know."""
    world.pay_twice()
    world.deliver()
    world.drain()
    world.fault("429")
    world.run_effects()
    world.clock.advance(21 * 3600)
    world.fault("timeout_before")
    world.step()

    world.settle(60)

    assert IntentState.SUCCEEDED is world.intent().state
    assert 3 == len(world.refund_calls())
    assert 1 == len(world.refunds())
