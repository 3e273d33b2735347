"""`redress events replay`: a plan that does nothing, and a run that is bounded, audited and complete."""

import pytest
from redis import Redis
from sqlalchemy import select, update

from ledger.audit_log import entries_about
from ledger.decisions import append_decision
from ledger.inbox import claim_events, settle_events, store_events
from ledger.states import EventState
from ledger.tables import events
from ops.operator_context import current_actor
from runtime.embedded_redis import EmbeddedRedis
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import decision, new_event, put_charge, reserve_refund

RUN = ("--run", "--reason", "the rule was mended")


def put(store, *new_events):
    with store.write() as connection:
        return [row.row_id for row in store_events(connection, list(new_events), NOON_MS)]


def put_settled(store, count):
    """Events that were parked on arrival."""
    return put(
        store,
        *(
            new_event(f"evt_{at:05}", state=EventState.PARKED, note="a bug of ours")
            for at in range(count)
        ),
    )


def states(store):
    with store.read() as connection:
        rows = connection.execute(select(events.c.event_id, events.c.state).order_by(events.c.id))
        return {row.event_id: row.state for row in rows}


@pytest.fixture
def world(redress, databases):
    """The command line and the store on one database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def test_plan_does_nothing(world):
    """A bare replay counts by type and state and changes no row."""
    redress, store = world
    put_settled(store, 3)

    plan = redress.json("events", "replay", "--state", "parked")

    assert (3, 0, False) == (plan["events"], plan["replayed"], plan["run"])
    assert [{"type": "charge.succeeded", "state": "parked", "count": 3}] == plan["by_type"]
    assert {"a bug of ours": 3} == plan["parked_notes"]
    assert {"parked"} == set(states(store).values())


def test_plan_names_what_exists(world):
    """The plan tells the decisions and intents that followed already and are not made again."""
    redress, store = world
    [row_id] = put_settled(store, 1)
    with store.write() as connection:
        put_charge(connection, "ch_1")
        intent = reserve_refund(connection, "ch_1")
        append_decision(
            connection,
            case_id=intent.case_id,
            event_row_id=row_id,
            decision=decision(),
            mode="enforce",
            now_ms=NOON_MS,
        )

    plan = redress.json("replay", "evt_00000")

    assert 1 == plan["decisions"]
    assert [{"state": "reserved", "currency": "usd", "count": 1, "amount_minor": 1000}] == plan[
        "intents"
    ]
    assert "10.00 USD" in redress("replay", "evt_00000").stdout


def test_run(world):
    """A run puts every event back as new, ready at once, with its counters cleared."""
    redress, store = world
    put_settled(store, 2)
    put(store, new_event("evt_other", type="invoice.paid", state=EventState.PARKED))

    assert 2 == redress.json("replay", "--type", "charge.succeeded", *RUN)["replayed"]

    assert {"evt_00000": "new", "evt_00001": "new", "evt_other": "parked"} == states(store)
    with store.write() as connection:
        claimed = claim_events(connection, NOON_MS, 10)
    assert [1, 1] == [event.attempts for event in claimed]


def test_replayed_can_be_told(world):
    """A replayed event's fence is larger than its attempts, however it was settled before."""
    redress, store = world
    put(store, new_event("evt_1"), new_event("evt_2", state=EventState.PARKED))
    with store.write() as connection:
        [claimed] = claim_events(connection, NOON_MS, 1)
        settle_events(connection, [(claimed, EventState.DECIDED, None)], NOON_MS)
    first_time = claimed.fence - claimed.attempts

    redress("replay", "evt_1", "evt_2", *RUN)

    with store.write() as connection:
        again = claim_events(connection, NOON_MS, 10)
    assert 0 == first_time
    assert [True, True] == [event.fence > event.attempts for event in again]


