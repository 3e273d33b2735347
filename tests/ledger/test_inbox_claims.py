"""Claims: one worker per lane, leases that end, fences that keep the taken-for-dead from writing."""

import threading

import pytest
from sqlalchemy import select, text, update

from ledger.inbox import (
    _WAITING,
    claim_events,
    release_event,
    release_expired,
    settle_events,
    still_mine,
    store_events,
    waiting_count,
)
from ledger.states import EventState
from ledger.tables import events
from runtime.limits import LEASE_MS, POISON_KILLS_MAX, TRIES_TOGETHER_MAX, WARY_ROWS_MAX
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event

LEASE_ENDS_MS = NOON_MS + LEASE_MS


def put_events(store, *lanes):
    """Store one event per lane named, `evt_1` on."""
    with store.write() as connection:
        store_events(
            connection,
            [new_event(f"evt_{at:04}", lane=lane) for at, lane in enumerate(lanes, start=1)],
            NOON_MS,
        )


def claim(store, now_ms=NOON_MS, count_max=10):
    with store.write() as connection:
        return claim_events(connection, now_ms, count_max)


def settle(store, claimed, state=EventState.DECIDED, note=None):
    with store.write() as connection:
        settle_events(connection, [(event, state, note) for event in claimed], NOON_MS)


def expire(store, now_ms=LEASE_ENDS_MS, count_max=10):
    with store.write() as connection:
        return release_expired(connection, now_ms, count_max)


def mine(store, claimed, now_ms=NOON_MS):
    with store.write() as connection:
        return still_mine(connection, claimed, now_ms)


def row(store, event_id="evt_0001"):
    with store.read() as connection:
        return connection.execute(select(events).where(events.c.event_id == event_id)).one()


def ids(claimed):
    return [event.event_id for event in claimed]


def test_oldest_first(store):
    """Events are claimed in the order in which they were stored, as many as asked for."""
    put_events(store, "a", "b", "c")

    assert ["evt_0001", "evt_0002"] == ids(claim(store, count_max=2))
    assert ["evt_0003"] == ids(claim(store, count_max=2))
    assert [] == claim(store)


def test_claim_marks_the_row(store):
    """A claim sets the lease, raises the fence and counts the attempt, and tells so to the claimant."""
    put_events(store, "a")

    [event] = claim(store)

    held = row(store)
    assert ("claimed", LEASE_ENDS_MS, 1, 1) == (
        held.state,
        held.lease_until_ms,
        held.fence,
        held.attempts,
    )
    assert (1, 1, b'{"id":"evt_0001"}') == (event.fence, event.attempts, bytes(event.payload))


def test_lane_is_exclusive(store):
    """While one event of a lane is claimed, the lane's other events wait and other lanes go on."""
    put_events(store, "a", "a", "b")
    first = claim(store, count_max=1)

    assert ["evt_0003"] == ids(claim(store))

    settle(store, first)

    assert ["evt_0002"] == ids(claim(store))


def test_lane_in_one_claim(store):
    """One claimant takes several events of a lane together, oldest first."""
    put_events(store, "a", "a", "a")

    assert ["evt_0001", "evt_0002", "evt_0003"] == ids(claim(store))


@pytest.mark.parametrize("state", [EventState.IGNORED, EventState.PARKED, EventState.DECIDED])
def test_only_new_ones(store, state):
    """What is ignored, parked or decided is never claimed."""
    with store.write() as connection:
        store_events(connection, [new_event(state=state)], NOON_MS)

    assert [] == claim(store)


def test_locked_rows_are_skipped(postgres_store):
    """On PostgreSQL a claim passes by a row that somebody holds, instead of waiting for it."""
    put_events(postgres_store, "a", "b")
    with postgres_store.write() as holder:
        holder.execute(select(events).where(events.c.event_id == "evt_0001").with_for_update())

        assert ["evt_0002"] == ids(claim(postgres_store))


def test_a_thousand_claims_at_once(store, databases, database_url):
    """Eight claimants on two stores share 1,000 events: each is claimed once, no lane by two at a time."""
    put_events(store, *(f"lane {number % 300}" for number in range(1000)))
    held_lanes, watch, claims = set(), threading.Lock(), []

    def work(own_store):
        while True:
            claimed = claim(own_store, count_max=7)
            lanes = {event.lane for event in claimed}
            with watch:
                assert not lanes & held_lanes
                held_lanes.update(lanes)
                claims.extend(event.row_id for event in claimed)
            with watch:
                held_lanes.difference_update(lanes)
            settle(own_store, claimed)
            with own_store.read() as connection:
                if not waiting_count(connection, NOON_MS):
                    return

    at_once(work, [store, databases.store(database_url)] * 4)

    with store.read() as connection:
        rows = connection.execute(select(events)).all()
    assert sorted(claims) == sorted({one.id for one in rows})
    assert {("decided", 1, 1)} == {(one.state, one.fence, one.attempts) for one in rows}


def test_settle(store):
    """Settling writes state, reason and time, and ends the lease."""
    put_events(store, "a")

    settle(store, claim(store), EventState.PARKED, "no amount in it")

    done = row(store)
    assert ("parked", "no amount in it", NOON_MS, None) == (
        done.state,
        done.note,
        done.settled_ms,
        done.lease_until_ms,
    )


def test_settle_nothing(store):
    """Settling no events is no statement."""
    settle(store, [])


@pytest.mark.parametrize(
    ("now_ms", "held"),
    [
        pytest.param(LEASE_ENDS_MS - 1, True, id="its last millisecond"),
        pytest.param(LEASE_ENDS_MS, False, id="its end"),
    ],
)
def test_lease_end(store, now_ms, held):
    """At each moment an event is either its claimant's or may be taken back, never both or neither."""
    put_events(store, "a")
    claimed = claim(store)

    assert held == bool(mine(store, claimed, now_ms))
    assert held != bool(expire(store, now_ms))


