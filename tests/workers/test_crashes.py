"""kill -9 at every boundary between steps: each duplicate is refunded once, and nothing is stranded."""

from dataclasses import replace

import pytest

from ledger.inbox import claim_events
from ledger.refund_intents import lease_intent
from ledger.states import CaseState, EventState, IntentState
from ledger.tables import cases, decisions, events
from runtime.limits import EFFECT_LEASE_MS
from tests.fakes.worker_world import CrashAt
from workers.crash_points import (
    DRAIN_CLAIMED,
    EFFECT_CALLED,
    EFFECT_CHECKED,
    EFFECT_LEASED,
    EFFECT_RECORDED,
    EFFECT_SUBMITTED,
    EVERY_POINT,
)
from workers.drain import drain_events
from workers.effects import send_refund
from workers.terms_book import TermsBook

_OPEN_INTENTS = (IntentState.RESERVED, IntentState.SUBMITTED, IntentState.UNKNOWN)


def assert_settled_once(world):
    """One refund, one decision, and nothing that waits for anything."""
    (refund,) = world.refunds()
    intent = world.intent()
    assert (IntentState.SUCCEEDED, refund["id"]) == (intent.state, intent.refund_id)
    assert [CaseState.REFUNDED] == [row.state for row in world.rows(cases)]
    assert 1 == len(world.rows(decisions))
    open_events = (EventState.NEW, EventState.CLAIMED)
    assert not [row.id for row in world.rows(events) if row.state in open_events]
    assert not [row.intent_id for row in world.intents() if row.state in _OPEN_INTENTS]


@pytest.mark.parametrize(
    ("times", "bells_lost"),
    [pytest.param(1, False, id="once"), pytest.param(2, True, id="twice in a row, no bell heard")],
)
@pytest.mark.parametrize("point", EVERY_POINT)
def test_worker_killed_at_a_boundary(world, point, times, bells_lost):
    """A process killed at any step, once or twice in a row, leaves one refund and no stranded row."""
    world.pay_twice()
    world.deliver()
    world.wakeups.lost = bells_lost
    if bells_lost:
        world.wakeups.jobs.clear()

    died = 0
    for _ in range(13):
        if died < times:
            died += world.crash(CrashAt(point), world.step)
        world.clock.advance(5)
    # Once Stripe has executed the call, the next process finds the refund and passes no call again.
    again = times if point not in (EFFECT_CALLED, EFFECT_RECORDED) else 1
    assert again == died
    world.settle(60)

    assert_settled_once(world)


@pytest.mark.parametrize("nth", [2, 3])
@pytest.mark.parametrize("point", [point for point in EVERY_POINT if point.startswith("effect")])
def test_effects_killed_at_a_later_refund(world, point, nth):
    """Of several refunds under way only the one at the crash point is disturbed; each is made once."""
    for order in ("a", "b", "c"):
        world.pay_twice(order=order)

    assert world.crash(CrashAt(point, nth), world.step)
    world.settle(60)

    assert 3 == len(world.refunds()) == len({refund["charge"] for refund in world.refunds()})
    assert {IntentState.SUCCEEDED} == {intent.state for intent in world.intents()}


@pytest.mark.parametrize("point", EVERY_POINT)
def test_stranded_row_is_back_within_a_minute(sqlite_world, point):
    """The refund is at Stripe less than 60 seconds after the kill, with every bell lost meanwhile."""
    world = sqlite_world
    world.pay_twice()
    world.deliver()
    world.crash(CrashAt(point), world.step)
    world.wakeups.jobs.clear()
    killed_ms = world.clock.now_ms()

    while not world.intents() or world.intent().state is not IntentState.SUCCEEDED:
        world.clock.advance(5)
        world.step()

    assert world.clock.now_ms() - killed_ms <= 60_000
    assert_settled_once(world)


class Stalls:
    """Lets a process sleep at a boundary for so many seconds while `meanwhile` happens elsewhere."""

    def __init__(self, world, name, seconds, meanwhile):
        self._world, self._name, self._seconds = world, name, seconds
        self._meanwhile = meanwhile
        self.stalled = False

    def reach(self, name):
        if name == self._name and not self.stalled:
            self.stalled = True
            self._world.clock.advance(self._seconds)
            self._meanwhile()


class CountingTerms(TermsBook):
    """Terms that count how often a payment was judged by them."""

    judged = 0

    def reach(self):
        self.judged += 1
        return super().reach()


def release_and_claim(world, *, finish):
    """A sweep takes the events back and another worker takes them over, to the end if `finish`."""
    world.sweep()
    if finish:
        drain_events(world.fresh_context())
    else:
        with world.store.write() as connection:
            assert claim_events(connection, world.clock.now_ms(), 100)


@pytest.mark.parametrize("finish", [True, False], ids=["has finished", "is at work"])
def test_worker_taken_for_dead_does_nothing(world, finish):
    """A drain that wakes up after its lease ran out neither judges nor writes: its successor does."""
    world.pay_twice()
    world.deliver()
    terms = CountingTerms()
    stalls = Stalls(world, DRAIN_CLAIMED, 20, lambda: release_and_claim(world, finish=finish))
    world.context = replace(world.fresh_context(stalls), terms=terms)

    assert 0 == world.drain()

    assert (True, 0) == (stalls.stalled, terms.judged)
    world.restart()
    world.settle(60)
    assert_settled_once(world)
    assert 1 == len(world.refund_calls())


@pytest.mark.parametrize("finish", [True, False], ids=["has finished", "is at work"])
@pytest.mark.parametrize("point", [EFFECT_LEASED, EFFECT_CHECKED, EFFECT_SUBMITTED])
def test_sender_that_outlives_its_lease_sends_nothing(world, point, finish):
    """A sender that stalls until its lease is over leaves the call to the one that has it now."""
    world.pay_twice()
    world.deliver()
    world.drain()
    intent_id = world.intent().intent_id

    def successor():
        if finish:
            return send_refund(world.fresh_context(), intent_id)
        now_ms = world.clock.now_ms()
        with world.store.write() as connection:
            return lease_intent(connection, intent_id, now_ms, now_ms + EFFECT_LEASE_MS)

    stalls = Stalls(world, point, 40, successor)
    world.restart(stalls)
    world.run_effects()

    assert stalls.stalled
    assert int(finish) == len(world.refund_calls())
    world.restart()
    world.settle(60)
    assert_settled_once(world)
    assert 1 == len(world.refund_calls())


def test_every_boundary_is_reached(sqlite_world):
    """A run without faults passes each named crash point, so that the table above tests them all."""
    reached = []

    class Notes:
        def reach(self, name):
            reached.append(name)

    sqlite_world.pay_twice()
    sqlite_world.restart(Notes())
    sqlite_world.settle(10)

    assert set(EVERY_POINT) == set(reached)
