"""The sweeper: it finds every kind of stranded row by the rows alone, with an empty Redis."""

import pytest
from sqlalchemy.exc import OperationalError

from ledger.states import IntentState, LookUpState
from ledger.tables import events, look_ups
from runtime.limits import (
    EFFECT_LEASE_MS,
    FIRST_RING_GRACE_MS,
    LEASE_MS,
    SWEEP_ROWS_MAX,
    SWEEP_SECONDS,
)
from runtime.queues import DRAIN_EVENTS_JOB, LOOK_UP_JOB, SEND_REFUND_JOB
from tests.fakes.ledger_rows import new_event
from tests.fakes.worker_world import CrashAt
from workers import crash_points
from workers.sweeper import run_sweeper, sweep


def emptied(world):
    """Flush Redis: every bell is forgotten."""
    world.wakeups.jobs.clear()
    return world


def reserve_one(world):
    world.pay_twice()
    world.deliver()
    world.drain()
    emptied(world)


def test_new_event_whose_bell_was_lost(world):
    """An event that was committed and never rung for is rung for by the next sweep."""
    world.pay(world.customer())
    world.deliver()
    emptied(world)

    swept = world.sweep()

    assert swept.waiting > 0
    assert [(DRAIN_EVENTS_JOB, None)] == world.wakeups.jobs


def test_event_of_a_worker_that_died(world):
    """A claimed event is taken back when its lease has run out, not before."""
    world.pay(world.customer())
    world.deliver()
    world.crash(CrashAt(crash_points.DRAIN_CLAIMED), world.drain)
    emptied(world)
    world.clock.advance(LEASE_MS / 1000 - 0.001)
    assert 0 == world.sweep().released

    world.clock.advance(0.001)
    swept = world.sweep()

    assert swept.released == swept.waiting > 0
    assert [(DRAIN_EVENTS_JOB, None)] == world.wakeups.jobs


def test_fresh_intent_is_left_to_its_own_bell_first(world):
    """The sweeper rings for a new intent only once its own bell has had ten seconds to arrive."""
    reserve_one(world)
    assert 0 == world.sweep().intents

    world.clock.advance(FIRST_RING_GRACE_MS / 1000)

    assert 1 == world.sweep().intents
    assert [(SEND_REFUND_JOB, world.intent().intent_id)] == world.wakeups.jobs


@pytest.mark.parametrize(
    "point",
    [crash_points.EFFECT_LEASED, crash_points.EFFECT_SUBMITTED, crash_points.EFFECT_CALLED],
)
def test_intent_of_a_sender_that_died(world, point):
    """An intent whose sender was killed is rung for when the lease has run out, not before."""
    reserve_one(world)
    intent_id = world.intent().intent_id
    world.crash(CrashAt(point), lambda: world.run_job((SEND_REFUND_JOB, intent_id)))
    emptied(world)
    world.clock.advance(EFFECT_LEASE_MS / 1000 - 0.001)
    assert 0 == world.sweep().intents

    world.clock.advance(0.001)

    assert 1 == world.sweep().intents
    assert [(SEND_REFUND_JOB, intent_id)] == world.wakeups.jobs


def test_intent_that_waits_for_its_next_try(world):
    """An intent that was put off is rung for when its time has come."""
    reserve_one(world)
    world.fault("500")
    world.run_job((SEND_REFUND_JOB, world.intent().intent_id))
    assert IntentState.UNKNOWN is world.intent().state
    assert 0 == world.sweep().intents

    world.clock.advance(3)

    assert 1 == world.sweep().intents


def test_question_that_was_never_asked(world):
    """A look-up that nobody was rung for is rung for by the sweep."""
    world.pay_twice(order=None)
    world.deliver()
    world.drain()
    emptied(world)

    assert 2 == world.sweep().look_ups
    assert {LOOK_UP_JOB} == {name for name, _ in world.wakeups.jobs}


def test_all_of_it_after_redis_was_emptied_at_every_step(world):
    """With every bell lost at every moment, sweeping alone brings all work to its end."""
    world.wakeups.lost = True
    world.pay_twice()
    world.pay_twice(order=None)

    for _ in range(20):
        world.deliver()
        world.wakeups.lost = False
        world.sweep()
        world.wakeups.lost = True
        world.work()
        world.clock.advance(SWEEP_SECONDS)

    assert 1 == len(world.refunds())
    assert world.is_quiet()
    assert {LookUpState.ANSWERED} == {row.state for row in world.rows(look_ups)}


def test_sweep_of_a_quiet_ledger_rings_for_nothing(world):
    """When nothing is due, no bell is rung."""
    world.pay_twice()
    world.settle()
    emptied(world)

    swept = world.sweep()

    assert [] == world.wakeups.jobs
    assert (0, 0, 0, 0, 0) == (
        swept.released,
        swept.waiting,
        swept.intents,
        swept.look_ups,
        swept.sealed,
    )


def test_one_pass_is_bounded(world):
    """However much was stranded, one pass takes back no more rows than its limit (I13)."""
    told = [new_event(f"evt_{number}") for number in range(SWEEP_ROWS_MAX + 20)]
    with world.store.write() as connection:
        for event in told:
            values = {
                "event_id": event.event_id,
                "account": "",
                "livemode": False,
                "type": event.type,
                "kind": event.kind,
                "lane": event.lane,
                "created": event.created,
                "payload": event.payload,
                "sha256": event.sha256,
                "source": event.source,
                "received_ms": 0,
                "state": "claimed",
                "lease_until_ms": 1,
            }
            connection.execute(events.insert().values(values))

    assert SWEEP_ROWS_MAX == world.sweep().released
    assert 20 == world.sweep().released


def test_loop_goes_on_after_the_database_was_away(world):
    """A sweep that fails on the database is one warning; the loop tries again at its next pulse."""
    passes = []

    def stopped(seconds):
        assert SWEEP_SECONDS == seconds
        passes.append(world.wakeups.jobs[:])
        return len(passes) == 2

    class Away:
        def __init__(self, store):
            self.failures = 1
            self._store = store

        def write(self):
            if self.failures:
                self.failures -= 1
                raise OperationalError("SELECT 1", {}, Exception("away"))
            return self._store.write()

        def read(self):
            return self._store.read()

    world.pay(world.customer())
    world.deliver()
    emptied(world)
    store, world.store = world.store, Away(world.store)
    context = world.fresh_context()
    world.store = store

    run_sweeper(context, stopped)

    assert [[], [(DRAIN_EVENTS_JOB, None)]] == passes


def test_sweep_is_idempotent(world):
    """Two sweepers at once, or one twice, ring twice at most and change nothing else."""
    world.pay_twice()
    world.deliver()
    emptied(world)

    first, second = sweep(world.context), sweep(world.context)

    assert first == second
    world.settle()
    assert 1 == len(world.refunds())
