"""A day on which the queue is emptied, killed and away and the receiver restarts, while the shop sells on.

Each event arrives 1 to 50 times. All faults of one engine strike one machine; the tests look at what
became of it afterwards.
"""

import itertools
import os
import signal
import threading
from collections import Counter

import pytest
from sqlalchemy import select

from ledger.states import EventState
from ledger.tables import events
from runtime.wiring import open_redis
from tests.databases import ENGINES, Databases
from tests.processes.machine import NOTHING_WRONG, START_SECONDS_MAX, Machine, clock, wait_until
from tests.processes.shop import KINDS

HABITS = "--repeats 0.08 --repeats-max 49"
REDIS_AWAY_SECONDS = 10
SALES_SECONDS = 0.6
pytestmark = [pytest.mark.processes, pytest.mark.timeout(420)]


class Sales(threading.Thread):
    """Sells until `stop`: honest payments, and every other customer pays twice."""

    def __init__(self, machine):
        super().__init__(name="sales", daemon=True)
        self.honest = []
        self._machine = machine
        self._stopped = threading.Event()
        self._failure = None

    def run(self):
        """Keep the failure of this thread for the test."""
        shop = self._machine.open_shop()
        try:
            for kind in itertools.cycle(KINDS):
                shop.pay_twice(kind)
                self.honest.append(shop.pay_once())
                if self._stopped.wait(SALES_SECONDS):
                    return
        except Exception as failure:  # noqa: BLE001 - raised again in `stop`
            self._failure = failure
        finally:
            shop.close()

    def stop(self):
        """Close the shop; raises what went wrong in it."""
        self._stopped.set()
        self.join()
        if self._failure is not None:
            raise self._failure


class BadDay:
    """The machine after the day, all quiet again; `away` are the deliveries without Redis."""

    def __init__(self, machine):
        self.machine = machine
        self.sales = Sales(machine)
        self.sales.start()
        self._sell(2)
        self._lose_the_queue()
        self._take_the_queue_away()
        self._restart_the_receiver()
        self.sales.stop()
        machine.settle()
        self.attempts = machine.attempts()
        self.report = machine.report()

    def _lose_the_queue(self):
        """Everything in Redis is lost, and a little later the server is killed and started again."""
        with open_redis(self.machine.redis.url) as client:
            client.flushall()
        self._sell(2)
        os.kill(self.machine.redis.pid, signal.SIGKILL)
        self._sell(1)
        self.machine.redis.start()
        self._sell(1)

    def _take_the_queue_away(self):
        """No Redis for a while; `away` is what the sandbox was answered meanwhile."""
        self.machine.redis.stop()
        before = len(self.machine.attempts())
        ends = clock.monotonic() + REDIS_AWAY_SECONDS
        wait_until(lambda: clock.monotonic() > ends, START_SECONDS_MAX, self.machine.keep_running)
        self.away = self.machine.attempts()[before:]
        self.machine.redis.start()
        self._sell(1)

    def _restart_the_receiver(self):
        """The web process is killed twice and told to stop once, and started again each time."""
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            self.machine.kill("web", number)
            self._sell(1)
            self.machine.start_process("web")
            told = self.machine.events_stored()
            wait_until(lambda told=told: self.machine.events_stored() > told, START_SECONDS_MAX)

    def _sell(self, count):
        """Let `count` more customers pay twice."""
        wanted = len(self.machine.duplicates) + count
        wait_until(
            lambda: len(self.machine.duplicates) >= wanted or not self.sales.is_alive(),
            START_SECONDS_MAX,
            self.machine.keep_running,
        )


@pytest.fixture(scope="module", params=ENGINES)
def bad_day(request, database_templates, tmp_path_factory):
    databases = Databases(database_templates, tmp_path_factory.mktemp("database"))
    machine = Machine(
        tmp_path_factory.mktemp("machine"), databases.url(request.param), deliveries=HABITS
    )
    try:
        machine.start()
        yield BadDay(machine)
    finally:
        machine.stop()
        databases.close()


def test_each_duplicate_once(bad_day):
    """Each duplicate is refunded once, in full; no honest payment is, and none is forgotten."""
    assert NOTHING_WRONG == bad_day.report.wrong
    assert len(bad_day.machine.duplicates) == len(bad_day.report.ok)
    assert bad_day.sales.honest


def test_acknowledged_means_stored(bad_day):
    """Each delivery answered 2xx has its one row with the same bytes, and each row was acknowledged (I1)."""
    stored = Counter(bad_day.machine.stored())

    assert set(stored) == set(bad_day.machine.acknowledged())
    assert {1} == set(stored.values())
    assert set() == bad_day.machine.untold()


def test_redis_away(bad_day):
    """While Redis is away every delivery is still answered 200 (F2)."""
    assert {200} == {attempt["status"] for attempt in bad_day.away}


def test_web_restarts(bad_day):
    """Deliveries that met no receiver are made again and stored; nothing but silence was their answer."""
    unanswered = {one["event_id"] for one in bad_day.attempts if one["status"] != 200}

    assert unanswered
    assert {None, 200} >= {one["status"] for one in bad_day.attempts} - {503}
    assert unanswered <= {event_id for event_id, _ in bad_day.machine.stored()}


def test_repeats(bad_day):
    """Events arrive up to 50 times, some copies at the same moment, and make one row each (F9)."""
    copies = Counter(event_id for event_id, _ in bad_day.machine.acknowledged())

    assert 1 in copies.values()
    assert 30 < max(copies.values()) <= 50
    assert set(copies) == {event_id for event_id, _ in bad_day.machine.stored()}


def test_nothing_is_stranded(bad_day):
    """Each event is settled, none is parked, and every invariant of the ledger holds."""
    states = {row.state for row in bad_day.machine.rows(select(events.c.state))}

    assert states <= {EventState.DECIDED, EventState.IGNORED}
    assert [] == bad_day.machine.breaches()
