"""The stop switch is audited, and what was spent is counted against the caps to the millisecond."""

import pytest
from sqlalchemy import update

from ledger.audit_log import entries_about
from ledger.brake import SPENT, Brake, Spend, read_brake, set_brake, spend_since
from ledger.states import IntentState
from ledger.tables import refund_intents
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put_charge, reserve_refund

STOPPED = Brake(stopped=True, reason="a wave of tests", actor="ada", changed_ms=NOON_MS)
RELEASED = Brake(stopped=False, reason="over", actor="bob", changed_ms=NOON_MS + 1)


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def put_spent(connection, charge_id, *, customer_id="cus_1", currency="usd", minor=100, at=NOON_MS):
    """A refund that was handed to Stripe at `at`; returns its id."""
    put_charge(connection, charge_id, currency=currency)
    intent = reserve_refund(
        connection, charge_id, amount_minor=minor, currency=currency, customer_id=customer_id
    )
    connection.execute(
        update(refund_intents)
        .where(refund_intents.c.id == intent.intent_id)
        .values(first_sent_ms=at, state=IntentState.SUBMITTED.value)
    )
    return intent.intent_id


def spent(connection, *, since_ms=NOON_MS, customer_id="cus_1", except_intent=""):
    return spend_since(
        connection,
        since_ms=since_ms,
        currency="usd",
        customer_id=customer_id,
        except_intent=except_intent,
    )


def test_untouched(connection):
    """A brake that nobody ever touched is released."""
    assert not read_brake(connection).stopped


def test_thrown_and_released(connection):
    """The switch reads as it was last set, and each turn of it is in the audit log."""
    set_brake(connection, STOPPED, origin="cli")
    assert STOPPED == read_brake(connection)

    set_brake(connection, RELEASED, origin="dashboard")
    assert RELEASED == read_brake(connection)
    assert [
        (NOON_MS, "ada", "brake.on", "done", "cli", "a wave of tests"),
        (NOON_MS + 1, "bob", "brake.off", "done", "dashboard", "over"),
    ] == [
        (row.at_ms, row.actor, row.action, row.result, row.origin, row.detail)
        for row in entries_about(connection, "brake")
    ]


def test_thrown_at_once(store, databases, database_url):
    """Operators who throw the switch at the same moment all succeed, and are all in the audit log."""

    def throw(own_store):
        with own_store.write() as connection:
            set_brake(connection, STOPPED, origin="cli")

    at_once(throw, [store, databases.store(database_url)] * 4)

    with store.read() as connection:
        assert STOPPED == read_brake(connection)
        assert 8 == len(entries_about(connection, "brake"))


def test_nothing_spent(connection):
    """Without refunds nothing was spent."""
    nothing = Spend(day_minor=0, day_count=0, customer_minor=0, customer_count=0)

    assert nothing == spent(connection)


def test_spent(connection):
    """Spending is counted by amount and number, in all and for the customer, in one currency."""
    put_spent(connection, "ch_1", minor=100)
    put_spent(connection, "ch_2", minor=20)
    put_spent(connection, "ch_3", minor=3, customer_id="cus_2")
    put_spent(connection, "ch_4", minor=999, currency="eur")

    assert Spend(day_minor=123, day_count=3, customer_minor=120, customer_count=2) == spent(
        connection
    )
    assert Spend(day_minor=123, day_count=3, customer_minor=0, customer_count=0) == spent(
        connection, customer_id=None
    )


def test_window(connection):
    """The window includes its first millisecond and nothing before it."""
    put_spent(connection, "ch_1", at=NOON_MS)

    assert 1 == spent(connection, since_ms=NOON_MS).day_count
    assert 0 == spent(connection, since_ms=NOON_MS + 1).day_count


def test_not_against_itself(connection):
    """An intent that is about to be sent again does not count against itself."""
    intent_id = put_spent(connection, "ch_1")

    assert 0 == spent(connection, except_intent=intent_id).customer_count


@pytest.mark.parametrize("state", list(IntentState))
def test_spent_states(connection, state):
    """What is or may be gone counts; what Stripe refused, or never got, does not."""
    put_spent(connection, "ch_1")
    connection.execute(update(refund_intents).values(state=state.value))

    assert (state in SPENT) == bool(spent(connection).day_count)
