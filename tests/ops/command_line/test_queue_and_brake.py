"""`redress queue status` and `redress brake`: what waits where, and the one switch for all money."""

from pathlib import Path

import pytest
from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from sqlalchemy import select, update

from ledger.audit_log import entries_about
from ledger.brake import read_brake
from ledger.inbox import claim_events, store_events
from ledger.look_ups import want_look_up
from ledger.states import EventState
from ledger.tables import refund_intents
from ops.operator_context import current_actor
from ops.queue_readings import WORKED_BY
from ops.supervisor import procfile_commands
from runtime.clock import SystemClock
from runtime.embedded_redis import EmbeddedRedis
from runtime.limits import LEASE_MS
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event, put_charge, reserve_refund
from tests.fakes.notice_rows import email, fail_notice, put_notice

ROOT = Path(__file__).parents[3]
REASON = ("--reason", "looking into a wrong refund")


@pytest.fixture
def world(redress, databases):
    """The command line and the store on one database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


@pytest.fixture
def redis(tmp_path):
    """A real server where the command line's settings expect it."""
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
        yield client


def put_refund(store, held=None):
    with store.write() as connection:
        put_charge(connection, "ch_1")
        intent = reserve_refund(connection, "ch_1")
        if held:
            later = NOON_MS + 60_000
            connection.execute(
                update(refund_intents).values(held=held, next_attempt_ms=later, fence=1)
            )
    return intent


def test_status_counts(world, clock):
    """Every kind of waiting work is counted, with the age of the oldest."""
    redress, store = world
    with store.write() as connection:
        store_events(connection, [new_event("evt_1"), new_event("evt_2")], NOON_MS - 90_000)
        claim_events(connection, NOON_MS, 1)
        store_events(connection, [new_event("evt_3", state=EventState.PARKED)], NOON_MS)
        want_look_up(connection, "charge", "ch_1", "why", NOON_MS)
    put_refund(store, held="all money is stopped by erika: why")

    status = redress.json("queue", "status")
    clock.advance(LEASE_MS / 1000 + 5)

    assert {
        "waiting": 1,
        "delayed": 0,
        "claimed": 1,
        "parked": 1,
        "oldest_waiting_ms": 90_000,
        "overdue_lease_ms": None,
    } == status["events"]
    assert 5_000 == redress.json("queue", "status")["events"]["overdue_lease_ms"]
    assert {"wanted": 1, "due": 1} == status["look_ups"]
    assert {"all money is stopped by erika: why": 1} == status["held"]
    assert 1 == status["intents"]["reserved"]


def test_status_without_redis(world):
    """Redis being away is said, and is no failure."""
    redress, _ = world

    ran = redress("queue", "status")

    assert 0 == ran.exit_code
    assert "Redis does not answer" in ran.stdout
    assert [] == redress.json("queue", "status")["queues"]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_status_with_redis(world, redis):
    """With Redis there, wake-ups, workers and failed jobs of each queue are counted."""
    redress, _ = world
    redis.rpush("rq:queue:effects", "job-1", "job-2")
    redis.zadd("rq:failed:events", {"job-3": 9_999_999_999})

    assert [
        {"name": "events", "jobs": 0, "workers": 0, "failed": 1},
        {"name": "effects", "jobs": 2, "workers": 0, "failed": 0},
        {"name": "notices", "jobs": 0, "workers": 0, "failed": 0},
    ] == redress.json("queue", "status")["queues"]
    said = redress("queue", "status").stdout
    commands = set(procfile_commands(ROOT / "Procfile").values())
    assert all(f"start `redress {command}`" in said for command in WORKED_BY.values())
    assert {f"redress {command}" for command in WORKED_BY.values()} <= commands


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_workers_that_live(world, redis):
    """A worker counts while it is heard of; one that was killed does not, though RQ still lists it."""
    redress, _ = world
    redress.clock = SystemClock()  # RQ's heartbeats are of the machine's own clock
    queue = Queue("events", connection=redis, serializer=JSONSerializer)
    Worker([queue], name="alive", connection=redis, serializer=JSONSerializer).register_birth()
    Worker([queue], name="killed", connection=redis, serializer=JSONSerializer).register_birth()
    redis.hset("rq:worker:killed", "last_heartbeat", "2026-01-01T12:00:00.000000Z")

    status = redress.json("queue", "status")

    assert [1, 0, 0] == [queue["workers"] for queue in status["queues"]]


