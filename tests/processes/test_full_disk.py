"""The database's disk is full: what cannot be stored is not acknowledged, and all of it comes later.

The database lies on a tmpfs of a few megabytes (PostgreSQL's in a tablespace there; its log of changes
stays on the ordinary disk, because PostgreSQL stops altogether when that one is full).
"""

import http.client
from collections import Counter

import pytest

from tests.databases import ENGINES
from tests.processes.machine import (
    NOTHING_WRONG,
    START_SECONDS_MAX,
    clock,
    is_success,
    wait_until,
)
from tests.processes.own_database import own_database
from tests.processes.small_disk import NoSmallDiskError
from tests.processes.trade import trading
from tests.processes.weak_machine import WeakMachine

DISK_MEBIBYTES = 48
EVENTS_PER_SECOND = 15
BEFORE_EVENTS = 40
#: So many refusals in a row mean that the last gaps in half-empty pages are used up too.
REFUSED_IN_A_ROW = 12
FULL_SECONDS_MAX = 60
RED_SECONDS_MAX = 10
pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


class FullDisk:
    """A machine after its disk was full, all quiet again; `attempts` are the deliveries meanwhile."""

    def __init__(self, machine, disk):
        self.machine = machine
        with trading(machine, EVENTS_PER_SECOND):
            wait_until(lambda: machine.events_stored() > BEFORE_EVENTS, START_SECONDS_MAX)
            self.ready_before = self._ready()
            before = len(machine.attempts())
            disk.fill()
            wait_until(lambda: self._refused(before), FULL_SECONDS_MAX, machine.keep_running)
            self.turned_red = self._turns_red()
            self.attempts = machine.attempts()[before:]
            disk.free()
            wait_until(lambda: 200 == self._ready(), FULL_SECONDS_MAX, machine.keep_running)
            told = machine.events_stored()
            wait_until(lambda: machine.events_stored() > told + BEFORE_EVENTS, FULL_SECONDS_MAX)
        machine.settle()
        self.report = machine.report()

    def _refused(self, before):
        """Whether enough deliveries in a row were refused."""
        last = [one["status"] for one in self.machine.attempts()[before:]][-REFUSED_IN_A_ROW:]
        return [503] * REFUSED_IN_A_ROW == last

    def _turns_red(self):
        """Whether the readiness, which writes less than a delivery does, is 503 soon as well."""
        give_up = clock.monotonic() + RED_SECONDS_MAX
        while clock.monotonic() < give_up:
            if 503 == self._ready():
                return True
            clock.sleep(0.2)
        return False

    def _ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.machine.web_port, timeout=10)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module", params=ENGINES)
def full(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    try:
        database = own_database(request.param, folder, DISK_MEBIBYTES)
        with database as (url, disk):
            machine = WeakMachine(folder, url)
            try:
                machine.start()
                yield FullDisk(machine, disk)
            finally:
                machine.stop()
    except NoSmallDiskError as missing:
        pytest.skip(str(missing))


def test_refused_while_full(full):
    """With no space left a delivery is answered 503, and nothing else but 200 for what was stored (F5)."""
    statuses = Counter(one["status"] for one in full.attempts)
    acknowledged = {
        (one["event_id"], one["sha256"]) for one in full.attempts if is_success(one["status"])
    }

    assert {200, 503} >= set(statuses)
    assert statuses[503] >= REFUSED_IN_A_ROW
    assert acknowledged <= set(full.machine.stored())


def test_readiness(full, request):
    """The receiver says that it is not ready while it cannot store, and that it is once it can."""
    if full.machine.database_link is not None:
        reason = (
            "PostgreSQL's readiness takes a transaction id, which needs no space in a tablespace"
        )
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    assert 200 == full.ready_before
    assert full.turned_red


def test_all_of_it_comes_later(full):
    """When there is space again every event is stored once, and each duplicate is refunded once."""
    stored = Counter(full.machine.stored())

    assert set(stored) == set(full.machine.acknowledged())
    assert {1} == set(stored.values())
    assert set() == full.machine.untold()
    assert NOTHING_WRONG == full.report.wrong
    assert len(full.machine.duplicates) == len(full.report.ok)


def test_nothing_is_stranded(full):
    """No event is parked for what the disk did, and every invariant of the ledger holds."""
    assert [] == full.machine.parked()
    assert [] == full.machine.breaches()