def test_stale_claimant(store):
    """A worker that was taken for dead can neither settle nor release what its successor holds."""
    put_events(store, "a")
    stale = claim(store)
    expire(store)
    [successor] = claim(store, LEASE_ENDS_MS)

    settle(store, stale, EventState.IGNORED)
    with store.write() as connection:
        released = release_event(connection, stale[0], NOON_MS, "failed")

    assert not released
    assert set() == mine(store, stale, LEASE_ENDS_MS)
    assert {successor.row_id} == mine(store, [successor], LEASE_ENDS_MS)
    assert ("claimed", 2) == (row(store).state, row(store).fence)


def test_stale_after_settled(store):
    """What the successor settled stays settled, whatever the stale claimant writes later."""
    put_events(store, "a")
    stale = claim(store)
    expire(store)
    settle(store, claim(store, LEASE_ENDS_MS))

    settle(store, stale, EventState.PARKED, "late")

    assert ("decided", None) == (row(store).state, row(store).note)


def test_released(store):
    """A released event waits until its time and is then claimed again, its attempts counted."""
    put_events(store, "a")
    [event] = claim(store)
    with store.write() as connection:
        assert release_event(connection, event, NOON_MS + 5_000, "a charge is missing")

    assert ("new", None, "a charge is missing", 0) == (
        row(store).state,
        row(store).lease_until_ms,
        row(store).note,
        row(store).kills,
    )
    assert [] == claim(store, NOON_MS + 4_999)
    assert [2] == [again.attempts for again in claim(store, NOON_MS + 5_000)]


def test_poison(store):
    """An event on which workers died goes back twice and is parked with the reason on the third death."""
    put_events(store, "a")
    for kills in range(1, POISON_KILLS_MAX):
        claim(store)

        assert 1 == expire(store)
        assert ("new", kills, None) == (row(store).state, row(store).kills, row(store).settled_ms)
    claim(store)
    expire(store)

    end = row(store)
    assert ("parked", POISON_KILLS_MAX, LEASE_ENDS_MS) == (end.state, end.kills, end.settled_ms)
    assert f"poison: the worker died on it {POISON_KILLS_MAX} times" == end.note
    assert [] == claim(store, LEASE_ENDS_MS)


def mark(store, kills=0, attempts=0, **which):
    """Give the named events a past."""
    with store.write() as connection:
        named = events.c.event_id.in_(which["ids"])
        connection.execute(update(events).where(named).values(kills=kills, attempts=attempts))


def test_wary(store):
    """Events whose worker died are claimed a few at a time, before and apart from all others."""
    put_events(store, *"abcdefghij")
    mark(store, kills=1, ids=[f"evt_{number:04}" for number in range(2, 11)])

    sizes = [ids(claim(store)) for _ in range(3)]

    assert [WARY_ROWS_MAX, 2] == [len(one) for one in sizes[:2]]
    assert ["evt_0001"] == sizes[2]


def test_alone(store):
    """One that killed twice is claimed alone, so that its neighbours are spared if it kills again."""
    put_events(store, "a", "b", "c", "d")
    mark(store, kills=2, ids=["evt_0002", "evt_0003"])

    assert [["evt_0002"], ["evt_0003"], ["evt_0001", "evt_0004"]] == [
        ids(claim(store)) for _ in range(3)
    ]


@pytest.mark.parametrize(
    ("attempts", "together"), [(TRIES_TOGETHER_MAX - 1, 3), (TRIES_TOGETHER_MAX, 1)]
)
def test_often_tried(store, attempts, together):
    """What was tried often is claimed alone: whatever fails its group fails for it only from then on."""
    put_events(store, "a", "b", "c")
    mark(store, attempts=attempts, ids=["evt_0002"])

    assert together == len(claim(store))


def test_expired_in_portions(store):
    """One pass of the sweeper takes back at most as many events as it is told, and only expired ones."""
    put_events(store, "a", "b", "c", "d")
    claim(store, count_max=3)
    claim(store, NOON_MS + 1)

    assert [2, 1, 0] == [expire(store, count_max=2) for _ in range(3)]
    assert "claimed" == row(store, "evt_0004").state


def test_sweepers_at_once(store, databases, database_url):
    """Two sweepers that meet count each dead worker once."""
    put_events(store, *"abcdefgh")
    claim(store)

    done = at_once(expire, [store, databases.store(database_url)] * 2)

    assert 8 == sum(done)
    with store.read() as connection:
        assert {1} == set(connection.execute(select(events.c.kills)).scalars())


def test_waiting_count(store):
    """What waits is counted; what is claimed, settled or backing off is not."""
    put_events(store, "a", "b", "c", "d")
    settle(store, claim(store, count_max=1))
    [backing_off] = claim(store, count_max=1)
    with store.write() as connection:
        release_event(connection, backing_off, NOON_MS + 1, "later")

    with store.read() as connection:
        assert 2 == waiting_count(connection, NOON_MS)
        assert 3 == waiting_count(connection, NOON_MS + 1)


def test_plan(sqlite_store):
    """SQLite finds waiting events and busy lanes by their partial indexes, so decided ones cost nothing."""
    query = str(
        _WAITING.params(now=NOON_MS, most=10).compile(
            dialect=sqlite_store.engine.dialect, compile_kwargs={"literal_binds": True}
        )
    )
    with sqlite_store.read() as connection:
        plan = [step.detail for step in connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))]

    assert any("ix_events_waiting" in step for step in plan)
    assert any("ix_events_claimed_lane" in step for step in plan)
