"""I4: what is refunded or about to be never exceeds what was captured, also between two transactions."""

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DatabaseError

from ledger.refund_intents import move_intent
from ledger.states import MONEY_HELD, IntentState
from ledger.stripe_tables import charges
from ledger.tables import refund_intents
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put_case, put_charge, put_decision, reserve_refund

OVERDRAWN = "inv_i4: refunds would exceed what was captured"


def held_minor(store):
    with store.read() as connection:
        held = refund_intents.c.state.in_([state.value for state in MONEY_HELD])
        total = select(func.coalesce(func.sum(refund_intents.c.amount_minor), 0)).where(held)
        return int(connection.execute(total).scalar_one())


def test_to_the_last_cent(store):
    """Refunds for several causes may take a charge to its last cent and no further."""
    with store.write() as connection:
        put_charge(connection, "ch_1", captured_minor=1000)
        reserve_refund(connection, amount_minor=400, cause="goodwill")
        reserve_refund(connection, amount_minor=600, cause="late")

    with pytest.raises(DatabaseError, match=OVERDRAWN), store.write() as connection:
        reserve_refund(connection, amount_minor=1, cause="one cent more")

    assert 1000 == held_minor(store)


@pytest.mark.parametrize("state", list(IntentState))
def test_which_states_hold(store, state):
    """Money is held from the reservation on, until the refund is withdrawn, rejected or has failed."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection, cause="first", state=IntentState.OBSERVED)
        connection.execute(update(refund_intents).values(state=state.value, first_sent_ms=NOON_MS))

    try:
        with store.write() as connection:
            reserve_refund(connection, amount_minor=1, cause="second")
    except DatabaseError:
        refused = True
    else:
        refused = False

    assert refused == (state in MONEY_HELD)


def test_taken_up_again(store):
    """An intent that held nothing must find room when it is to hold money again."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        observed = reserve_refund(connection, state=IntentState.OBSERVED, cause="first")
        reserve_refund(connection, amount_minor=1, cause="second")

    with pytest.raises(DatabaseError, match=OVERDRAWN), store.write() as connection:
        move_intent(connection, observed, IntentState.RESERVED, {}, NOON_MS)


def test_other_charges(store):
    """Each charge's money is its own."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        put_charge(connection, "ch_2")
        reserve_refund(connection, "ch_1")
        reserve_refund(connection, "ch_2")

    assert 2000 == held_minor(store)


def test_nothing_captured(store):
    """An authorisation that was not captured holds no money that could go back."""
    with store.write() as connection:
        put_charge(connection, "ch_1", captured_minor=0)

    with pytest.raises(DatabaseError, match=OVERDRAWN), store.write() as connection:
        reserve_refund(connection, amount_minor=1)


def test_reserved_at_once(store, databases, database_url):
    """Of eight simultaneous refunds of a third each, three fit, whatever each transaction could see."""
    with store.write() as connection:
        put_charge(connection, "ch_1", captured_minor=999)
        case_id = put_case(connection)
        decision_id = put_decision(connection, case_id)
    stores = [store, databases.store(database_url)] * 4

    def insert_one(given):
        own_store, number = given
        try:
            with own_store.write() as connection:
                connection.execute(
                    refund_intents.insert().values(
                        id=f"ri_{number}",
                        case_id=case_id,
                        decision_id=decision_id,
                        charge_id="ch_1",
                        cause=f"cause {number}",
                        amount_minor=333,
                        currency="usd",
                        livemode=False,
                        params="{}",
                        idempotency_key=f"key {number}",
                        state="reserved",
                        created_ms=NOON_MS,
                        changed_ms=NOON_MS,
                    )
                )
        except DatabaseError as refused:
            assert OVERDRAWN in str(refused)  # noqa: PT017 - one outcome of two, counted below
            return False
        return True

    written = at_once(insert_one, [(one, number) for number, one in enumerate(stores)])

    assert (3, 999) == (sum(written), held_minor(store))


def test_capture_lowered(store):
    """Stripe's word about a charge is always written, even when it leaves less than is reserved."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection)

        connection.execute(update(charges).values(captured_minor=500))

    assert 1000 == held_minor(store)
