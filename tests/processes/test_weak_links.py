"""Slow, cut and refused connections, Redis without its disk, a rolling restart and clocks that disagree.

All of it strikes one machine, one thing after another, while the shops sell on; the tests then
look at what became of it. Clocks are set back only: what a process with a clock ahead puts off waits until
the others' clocks get there, which loses nothing and takes as long as the clock is ahead.
"""

import contextlib
import random
import signal
from collections import Counter

import pytest
from sqlalchemy import select

from ledger.tables import events, refund_intents
from tests.processes.chronicle import Chronicle
from tests.processes.fault_kinds import FaultKinds
from tests.processes.machine import (
    NOTHING_WRONG,
    START_SECONDS_MAX,
    clock,
    is_success,
    wait_until,
)
from tests.processes.own_database import own_database
from tests.processes.skewed_clock import library
from tests.processes.trade import trading
from tests.processes.weak_machine import WeakMachine

EVENTS_PER_SECOND = 12
DELIVERIES = "--repeats 0.05 --speed 100"
ILL_SECONDS = 2.0
#: A judgement takes tens of round trips to the database, and one of a few to anybody else.
SLOW_SECONDS = {"redis": 0.2, "database": 0.02, "stripe": 0.5, "deliveries": 0.2}
CUT_ANSWERS = 3
#: A stretch tells something only of deliveries; shops that sold ahead of their rate pause for seconds.
ATTEMPTS_MIN = 6
SKEW_SECONDS = 600
SKEWED_SECONDS_MAX = 90
SKEWED_DUPLICATES = 4
pytestmark = [pytest.mark.processes, pytest.mark.timeout(420)]

LINKS = ("redis", "database", "stripe", "deliveries")


class RoughDay:
    """A machine after all of it, quiet again; `during` has the deliveries of each stretch by name."""

    def __init__(self, machine):
        self.machine = machine
        self.began_ms = clock.now_ms()
        self.during, self.cuts = {}, {}
        links = (
            machine.redis_link,
            machine.database_link,
            machine.stripe_link,
            machine.door_link,
        )
        self.links = {name: link for name, link in zip(LINKS, links, strict=True) if link}
        with trading(machine, EVENTS_PER_SECOND):
            self._wait_for_sales()
            self._lose_redis_disk()
            self._weaken_every_link()
            self._restart_in_turn()
            if library() is not None:
                self._set_clocks_apart()
        machine.settle()
        self.report = machine.report()

    def _lose_redis_disk(self):
        with self._stretch("redis without its disk"):
            self.machine.redis_away = True
            self.machine.wipe_redis()
            self._go_on(1.0)
            self.machine.redis_away = False
            self._go_on(ILL_SECONDS)

    def _weaken_every_link(self):
        with self._stretch("slow"):
            for name, link in self.links.items():
                link.slow(SLOW_SECONDS[name])
            self._go_on(2 * ILL_SECONDS)
        self.machine.links.restore()
        for name, link in self.links.items():
            before = link.cuts
            with self._stretch(f"cut {name}"):
                link.cut()
                link.cut_answers(CUT_ANSWERS)
                self._go_on(ILL_SECONDS)
                # Stripe is not called at every moment.
                wait_until(
                    lambda link=link, before=before: link.cuts > before,
                    START_SECONDS_MAX,
                    self.machine.keep_running,
                )
            self.cuts[name] = link.cuts - before
            with self._stretch(f"refused {name}"):
                link.refuse()
                self._go_on(ILL_SECONDS)
            link.restore()
            self._wait_for_sales()

    def _restart_in_turn(self):
        self.chronicle = Chronicle(self.machine)
        kinds = FaultKinds(self.machine, random.Random(1), self.chronicle, None)
        with self._stretch("rolling restart"):
            for seconds in kinds.every["rolling restart"]():
                self._go_on(seconds)

    def _set_clocks_apart(self):
        """One worker and one of the effects fall ten minutes behind the others, and the receiver four."""
        skews = {"worker": -SKEW_SECONDS, "effects": -SKEW_SECONDS, "web": -240}
        with self._stretch("clock skew"):
            for name, seconds in skews.items():
                self._restart(name, seconds)
            sold = len(self.machine.duplicates)
            # Whether the one behind gets a refund to send is chance: it must have had one.
            wait_until(
                lambda: (
                    len(self.machine.duplicates) > sold + SKEWED_DUPLICATES and self.sent_behind()
                ),
                SKEWED_SECONDS_MAX,
                self.machine.keep_running,
            )
            for name in skews:
                self._restart(name, 0)

    def settled_behind(self):
        """The events that a worker settled whose clock was behind: before the day began, as it says."""
        return self.machine.rows(select(events.c.id).where(events.c.settled_ms < self._long_ago_ms))

    def sent_behind(self):
        """The refunds that were sent by the one whose clock was behind."""
        sent = refund_intents.c.first_sent_ms < self._long_ago_ms
        return self.machine.rows(select(refund_intents.c.id).where(sent))

    @property
    def _long_ago_ms(self):
        return self.began_ms - SKEW_SECONDS * 1000 / 2

    def _restart(self, name, seconds):
        before = self.machine.pid(name)
        self.machine.skew(name, seconds, signal.SIGTERM)
        wait_until(
            lambda: self.machine.pid(name) not in (before, None),
            START_SECONDS_MAX,
            self.machine.keep_running,
        )

    @contextlib.contextmanager
    def _stretch(self, name):
        before = len(self.machine.attempts())
        yield
        wait_until(
            lambda: len(self.machine.attempts()) >= before + ATTEMPTS_MIN,
            START_SECONDS_MAX,
            self.machine.keep_running,
        )
        self.during[name] = self.machine.attempts()[before:]

    def _go_on(self, seconds):
        ends = clock.monotonic() + seconds
        wait_until(lambda: clock.monotonic() > ends, START_SECONDS_MAX, self.machine.keep_running)

    def _wait_for_sales(self):
        told = self.machine.events_stored()
        wait_until(
            lambda: self.machine.events_stored() > told + EVENTS_PER_SECOND,
            START_SECONDS_MAX,
            self.machine.keep_running,
        )

    def statuses(self, name):
        """How often each HTTP status was answered during a stretch."""
        return Counter(one["status"] for one in self.during[name])