def test_run_is_audited(world):
    """Each event's entry says who replayed it, why, and what it was before."""
    redress, store = world
    put_settled(store, 2)

    redress("replay", "--state", "parked", *RUN)

    with store.read() as connection:
        [entry] = entries_about(connection, "evt_00001")
    assert (current_actor(), "event.replay", "cli") == (entry.actor, entry.action, entry.origin)
    assert "the rule was mended (row 2 was parked: a bug of ours)" == entry.detail


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_waits_for_workers(world):
    """Only some events wait for a worker at a time; without one the replay stops, and goes on when told to."""
    redress, store = world
    put_settled(store, 450)

    stopped = redress("replay", "--state", "parked", *RUN)
    put_back = list(states(store).values()).count("new")
    with store.write() as connection:
        connection.execute(update(events).where(events.c.state == "new").values(state="decided"))
    resumed = redress("replay", "--resume", "1")
    with store.write() as connection:
        connection.execute(update(events).where(events.c.state == "new").values(state="decided"))
    done = redress.json("replay", "--resume", "1")

    assert [1, 1] == [stopped.exit_code, resumed.exit_code]
    assert "no worker took any of 200 events" in " ".join(stopped.stderr.split())
    assert (200, 450, True) == (put_back, done["replayed"], done["done"])
    with store.read() as connection:
        assert 1 == len(entries_about(connection, "evt_00300"))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param(["--limit", "2"], ["new", "new", "parked", "parked"], id="the oldest two"),
        pytest.param(
            ["--after", "2"], ["parked", "parked", "new", "new"], id="from where it ended"
        ),
        pytest.param(
            ["--after", "1", "--limit", "1"], ["parked", "new", "parked", "parked"], id="both"
        ),
    ],
)
def test_part_of_it(world, args, expected):
    """A replay can be cut into parts, taken in the order of arrival."""
    redress, store = world
    put_settled(store, 4)

    redress("replay", "--state", "parked", *args, *RUN)

    assert expected == list(states(store).values())


@pytest.mark.parametrize(
    ("changes", "settings", "why"),
    [
        pytest.param({"livemode": True}, {}, "of the other mode", id="live, served in test mode"),
        pytest.param({"account": "acct_9"}, {}, "of an account", id="of a foreign account"),
        pytest.param(
            {"account": "acct_9"},
            {"STRIPE_ACCOUNT": "acct_8"},
            "of an account",
            id="of another still",
        ),
        pytest.param(
            {"account": "acct_9"}, {"STRIPE_ACCOUNT": "acct_9"}, None, id="of our own now"
        ),
        pytest.param({"kind": "thin"}, {}, "thin events", id="thin"),
        pytest.param({"kind": "unreadable", "type": ""}, {}, "no event", id="unreadable"),
        pytest.param({"type": "plan.created"}, {}, "not handled", id="of a type without a handler"),
        pytest.param({"state": EventState.NEW}, {}, "not settled", id="waiting already"),
        pytest.param({"state": EventState.IGNORED}, {}, None, id="ignored by an older version"),
    ],
)
def test_left_alone(world, changes, settings, why):
    """What the receiver kept from the workers is not smuggled past it by a replay."""
    redress, store = world
    put(store, new_event(**{"state": EventState.PARKED} | changes))
    before = states(store)

    done = redress.json("replay", "evt_1", *RUN, **settings)

    if why is None:
        assert {"evt_1": "new"} == states(store)
    else:
        [(told, count)] = done["left_alone"].items()
        assert (0, 1, before) == (done["replayed"], count, states(store))
        assert why in told


def test_nothing_fits(world):
    """A filter that nothing fits is no error, and says so."""
    ran = world[0]("replay", "evt_unknown", *RUN)

    assert 0 == ran.exit_code
    assert "No event that can be replayed fits." in ran.stdout


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_rings_the_bell(world, tmp_path):
    """A run rings for the workers; a plan does not, and Redis being away is told and no failure."""
    redress, store = world
    put_settled(store, 2)

    away = redress("replay", "evt_00000", *RUN)
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as redis:
        redress("replay", "--state", "parked")
        planned = redis.llen("rq:queue:events")
        rung = redress("replay", "--state", "parked", *RUN)

        assert (0, 1) == (planned, redis.llen("rq:queue:events"))

    assert (0, 0) == (away.exit_code, rung.exit_code)
    assert "Redis is away" in away.stdout
    assert "Redis is away" not in rung.stdout