def test_brake_on(world):
    """`brake on` stops all money, and the audit log keeps who did it and why."""
    redress, store = world

    assert 0 == redress("brake", "on", *REASON).exit_code

    with store.read() as connection:
        brake = read_brake(connection)
        [entry] = entries_about(connection, "brake")
    assert (True, "looking into a wrong refund", current_actor()) == (
        brake.stopped,
        brake.reason,
        brake.actor,
    )
    assert ("brake.on", "cli", brake.reason) == (entry.action, entry.origin, entry.detail)


def test_brake_off(world):
    """`brake off` makes what was kept back due at once; both turns of the switch are audited."""
    redress, store = world
    put_refund(store, held="all money is stopped")
    redress("brake", "on", *REASON)

    ran = redress("brake", "off", "--reason", "mended")

    assert "1 refund that waited can leave now." in ran.stdout
    with store.read() as connection:
        assert NOON_MS == connection.execute(select(refund_intents.c.next_attempt_ms)).scalar()
        assert not read_brake(connection).stopped
        actions = [entry.action for entry in entries_about(connection, "brake")]
    assert ["brake.on", "brake.off"] == actions


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_brake_off_rings(world, redis):
    """What `brake off` releases is rung for."""
    redress, store = world
    put_refund(store, held="all money is stopped")
    redress("brake", "on", *REASON)

    ran = redress("brake", "off", *REASON)

    assert 1 == redis.llen("rq:queue:effects")
    assert "Redis is away" not in ran.stdout


def test_brake_off_that_was_not_on(world):
    """Releasing a brake that is not on changes nothing and is said."""
    redress, store = world

    ran = redress("brake", "off", *REASON)

    assert 0 == ran.exit_code
    assert "was not on" in ran.stdout
    with store.read() as connection:
        assert [] == entries_about(connection, "brake")


def test_brake_status(world):
    """The status names who stopped money, when and why, and what is kept back."""
    redress, store = world
    put_refund(store, held="all money is stopped")
    released = redress("brake", "status").stdout
    redress("brake", "on", *REASON)

    stopped = redress("brake", "status").stdout

    assert "The brake is off" in released
    assert "ON" in stopped
    assert f"Stopped by {current_actor()} at 2026-01-01 12:00:00 UTC: {REASON[1]}" in stopped
    assert {"all money is stopped": 1} == redress.json("brake", "status")["held"]


def test_failed_notices(world, clock):
    """Notices that did not get through are counted, with the oldest and what sends it again."""
    redress, store = world
    put_notice(store, email("a"))
    failed = [put_notice(store, email(key)) for key in ("b", "c")]
    quiet = redress.json("queue", "status")["notices"]
    for row_id in failed:
        fail_notice(store, row_id, clock.now_ms())
        clock.advance(60)

    ran = redress("queue", "status")

    assert {
        "waiting": 3,
        "failed": 0,
        "oldest_failed": None,
        "oldest_failed_ms": None,
    } == quiet
    assert {
        "waiting": 1,
        "failed": 2,
        "oldest_failed": failed[0],
        "oldest_failed_ms": 120_000,
    } == redress.json("queue", "status")["notices"]
    assert "2, the oldest for 2 min" in ran.stdout
    assert f"`redress notices retry {failed[0]} --reason TEXT`" in ran.stdout
    assert 80 >= max(len(line) for line in ran.stdout.splitlines() if "notice" in line)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_pause_and_resume(world, redis):
    """The workers are stopped and let go on, with the reason; who looks is told that they rest."""
    redress, store = world
    assert 2 == redress("queue", "pause").exit_code
    assert 0 == redress("queue", "pause", "--reason", "an incident").exit_code
    assert redis.exists("rq:suspended")
    assert redress.json("queue", "status")["paused"] is True
    assert "The workers are paused" in redress("queue", "status").stdout
    assert "paused: events and refunds wait" in redress("doctor").stdout

    redress("queue", "resume", "--reason", "it is over")

    assert redress.json("queue", "status")["paused"] is False
    with store.read() as connection:
        found = [(one.action, one.detail) for one in entries_about(connection, "queues")]
    assert [("queue.pause", "an incident"), ("queue.resume", "it is over")] == found


def test_pause_without_redis(world):
    """Where nobody can be stopped, it is told, and nobody is said to have been."""
    redress, store = world
    ran = redress("queue", "pause", "--reason", "an incident")
    assert 1 == ran.exit_code
    assert "Redis does not answer" in ran.stderr
    with store.read() as connection:
        assert not entries_about(connection, "queues")
