"""Look-ups: one open question per object, asked by one worker at a time until it is answered."""

import pytest
from sqlalchemy import select

from ledger.look_ups import (
    due_look_ups,
    end_look_up,
    take_look_up,
    want_look_up,
    was_answered,
)
from ledger.states import LookUpState
from ledger.tables import look_ups
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS

RETRY_MS = NOON_MS + 30_000


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def want(connection, object_id="ch_1", now_ms=NOON_MS):
    return want_look_up(connection, "charge", object_id, "two renderings of one second", now_ms)


def take(connection, row_id, now_ms=NOON_MS):
    return take_look_up(connection, row_id, now_ms, RETRY_MS)


def test_wanted_once(connection):
    """Wanting an object that is wanted already is no change, and says so."""
    first = want(connection)

    assert want(connection, now_ms=NOON_MS + 9) is None
    assert [first] == due_look_ups(connection, NOON_MS, 10)


@pytest.mark.parametrize("end", [LookUpState.ANSWERED, LookUpState.GIVEN_UP])
def test_wanted_again(connection, end):
    """A question that ended can be asked anew, from its first attempt on."""
    row_id = want(connection)
    take(connection, row_id)
    end_look_up(connection, row_id, end, NOON_MS)
    assert [] == due_look_ups(connection, RETRY_MS, 10)

    assert row_id == want(connection, now_ms=NOON_MS + 9)
    assert 1 == take(connection, row_id, NOON_MS + 9).attempts


def test_taken(connection):
    """A taken question is due again at its retry only, with its attempts counted."""
    row_id = want(connection)

    assert ("charge", "ch_1", 1) == (
        (taken := take(connection, row_id)).object_type,
        taken.object_id,
        taken.attempts,
    )
    assert take(connection, row_id, RETRY_MS - 1) is None
    assert [] == due_look_ups(connection, RETRY_MS - 1, 10)
    assert [row_id] == due_look_ups(connection, RETRY_MS, 10)
    assert 2 == take(connection, row_id, RETRY_MS).attempts


def test_due_order(connection):
    """The longest due comes first, as many as asked for, and nothing before its time."""
    late, early = want(connection, "ch_late", NOON_MS + 1), want(connection, "ch_early", NOON_MS)

    assert [early] == due_look_ups(connection, NOON_MS, 10)
    assert [early, late] == due_look_ups(connection, NOON_MS + 1, 10)
    assert [early] == due_look_ups(connection, NOON_MS + 1, 1)


def test_answered(connection):
    """Only an answer counts as one: not a question that waits, nor one that was given up."""
    end_look_up(connection, want(connection, "ch_1"), LookUpState.ANSWERED, NOON_MS)
    end_look_up(connection, want(connection, "ch_2"), LookUpState.GIVEN_UP, NOON_MS)
    want(connection, "ch_3")

    asked = ["ch_1", "ch_2", "ch_3", "ch_4"]
    assert {"ch_1"} == was_answered(connection, "charge", asked)
    assert set() == was_answered(connection, "invoice", asked)


def test_at_once(store, databases, database_url):
    """Sixteen workers that want and take one object's look-up at once make one question and one taker."""

    def want_and_take(own_store):
        with own_store.write() as connection:
            want(connection)
            row_id = connection.execute(select(look_ups.c.id)).scalar_one()
        with own_store.write() as connection:
            return take(connection, row_id)

    taken = at_once(want_and_take, [store, databases.store(database_url)] * 8)

    assert [1] == [one.attempts for one in taken if one]
