"""One step behind the receiver: the real workers over a ledger in memory, put back after every event."""

import logging
from pathlib import Path

from ledger.engine import Store
from ledger.invariant_checks import check_invariants
from ledger.schema import migrate
from ledger.states import EventState
from ledger.tables import events
from runtime.limits import EVENT_ATTEMPTS_MAX
from runtime.queues import DRAIN_EVENTS_JOB
from tests.fakes.frozen_clock import FrozenClock
from tests.fakes.worker_world import WorkerWorld, worker_settings
from tests.fuzz.event_shapes import honest_event, stocked_shop

_SETTLED = frozenset({EventState.DECIDED, EventState.IGNORED, EventState.PARKED})


class Processor:
    """A stocked shop whose ledger and Stripe stand as they did before each call of `work_on`."""

    def __init__(self, folder: Path) -> None:
        self._store = Store("sqlite://")
        migrate(self._store)
        self.clock = FrozenClock()
        self.world = WorkerWorld(
            store=self._store, settings=worker_settings(folder), clock=self.clock
        )
        self.shapes = stocked_shop(self.world)
        self._honest = honest_event(self.world, self.shapes)
        self._refunds = self.world.refunds()
        self._begun_ms = self.clock.now_ms()
        self._chance = self.world.sandbox._rng.getstate()
        self._images = [database.serialize() for database in self._databases()]
        # A refused event is told at length, thousands of times.
        logging.getLogger("workers").setLevel(logging.CRITICAL)

    def close(self) -> None:
        """Forget everything."""
        self.world.sandbox.book.close()
        self._store.close()

    def work_on(self, body: bytes) -> str:
        """Have the workers drain a stored `body` beside an honest event; returns where it stands.

        Nothing may escape, the honest one is decided in the same batch, and no refund follows.
        """
        self._put_back()
        world, received = self.world, self.world.parsed(body)
        world.receive(body)
        world.receive(self._honest)  # behind it: rows of one call are stored by id
        if received.event_id == self._honest["id"]:
            return "the honest event's own id"
        world.drain()
        row = world.event_row(received.event_id)
        beside = world.event_row(self._honest["id"])
        assert EventState.DECIDED == beside.state, f"an honest event beside it: {beside.note}"
        assert row.state in _SETTLED, f"left {row.state} after one drain: {row.note}"
        assert not (row.note or "").startswith("failed "), row.note
        assert row.attempts < EVENT_ATTEMPTS_MAX
        if world.wakeups.jobs != [(DRAIN_EVENTS_JOB, None)]:  # money or questions to Stripe follow
            world.work()
            world.settle(10)
            self._check_ledger()
        assert self._refunds == world.refunds(), "money left because of a malformed event"
        return str(row.state)

    def _check_ledger(self) -> None:
        assert not any(row.state == "claimed" for row in self.world.rows(events))
        with self._store.read() as connection:
            broken = [breach for breach in check_invariants(connection) if not breach.holds]
        assert [] == broken

    def _databases(self) -> list:
        with self._store.read() as connection:
            ledger = connection.connection.driver_connection
        return [ledger, self.world.sandbox.book._db]

    def _put_back(self) -> None:
        for database, image in zip(self._databases(), self._images, strict=True):
            database.deserialize(image)
        self.world.sandbox._rng.setstate(self._chance)
        self.world.told = self.world.sandbox.book.last_event_seq()
        self.clock.jump((self._begun_ms - self.clock.now_ms()) / 1000)
        self.world.wakeups.jobs.clear()
