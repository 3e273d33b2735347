"""Half a minute of chaos on each engine; `python -m tests.processes.chaos` plays the long one."""

import pytest
from sqlalchemy import func, select, update

from ledger.states import EventState
from ledger.tables import events
from tests.databases import ENGINES
from tests.processes.chaos import machine_of_its_own
from tests.processes.chaos_day import POISON, ChaosDay
from tests.processes.chaos_report import conditions, figures, shortcomings
from tests.processes.machine import NOTHING_WRONG
from tests.processes.skewed_clock import library

SEED = 20_251_125
SECONDS = 30.0
EVENTS_PER_SECOND = 12
KILLS_PER_MINUTE = 40
FAULT_SECONDS = 2.5
#: Three in four of what the rate gives; a machine that is busy with other tests takes longer for them.
KILLS_MIN = 15
DISK_MEBIBYTES = 96
pytestmark = [pytest.mark.processes, pytest.mark.timeout(420)]


@pytest.fixture(scope="module", params=ENGINES)
def day(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    with machine_of_its_own(request.param, folder, DISK_MEBIBYTES) as (machine, disk):
        day = ChaosDay(
            machine,
            disk,
            seed=SEED,
            events_per_second=EVENTS_PER_SECOND,
            kills_per_minute=KILLS_PER_MINUTE,
            fault_seconds=FAULT_SECONDS,
        )
        day.run(SECONDS, kills_min=KILLS_MIN)
        day.had_disk = disk is not None
        yield day


def test_each_duplicate_once(day):
    """Of all duplicate charges none is lost or refunded twice, and nothing else is refunded."""
    assert NOTHING_WRONG == day.report.wrong
    assert len(day.machine.duplicates) == len(day.report.ok)
    assert day.honest
    assert day.recoveries


def test_nothing_else_is_wrong(day):
    """What was acknowledged is stored, once; nothing is parked or stranded for a minute; every invariant holds."""
    assert {} == day.wrong()


def test_everything_was_struck(day):
    """Every kind of process was killed and every other kind of fault struck, or the day showed nothing."""
    killed, struck = day.kinds

    assert set() == killed - set(day.chronicle.kills)
    assert set() == struck - set(day.chronicle.faults)
    assert sum(day.chronicle.kills.values()) >= KILLS_MIN
    assert day.had_disk == ("full disk" in struck)
    assert (library() is not None) == ("clock skew" in struck)


def test_the_report_tells_a_bad_day_from_a_good_one(day):
    """A lost, unexpected or repeated refund, a breach and a slow recovery each make the report fail."""
    good = figures(day, engine="any", seed=SEED, seconds=SECONDS, conditions=conditions())
    slow = {"count": 1, "p50": 1.0, "p99": 31.0, "max": 61.0}
    fast = slow | {"p99": 30.0, "max": 60.0}
    fine = good | {"wrong": {}, "recovery_seconds": {"every duplicate charge": fast}}

    assert [] == shortcomings(fine)
    assert ["lost: ch_1"] == shortcomings(fine | {"wrong": {"lost": ["ch_1"]}})
    assert 2 == len(shortcomings(fine | {"recovery_seconds": {"every duplicate charge": slow}}))
    assert shortcomings(fine | {"duplicate_charges": 0})


def test_what_was_parked_by_chance_is_put_back(day):
    """The operator's replay takes an event that died three times by chance to its end."""
    last = select(func.max(events.c.id)).scalar_subquery()
    with day.machine.store.write() as connection:
        connection.execute(
            update(events)
            .where(events.c.id == last)
            .values(state=EventState.PARKED.value, note=f"{POISON}three deaths")
        )

    assert 1 == len(day.machine.parked())
    day.machine.replay_parked()
    day.machine.settle()
    assert [] == day.machine.parked()
