"""The copy that forecasts are made in: whole, apart from the live ledger, and gone afterwards."""

from contextlib import closing

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from ledger.engine import Store
from ledger.inbox import claim_events, store_events
from ledger.scratch_ledger import SCRATCH_PREFIX, NoScratchLedger, copy_payloads, scratch_ledger
from ledger.states import EventState
from ledger.tables import decisions, events
from ledger.whole_schema import metadata
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event, put_charge, reserve_refund


@pytest.fixture
def filled(store):
    """A ledger with a refund, its decision, and events that wait, are claimed and are settled."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection, "ch_1")
        store_events(connection, [new_event("evt_claimed")], NOON_MS)
        claim_events(connection, NOON_MS, 1)
        store_events(
            connection,
            [new_event("evt_new"), new_event("evt_parked", state=EventState.PARKED, note="why")],
            NOON_MS,
        )
    return store


def rows_of(store):
    """Every table's rows, without what the copy leaves out of events on purpose."""
    left_out = {"payload", "state", "lease_until_ms"}
    with store.read() as connection:
        return {
            table.name: connection.execute(
                select(
                    *(
                        one
                        for one in table.columns
                        if table is not events or one.name not in left_out
                    )
                ).order_by(*table.primary_key.columns)
            ).all()
            for table in metadata.sorted_tables
        }


def test_everything_is_copied(filled, tmp_path):
    """Each row of each table is there, and no event waits for a worker."""
    with scratch_ledger(filled, tmp_path) as scratch:
        assert rows_of(filled) == rows_of(scratch)
        with scratch.write() as connection:
            assert [] == claim_events(connection, NOON_MS, 10)
            states = (
                connection.execute(select(events.c.state).order_by(events.c.id)).scalars().all()
            )
    assert ["ignored", "ignored", "parked"] == states


def test_copy_is_worked_on_alone(filled, tmp_path):
    """What is written into the copy has ids of its own and never shows in the live ledger."""
    before = rows_of(filled)
    with scratch_ledger(filled, tmp_path) as scratch:
        with scratch.write() as connection:
            [receipt] = store_events(connection, [new_event("evt_more")], NOON_MS)
            put_charge(connection, "ch_2")
            reserve_refund(connection, "ch_2")
        newest = max(row.id for row in before["events"])
        assert newest < receipt.row_id
    with filled.write() as connection:
        [receipt] = store_events(connection, [new_event("evt_live")], NOON_MS)
    assert newest + 1 == receipt.row_id
    assert before["decisions"] == rows_of(filled)["decisions"]


def test_invariants_hold_in_the_copy(filled, tmp_path):
    """The copy refuses what the ledger refuses."""
    with (
        scratch_ledger(filled, tmp_path) as scratch,
        pytest.raises(DBAPIError, match="append-only"),
        scratch.write() as connection,
    ):
        connection.execute(decisions.delete())


def test_payloads_come_when_asked_for(filled, tmp_path):
    """Bodies are put in for the events that are named; unknown rows are passed over."""
    with (
        scratch_ledger(filled, tmp_path) as scratch,
        filled.read() as live,
        scratch.write() as connection,
    ):
        copy_payloads(live, connection, [3, 99])
        found = connection.execute(select(events.c.payload).order_by(events.c.id)).scalars().all()
    assert [b"{", b"{", b'{"id":"evt_parked"}'] == [bytes(body) for body in found]


def test_nothing_is_left(filled, tmp_path):
    """File and schema are gone, after an error too."""
    with pytest.raises(KeyError), scratch_ledger(filled, tmp_path):
        raise KeyError
    assert [] == list(tmp_path.iterdir())
    if filled.dialect == "postgresql":
        with filled.read() as connection:
            schemas = inspect(connection).get_schema_names()
        assert [] == [name for name in schemas if name.startswith(SCRATCH_PREFIX)]


def test_user_without_the_right(postgres_store, tmp_path):
    """A database that permits no schema is told of with the way out."""
    with postgres_store.write() as connection:
        connection.execute(text("CREATE ROLE plain_reader LOGIN"))
        connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain_reader"))
    url = postgres_store.engine.url.set(username="plain_reader")
    store = Store(url.render_as_string(hide_password=False))
    with (
        closing(store),
        pytest.raises(NoScratchLedger, match="GRANT CREATE"),
        scratch_ledger(store, tmp_path),
    ):
        pass
