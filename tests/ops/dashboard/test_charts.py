"""The chart of events: every event in its bar, bars that are over counted once."""

import pytest
from sqlalchemy import delete

from ledger.event_counts import decision_lags_ms
from ledger.inbox import store_events
from ledger.tables import events
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event, put

MINUTE_MS = 60_000


def bars_of(room, span):
    """The bars of the overview as (from, count), those without an event left out."""
    page = room.browser("viewer").get(f"/?span={span}").text
    titles = [part.partition("</title>")[0] for part in page.split("<title>")[2:]]
    pairs = [title.rpartition(": ") for title in titles]
    return [(when, int(count)) for when, _, count in pairs if int(count)]


def test_every_event_in_its_bar(empty_room):
    """An event is counted in the minute that it was received in, and in no other; what came before is not."""
    with empty_room.people.write() as connection:
        for number, ago in enumerate(
            (0, 1, MINUTE_MS, MINUTE_MS + 1, 59 * MINUTE_MS, 60 * MINUTE_MS)
        ):
            store_events(connection, [new_event(f"evt_{number}")], NOON_MS - ago)

    assert [
        ("2026-01-01 11:01:00 UTC", 1),
        ("2026-01-01 11:58:00 UTC", 1),
        ("2026-01-01 11:59:00 UTC", 2),
        ("2026-01-01 12:00:00 UTC", 1),
    ] == bars_of(empty_room, "hour")
    assert 6 == sum(count for _, count in bars_of(empty_room, "day"))
    assert 6 == sum(count for _, count in bars_of(empty_room, "month"))


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_bars_that_are_over_are_counted_once(empty_room):
    """Nothing can arrive in the past, so a bar that is over is not asked for again; the one under way is."""
    with empty_room.people.write() as connection:
        store_events(connection, [new_event("evt_1")], NOON_MS - MINUTE_MS)
        store_events(connection, [new_event("evt_2")], NOON_MS)
    assert 2 == len(bars_of(empty_room, "hour"))
    with empty_room.people.write() as connection:
        connection.execute(delete(events))

    assert [("2026-01-01 11:59:00 UTC", 1)] == bars_of(empty_room, "hour")


def test_lags(store):
    """From Stripe's second to the decision, of decided events alone, the shortest first."""
    with store.write() as connection:
        for number, (state, seconds) in enumerate(
            (("decided", 9), ("decided", 2), ("ignored", 50), ("decided", -1)), start=1
        ):
            put(
                connection,
                events,
                event_id=f"evt_{number}",
                created=NOON_MS // 1000,
                settled_ms=NOON_MS + seconds * 1000,
                state=state,
            )
    with store.read() as connection:
        assert [0, 2_000, 9_000] == decision_lags_ms(connection, 100)
        assert [0, 2_000] == decision_lags_ms(connection, 3)
