"""A defect of our own in an effect or a look-up: tried on the schedule, then left to a person."""

from dataclasses import replace

import pytest
from rq.timeouts import JobTimeoutException

from ledger.look_ups import want_look_up
from ledger.states import CaseState, EventState, IntentState, LookUpState
from ledger.tables import cases, events, look_ups
from runtime.limits import EVENT_ATTEMPTS_MAX
from workers.effects import send_refund
from workers.look_up import look_up


def live_through_two_days(world):
    """Work at once and then once an hour, which is as long as any pause of the schedule."""
    for _ in range(48):
        world.step()
        world.clock.advance(90 * 60)


def pay_twice_behind(world, gateway):
    """Decide a duplicate's refund, then put this door to Stripe before it; the context as it was."""
    world.pay_twice()
    world.deliver()
    world.drain()
    sound = world.context
    world.context = replace(sound, gateway=gateway)
    return sound


class DefectiveGateway:
    """A door to Stripe whose every call trips over a mistake of ours."""

    def __init__(self):
        self.calls = 0

    def __getattr__(self, _name):
        def trip(*_given):
            self.calls += 1
            raise KeyError("a field that we took for granted")

        return trip


class TimedOutGateway:
    """A door at which RQ's time-out strikes whoever waits there."""

    def __getattr__(self, _name):
        def wait(*_given):
            raise JobTimeoutException("Task exceeded maximum timeout value")

        return wait


def test_event_that_breaks_its_transaction_every_time_is_bounded(sqlite_world):
    """What the database fails under is tried alone before long, spares its neighbours, and ends parked."""
    world = sqlite_world
    # SQLite reports malformed JSON as an operational error, as it does a broken disk.
    trap = "CREATE TRIGGER trap BEFORE INSERT ON customers BEGIN SELECT json('{'); END"
    with world.store.write() as connection:
        connection.exec_driver_sql(trap)
    world.pay_twice()
    live_through_two_days(world)

    ends = {row.type: (row.state, row.attempts) for row in world.rows(events)}
    assert (EventState.PARKED, EVENT_ATTEMPTS_MAX) == ends.pop("customer.created")
    assert {EventState.DECIDED, EventState.IGNORED} >= {state for state, _ in ends.values()}
    assert 1 == len(world.refunds())


def test_a_defect_in_an_effect_is_bounded(sqlite_world):
    """An effect that always fails is tried as often as anything is, then a person has the case."""
    world = sqlite_world
    gateway = DefectiveGateway()
    pay_twice_behind(world, gateway)
    live_through_two_days(world)

    intent = world.intent()
    assert EVENT_ATTEMPTS_MAX == gateway.calls
    assert (IntentState.RESERVED, None) == (intent.state, intent.next_attempt_ms)
    assert "failed on a defect: KeyError" == intent.note
    assert [CaseState.REVIEW.value] == [case.state for case in world.rows(cases)]
    assert [] == world.refunds()


def test_time_out_of_a_job_is_no_defect(sqlite_world):
    """A job that RQ times out counts as no try: however often, the refund is made once it gets through."""
    world = sqlite_world
    sound = pay_twice_behind(world, TimedOutGateway())
    for _ in range(EVENT_ATTEMPTS_MAX + 3):
        world.clock.advance(60)
        with pytest.raises(JobTimeoutException):
            send_refund(world.context, world.intent().intent_id)

    assert IntentState.RESERVED is world.intent().state
    world.context = sound
    world.settle(60)
    assert 1 == len(world.refunds())


def test_a_defect_that_is_mended_costs_nothing(sqlite_world):
    """Once the defect is gone, the refund that waited is made, once."""
    world = sqlite_world
    sound = pay_twice_behind(world, DefectiveGateway())
    world.settle(30)
    world.context = sound
    world.settle(3600)

    assert IntentState.SUCCEEDED is world.intent().state
    assert 1 == len(world.refunds())


def test_a_defect_in_a_look_up_is_bounded(sqlite_world):
    """A question whose answer always trips us is given up after as many tries as anything gets."""
    world = sqlite_world
    with world.store.write() as connection:
        want_look_up(connection, "subscription", "sub_1", "test", world.clock.now_ms())
    gateway = DefectiveGateway()
    world.context = replace(world.context, gateway=gateway)
    live_through_two_days(world)

    assert EVENT_ATTEMPTS_MAX == gateway.calls
    assert [LookUpState.GIVEN_UP.value] == [row.state for row in world.rows(look_ups)]


def test_a_question_whose_askers_die_is_bounded(sqlite_world):
    """Askers who never come to an answer count too: after as many as anything gets, it is given up."""
    world = sqlite_world
    with world.store.write() as connection:
        row_id = want_look_up(connection, "subscription", "sub_1", "test", world.clock.now_ms())
    world.context = replace(world.context, gateway=TimedOutGateway())
    for _ in range(EVENT_ATTEMPTS_MAX):
        world.clock.advance(60)
        with pytest.raises(JobTimeoutException):
            look_up(world.context, row_id)
    world.clock.advance(60)
    look_up(world.context, row_id)

    assert [(LookUpState.GIVEN_UP.value, EVENT_ATTEMPTS_MAX)] == [
        (row.state, row.attempts) for row in world.rows(look_ups)
    ]
