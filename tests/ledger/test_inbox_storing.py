"""The inbox stores each event once, whoever hands it in, however often and together with whatever."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from ledger.inbox import store_events
from ledger.states import EventState
from ledger.tables import events
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event, undone


def stored_rows(store):
    with store.read() as connection:
        return connection.execute(select(events).order_by(events.c.id)).all()


def hand_in(store, *new_events):
    with store.write() as connection:
        return store_events(connection, new_events, NOON_MS)


def test_all_columns(store):
    """A stored event keeps its bytes and every fact about it, received now and waiting."""
    event = new_event("evt_1", payload=b'{"a":"\xc3\xa9\\u0000"}', account="acct_1", livemode=True)

    hand_in(store, event)

    [row] = stored_rows(store)
    assert b'{"a":"\xc3\xa9\\u0000"}' == bytes(row.payload)
    assert hashlib.sha256(row.payload).hexdigest() == row.sha256
    assert ("acct_1", True, "snapshot", NOON_MS) == (
        row.account,
        row.livemode,
        row.kind,
        row.received_ms,
    )
    assert ("new", 0, 0, 0, None) == (row.state, row.fence, row.attempts, row.kills, row.settled_ms)


def test_ended_at_once(store):
    """An event that is stored as ignored or parked is settled from its first moment."""
    ignored = new_event("evt_1", state=EventState.IGNORED, note="no rule needs it")
    parked = new_event("evt_2", state=EventState.PARKED, note="unreadable")

    hand_in(store, ignored, parked)

    assert [("ignored", "no rule needs it", NOON_MS), ("parked", "unreadable", NOON_MS)] == [
        (row.state, row.note, row.settled_ms) for row in stored_rows(store)
    ]


def test_empty_batch(store):
    """No events make no receipts and no statement."""
    assert [] == hand_in(store)


def test_receipts_in_order(store):
    """Each event of a batch gets its own receipt, in the order in which they were handed in."""
    hand_in(store, new_event("evt_2"))
    known = stored_rows(store)[0].id

    receipts = hand_in(store, new_event("evt_3"), new_event("evt_2"), new_event("evt_1"))

    assert ["stored", "known", "stored"] == [receipt.outcome for receipt in receipts]
    assert known == receipts[1].row_id
    by_event = {row.event_id: row.id for row in stored_rows(store)}
    assert [by_event["evt_3"], by_event["evt_2"], by_event["evt_1"]] == [
        receipt.row_id for receipt in receipts
    ]


def test_repeated_in_batch(store):
    """An event that repeats within one batch is stored once and known from then on."""
    receipts = hand_in(store, new_event(), new_event(), new_event())

    assert ["stored", "known", "known"] == [receipt.outcome for receipt in receipts]
    assert 1 == len({receipt.row_id for receipt in receipts}) == len(stored_rows(store))


def test_repeated_across_batches(store):
    """A repeated delivery changes no column of the first one's row."""
    hand_in(store, new_event())
    before = stored_rows(store)

    with store.write() as connection:
        receipts = store_events(connection, [new_event(source="poll")], NOON_MS + 5)

    assert "known" == receipts[0].outcome
    assert before == stored_rows(store)


def test_conflict(store):
    """The same id with other bytes keeps the first bytes and says so, across batches and within one."""
    first, other = new_event(payload=b"1"), new_event(payload=b"2")

    receipts = hand_in(store, first, other) + hand_in(store, other, first)

    assert ["stored", "conflict", "conflict", "known"] == [one.outcome for one in receipts]
    assert [b"1"] == [bytes(row.payload) for row in stored_rows(store)]


@pytest.mark.parametrize(
    "difference",
    [
        pytest.param({"account": "acct_other"}, id="another account"),
        pytest.param({"livemode": True}, id="live, not test"),
    ],
)
def test_same_id_elsewhere(store, difference):
    """An id is an event's own only within its account and mode."""
    receipts = hand_in(store, new_event(), new_event(**difference))

    assert ["stored", "stored"] == [receipt.outcome for receipt in receipts]


def test_thirty_two_at_once(store, databases, database_url):
    """Thirty-two simultaneous deliveries of one event, from two processes' stores, make one row."""
    stores = [store, databases.store(database_url)] * 16

    receipts = at_once(lambda one: hand_in(one, new_event())[0], stores)

    assert ["known"] * 31 + ["stored"] == sorted(receipt.outcome for receipt in receipts)
    assert [stored_rows(store)[0].id] == list({receipt.row_id for receipt in receipts})


def test_overlapping_batches_at_once(store):
    """Batches of the same events in opposite orders never wait for each other in a circle."""
    for turn in range(10):
        batch = [new_event(f"evt_{turn}_{number}") for number in range(100)]

        at_once(lambda ordered: hand_in(store, *ordered), [batch, batch[::-1]] * 3)

    with store.read() as connection:
        assert 1000 == connection.execute(select(func.count()).select_from(events)).scalar_one()


def test_rolled_back(store):
    """Events of a transaction that was rolled back are not there, and can be handed in again."""
    with undone(store) as connection:
        store_events(connection, [new_event()], NOON_MS)

    assert "stored" == hand_in(store, new_event())[0].outcome


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.sampled_from([b"a", b"b"])), max_size=8),
        max_size=6,
    )
)
def test_any_batches(store, batches):
    """Whatever is handed in, the first bytes of each id are kept and every receipt tells the truth."""
    kept = {}
    with undone(store) as connection:
        for batch in batches:
            handed = [new_event(f"evt_{number}", payload=payload) for number, payload in batch]
            expected = []
            for event in handed:
                same = kept.get(event.event_id, event.payload) == event.payload
                fresh = event.event_id not in kept
                expected.append("stored" if fresh else "known" if same else "conflict")
                kept.setdefault(event.event_id, event.payload)
            receipts = store_events(connection, handed, NOON_MS)

            assert expected == [receipt.outcome for receipt in receipts]
        rows = connection.execute(select(events.c.event_id, events.c.payload)).all()
        assert kept == {row.event_id: bytes(row.payload) for row in rows}
