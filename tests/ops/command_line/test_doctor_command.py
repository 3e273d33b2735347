"""`redress doctor`: each part is looked at, and whatever is wrong comes with what mends it."""

import json

import pytest
from redis import Redis
from sqlalchemy import text, update

from ledger.decisions import seal_decisions
from ledger.inbox import store_events
from ledger.states import EventState
from ledger.tables import refund_intents
from runtime.embedded_redis import EmbeddedRedis
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event, put_charge, reserve_refund
from tests.fakes.notice_rows import email, fail_notice, put_notice


@pytest.fixture
def world(redress, databases):
    """The command line and the store on one database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def examine(redress, **settings):
    """The findings by subject (of several the worst), and the exit code."""
    ran = redress("doctor", "--json", **settings)
    checks = json.loads(ran.stdout)["checks"]
    order = ["ok", "warn", "fail"]
    worst = {}
    for check in checks:
        known = worst.get(check["subject"])
        if known is None or order.index(check["level"]) > order.index(known["level"]):
            worst[check["subject"]] = check
    return worst, ran.exit_code


def test_fresh_ledger(world):
    """A fresh ledger has nothing wrong in it; only Redis, which is away here, fails."""
    checks, code = examine(world[0])

    assert {"Redis"} == {name for name, check in checks.items() if check["level"] == "fail"}
    assert 1 == code


def test_everything_that_is_wrong_can_be_mended(world):
    """Each warning and failure names a step that mends it."""
    checks, _ = examine(world[0])

    assert [] == [name for name, one in checks.items() if one["level"] != "ok" and not one["mend"]]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_redis_there(world, tmp_path):
    """With Redis there, its safety and the workers of each queue are looked at."""
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as redis:
        safe, _ = examine(world[0])
        redis.config_set("appendonly", "no")
        redis.config_set("maxmemory-policy", "allkeys-lru")
        unsafe, _ = examine(world[0])

    assert ("ok", "ok", "fail", "fail") == tuple(
        safe[name]["level"] for name in ("Redis", "Redis memory", "queue events", "queue effects")
    )
    assert "redress effects" in safe["queue effects"]["mend"]
    assert "redress notifier" in safe["queue notices"]["mend"]
    assert ("warn", "warn") == (unsafe["Redis"]["level"], unsafe["Redis memory"]["level"])


def test_settings_refused(world):
    """Settings that cannot be used are findings, not an end."""
    checks, code = examine(world[0], REDRESS_MODE="on")

    assert 1 == code
    assert "REDRESS_MODE" in checks["settings"]["found"]


def test_no_database_yet(world, tmp_path):
    """Before the first start the doctor names the command that makes the database."""
    checks, code = examine(world[0], DATABASE_URL=f"sqlite:///{tmp_path}/missing.db")

    assert (1, "run `redress up`") == (code, checks["database"]["mend"])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_not_migrated(world, databases, engine):
    """A database at an older schema fails, and nothing in it is looked at."""
    url = databases.url(engine, migrated=False)
    with databases.store(url).read() as connection:
        connection.execute(text("SELECT 1"))

    checks, _ = examine(world[0], DATABASE_URL=url)

    assert ("fail", "run `redress migrate`") == (
        checks["database"]["level"],
        checks["database"]["mend"],
    )
    assert "events" not in checks


def test_database_away(world):
    """A database that does not answer is a finding; Redis is looked at all the same."""
    checks, code = examine(world[0], DATABASE_URL="postgresql://a:hunter2@127.0.0.1:1/b")

    assert (1, "fail") == (code, checks["database"]["level"])
    assert "Redis" in checks
    assert "hunter2" not in str(checks)


def test_stranded_events(world):
    """Events that nobody works on, and those that wait for a person, are warned of."""
    redress, store = world
    with store.write() as connection:
        store_events(connection, [new_event()], NOON_MS - 61_000)
        store_events(connection, [new_event("evt_2", state=EventState.PARKED)], NOON_MS)

    checks, _ = examine(redress)

    assert ("warn", "warn") == (checks["events"]["level"], checks["parked events"]["level"])


def test_sweeper_away(world, clock):
    """A decision that nobody sealed for long tells that no sweeper runs."""
    redress, store = world
    with store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection, "ch_1")
    fresh, _ = examine(redress)
    clock.advance(60)
    late, _ = examine(redress)
    with store.write() as connection:
        seal_decisions(connection, 10)
    swept, _ = examine(redress)

    assert ["ok", "fail", "ok"] == [one["sweeper"]["level"] for one in (fresh, late, swept)]


def test_tampered_decision(sqlite_redress):
    """A decision that was changed after its seal fails the chain and names the row."""
    redress, store = sqlite_redress
    with store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection, "ch_1")
        seal_decisions(connection, 10)
        connection.execute(text("DROP TRIGGER inv_i12_decisions_update"))
        connection.execute(text("UPDATE decisions SET mode = 'observe'"))

    checks, _ = examine(redress)

    assert "decision 1 is not as it was sealed (I12)" == checks["decision chain"]["found"]


def test_broken_invariant(world):
    """A row that contradicts an invariant fails, by its number and the row's id."""
    redress, store = world
    with store.write() as connection:
        put_charge(connection, "ch_1")
        intent = reserve_refund(connection, "ch_1")
        connection.execute(update(refund_intents).values(idempotency_key="another"))

    checks, _ = examine(redress)

    assert "fail" == checks["invariant I9"]["level"]
    assert intent.intent_id in checks["invariant I9"]["found"]


def test_failed_notice(world):
    """A notice that did not get through is warned of, with the command that sends it again."""
    redress, store = world
    row_id = put_notice(store, email())
    before, _ = examine(redress)
    fail_notice(store, row_id, NOON_MS)

    checks, _ = examine(redress)

    assert ("ok", "1 waiting, 0 failed") == (before["notices"]["level"], before["notices"]["found"])
    assert ("warn", "0 waiting, 1 failed, the oldest 0 s ago") == (
        checks["notices"]["level"],
        checks["notices"]["found"],
    )
    assert f"`redress notices retry {row_id} --reason TEXT`" in checks["notices"]["mend"]


def test_brake_shows(world):
    """A brake that is on is warned of, with how to release it."""
    redress, _ = world
    redress("brake", "on", "--reason", "why")

    checks, _ = examine(redress)

    assert "redress brake off" in checks["money brake"]["mend"]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        pytest.param({}, "no key: the sandbox is served, in enforce mode", id="sandbox"),
        pytest.param({"STRIPE_API_KEY": "sk_test_1"}, "a test key, in observe mode", id="test key"),
        pytest.param(
            {"STRIPE_API_KEY": "rk_live_1", "REDRESS_MODE": "enforce"},
            "a live key, in enforce mode: refunds move real money",
            id="live money",
        ),
    ],
)
def test_stripe(world, monkeypatch, settings, found):
    """The doctor says which Stripe is served and whether real money moves, and shows no key."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody is there: no call leaves
    if settings:
        settings = settings | {
            "STRIPE_WEBHOOK_SECRETS": "whsec_0123456789abcdef,whsec_fedcba9876543210"
        }

    checks, _ = examine(world[0], **settings)

    assert found == checks["Stripe"]["found"]
    if settings:
        assert "2 accepted" == checks["signing secrets"]["found"]
        assert checks["customer portal"]["found"].startswith("cannot be read (")
    assert "whsec" not in str(checks)


def test_people_see_a_table(world):
    """Without --json the same is a table, with what to do below it."""
    ran = world[0]("doctor")

    assert 1 == ran.exit_code
    assert "decision chain" in ran.stdout
    assert "Redis: run `redress up`" in ran.stdout
