"""`redress metrics`: what the ledger tells and what processes count, added up over forks, restarts and merchants."""

import signal
import subprocess
import urllib.request

import pytest
from sqlalchemy import update

from ledger.brake import Brake, set_brake
from ledger.inbox import store_events
from ledger.tables import cases
from ops.metrics_exporter import InstallationMetrics
from runtime.embedded_redis import EmbeddedRedis
from runtime.meter_files import FOLDER
from runtime.meters import METERS
from runtime.wiring import open_wiring
from tests.fakes.frozen_clock import NOON_MS, FrozenClock
from tests.fakes.ledger_rows import new_event, put_case, put_charge
from tests.fakes.worker_world import worker_settings
from tests.free_ports import free_port
from tests.ops.metrics.conftest import COUNT_ALL, full_ledger, run_counting, scrape
from tests.processes.machine import wait_until
from tests.processes.up_process import REDRESS

FORKS = """
import os, sys
from pathlib import Path
from runtime import meters
from runtime.meter_files import begin_metering
begin_metering(Path(sys.argv[1]), sys.argv[2])
for _ in range(40):
    child = os.fork()
    if child == 0:
        for _ in range(5):
            meters.count("settled", "decided")
            meters.observe("decision_lag", 0.7)
        os._exit(0)
    os.waitpid(child, 0)
"""
BESIDE = """
import sys
from pathlib import Path
from runtime import meters
from runtime.meter_files import begin_metering
begin_metering(Path(sys.argv[1]), sys.argv[2])
meters.count("settled", "decided")
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def wiring(store, tmp_path):
    """The parts over a database on each engine; Redis is away."""
    url = store.engine.url.render_as_string(hide_password=False)
    with open_wiring(worker_settings(tmp_path, database_url=url), FrozenClock()) as made:
        yield made


def value(found, name, **labels):
    """One sample."""
    return found[name][tuple(sorted({"merchant": "", **labels}.items()))]


def test_forks_lose_nothing(wiring):
    """RQ forks for each job: what forty forks count, and what another start in their place counts, is all there."""
    data = wiring.settings.redress_data
    run_counting(FORKS, data)
    run_counting(FORKS, data)

    found = scrape(InstallationMetrics({"": wiring}))

    assert 400 == value(found, "redress_events_settled_total", state="decided")
    assert 400 == value(found, "redress_decision_lag_seconds_count")
    assert 0 == value(found, "redress_decision_lag_seconds_bucket", le="0.5")
    assert 400 == value(found, "redress_decision_lag_seconds_bucket", le="1.0")
    assert ["counter_worker-0.db", "histogram_worker-0.db"] == sorted(
        file.name for file in (data / FOLDER).glob("*.db")
    )


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_two_at_once_have_places_of_their_own(wiring):
    """Two processes of one kind never write one file, and their numbers are added up."""
    data = wiring.settings.redress_data
    code = ["-c", BESIDE, str(data), "worker"]
    running = [
        subprocess.Popen(
            [REDRESS.parent / "python", *code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for one in running:
        assert b"counted\n" == one.stdout.readline()
    for one in running:
        one.communicate(timeout=20)

    found = scrape(InstallationMetrics({"": wiring}))

    assert 2 == value(found, "redress_events_settled_total", state="decided")
    assert 4 == len(list((data / FOLDER).glob("*.db")))


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_files_have_their_size_from_the_start(wiring):
    """A file is written whole before it is mapped, so that a disk that fills up later kills nobody; all meters fit."""
    data = wiring.settings.redress_data
    run_counting(COUNT_ALL, data)

    for file in (data / FOLDER).glob("*.db"):
        assert 65_536 == file.stat().st_size <= file.stat().st_blocks * 512


def test_what_the_ledger_tells(wiring):
    """Each gauge is what the rows say at the moment of the scrape."""
    full_ledger(wiring.store)
    with wiring.store.write() as connection:
        store_events(connection, [new_event("evt_1"), new_event("evt_2")], NOON_MS - 90_000)
        put_charge(connection, "ch_2")
        put_case(connection, "ch_2")
        connection.execute(update(cases).values(state="review", due_ms=NOON_MS - 7_200_000))
        brake = Brake(stopped=True, reason="a drill", actor="ada", changed_ms=NOON_MS)
        set_brake(connection, brake, origin="cli")

    found = scrape(InstallationMetrics({"": wiring}))

    assert 2 == value(found, "redress_inbox_events", state="waiting")
    assert 90 == value(found, "redress_oldest_waiting_seconds")
    assert 1 == value(found, "redress_brake_on")
    assert 7200 == value(found, "redress_case_overdue_seconds")
    assert 1 == value(found, "redress_refund_intents", state="succeeded")
    assert 1 == value(found, "redress_books_agree")
    assert {"usd"} == {dict(labels)["currency"] for labels in found["redress_refunded_day_minor"]}
    assert (1, 0) == tuple(value(found, "redress_up", part=part) for part in ("database", "redis"))


def test_a_part_that_is_away(tmp_path):
    """A database that does not answer is said so, and the scrape is an answer all the same."""
    settings = worker_settings(tmp_path, database_url="postgresql://a:b@127.0.0.1:1/c")
    with open_wiring(settings, FrozenClock()) as wiring:
        found = scrape(InstallationMetrics({"": wiring}))

    assert 0 == value(found, "redress_up", part="database")
    assert "redress_brake_on" not in found


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_merchants_are_told_apart(wiring, databases, tmp_path):
    """Each family is there once, with a sample for each merchant, and a process counts for its own."""
    other = worker_settings(tmp_path / "other", database_url=databases.url("sqlite"))
    run_counting(COUNT_ALL, other.redress_data)
    with wiring.store.write() as connection:
        brake = Brake(stopped=True, reason="a drill", actor="ada", changed_ms=NOON_MS)
        set_brake(connection, brake, origin="cli")
    with open_wiring(other, FrozenClock()) as theirs:
        found = scrape(InstallationMetrics({"": wiring, "atelier": theirs}))

    assert {"": 1, "atelier": 0} == {
        dict(labels)["merchant"]: number for labels, number in found["redress_brake_on"].items()
    }
    counted = found["redress_events_settled_total"]
    assert {"atelier"} == {dict(labels)["merchant"] for labels in counted}


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_every_scrape_is_as_the_first(wiring, databases, tmp_path):
    """What is kept between scrapes of several merchants is served as it is: no sample twice, none of another's."""
    other = worker_settings(tmp_path / "other", database_url=databases.url("sqlite"))
    full_ledger(wiring.store)
    with open_wiring(other, FrozenClock()) as theirs:
        full_ledger(theirs.store)
        collector = InstallationMetrics({"": wiring, "atelier": theirs})
        scrapes = [
            sorted(
                (sample.name, tuple(sorted(sample.labels.items())), sample.value)
                for family in collector.collect()
                for sample in family.samples
            )
            for _ in range(3)
        ]

    assert scrapes[0] == scrapes[1] == scrapes[2]
    assert 2 == sum(name == "redress_books_agree" for name, *_ in scrapes[0])


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_served_over_http(database_url, tmp_path):
    """The process serves the numbers on its port, of Redis as well, and ends when it is asked to."""
    port = free_port()
    environ = {
        "DATABASE_URL": database_url,
        "REDRESS_DATA": str(tmp_path),
        "REDRESS_METRICS_PORT": str(port),
    }
    with EmbeddedRedis(tmp_path):
        process = subprocess.Popen([REDRESS, "metrics"], env=environ)

        def served():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    return answer.read().decode()
            except OSError:
                return None

        text = wait_until(served, 20)
        process.send_signal(signal.SIGTERM)

        assert 0 == process.wait(20)
    assert 'redress_up{merchant="",part="redis"} 1.0' in text
    assert 'redress_queue_workers{merchant="",queue="events"} 0.0' in text
    printed = subprocess.run(
        [REDRESS, "metrics", "--print"], env=environ, capture_output=True, text=True, check=True
    )
    assert 'redress_up{merchant="",part="redis"} 0.0' in printed.stdout


def test_meters_are_whole():
    """Each meter has a name of its own and says what it counts; a histogram has no labels, a counter no buckets."""
    assert len(METERS) == len({meter.name for meter in METERS.values()})
    assert all(meter.help.endswith(".") for meter in METERS.values())
    assert [] == [name for name, meter in METERS.items() if meter.labels and meter.buckets]