#: PostgreSQL alone: a file has no link that could be weak, and the others are the same beside it.
@pytest.fixture(scope="module", params=["postgresql"])
def day(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    with own_database(request.param, folder) as (url, _):
        machine = WeakMachine(folder, url, deliveries=DELIVERIES)
        try:
            machine.start()
            yield RoughDay(machine)
        finally:
            machine.stop()


def test_each_duplicate_once(day):
    """Whatever the connections and clocks do, each duplicate is refunded once and nothing else is (I3, I6)."""
    assert NOTHING_WRONG == day.report.wrong
    assert len(day.machine.duplicates) == len(day.report.ok)


def test_acknowledged_means_stored(day):
    """Each delivery answered 2xx has its one row with the same bytes, and each row was acknowledged (I1)."""
    stored = Counter(day.machine.stored())

    assert set(stored) == set(day.machine.acknowledged())
    assert {1} == set(stored.values())
    assert set() == day.machine.untold()


def test_nothing_is_stranded(day):
    """Each event is settled, none is parked, and every invariant of the ledger holds."""
    assert [] == day.machine.parked()
    assert [] == day.machine.breaches()
    assert 0 == day.machine.open_rows()


@pytest.mark.parametrize("name", ["redis without its disk", "cut redis", "refused redis"])
def test_redis_does_not_matter_to_deliveries(day, name):
    """While Redis is cut off, refused or starts with nothing, every delivery is answered 200 (F2)."""
    assert {200} == set(day.statuses(name))


def test_slow_connections(day):
    """Over slow connections to everybody at once, deliveries are answered 200 all the same (F2, F4)."""
    assert {200} == set(day.statuses("slow"))


@pytest.mark.parametrize("name", LINKS)
def test_cut_connections(day, name):
    """Connections cut in the middle of an answer cost an answer at most: 503 or silence, never a wrong one."""
    if name not in day.links:
        pytest.skip("SQLite has no connection")

    assert day.cuts[name] >= 1
    assert {200, 503, None} >= set(day.statuses(f"cut {name}"))


def test_database_out_of_reach(day):
    """Without its database the receiver answers 503, and 200 to nothing (F4)."""
    if "database" not in day.links:
        pytest.skip("SQLite has no connection")
    answered = [one["status"] for one in day.during["refused database"]]

    assert 503 in answered
    # The first ones may have been on their way when the connection was cut.
    assert {503} == set(answered[-5:])


def test_receiver_out_of_reach(day):
    """Deliveries that found no door are made again and stored."""
    lost = {
        one["event_id"]
        for one in day.during["refused deliveries"] + day.during["cut deliveries"]
        if one["status"] is None
    }

    assert lost
    assert lost <= {event_id for event_id, _ in day.machine.stored()}


def test_rolling_restart(day):
    """While every process is replaced in turn, deliveries are answered 2xx or meet no door, and none is lost (F20)."""
    statuses = day.statuses("rolling restart")
    told = {one["event_id"] for one in day.during["rolling restart"]}

    assert len(day.machine.names) == day.chronicle.faults["orderly restart"]
    assert all(status is None or is_success(status) for status in statuses)
    assert told <= {event_id for event_id, _ in day.machine.stored()}


@pytest.mark.skipif(
    library() is None, reason="the wheel libfaketime exists for Linux on x86-64 alone"
)
def test_clocks_apart(day):
    """Workers ten minutes apart work beside each other: none undoes the other's work, none pays twice (F12)."""
    assert day.settled_behind()
    assert day.sent_behind()
    assert {200, None} >= set(day.statuses("clock skew"))
