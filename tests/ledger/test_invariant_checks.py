"""The doctor's queries: each finds the row that contradicts its invariant, and nothing else."""

import pytest
from sqlalchemy import text, update

from ledger.cases import DUPLICATE_CHARGE, move_case
from ledger.inbox import store_events
from ledger.invariant_checks import EXAMPLES_MAX, check_invariants
from ledger.states import CaseState, EventState
from ledger.stripe_tables import charges, refunds
from ledger.tables import events, refund_intents
from policy.decision import Verdict
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import (
    decision,
    new_event,
    put,
    put_case,
    put_charge,
    put_decision,
    reserve_refund,
)


def broken(store):
    """The statements that do not hold, with their examples."""
    with store.read() as connection:
        return {
            breach.statement: breach.examples
            for breach in check_invariants(connection)
            if not breach.holds
        }


@pytest.fixture
def intent(store):
    """One refund of ch_1 in good order, with a settled and a waiting event beside it."""
    with store.write() as connection:
        store_events(
            connection, [new_event("evt_1"), new_event("evt_2", state=EventState.PARKED)], 5
        )
        put_charge(connection, "ch_1")
        reserved = reserve_refund(connection, "ch_1")
        move_case(connection, reserved.case_id, CaseState.REFUNDING, note=None, now_ms=NOON_MS)
        put(connection, refunds, refund_id="re_by_hand", charge_id="ch_1", status="succeeded")
        put(
            connection,
            refunds,
            refund_id="re_1",
            charge_id="ch_1",
            intent_id=reserved.intent_id,
            status="succeeded",
        )
    return reserved


@pytest.mark.usefixtures("intent")
def test_all_hold(store):
    """A ledger in good order contradicts nothing; refunds made by hand are no breach."""
    assert {} == broken(store)


@pytest.mark.usefixtures("intent")
@pytest.mark.parametrize("event_id", ["evt_1", "evt_2"])
def test_settled_without_time(store, event_id):
    """A parked event without its time, and a waiting one with it, are found."""
    settled_ms = {"evt_1": 5, "evt_2": None}[event_id]
    with store.write() as connection:
        changed = update(events).where(events.c.event_id == event_id).values(settled_ms=settled_ms)
        connection.execute(changed)

    [(statement, examples)] = broken(store).items()

    assert "a settled event" in statement
    assert (event_id[-1],) == examples


def test_two_refunds_of_one_intent(store, intent):
    """Two refunds at Stripe that name one intent are found; a failed one does not count."""
    common = {"charge_id": "ch_1", "intent_id": intent.intent_id}
    with store.write() as connection:
        put(connection, refunds, refund_id="re_2", status="failed", **common)
    failed = broken(store)
    with store.write() as connection:
        put(connection, refunds, refund_id="re_3", status="pending", **common)

    assert {} == failed
    assert {"one refund at Stripe per intent": (intent.intent_id,)} == broken(store)


@pytest.mark.usefixtures("intent")
def test_overdrawn(store):
    """Intents that hold more than was captured are found, also where the charge has gone."""
    statement = "refunds held and made stay within what was captured"
    with store.write() as connection:
        connection.execute(update(charges).values(captured_minor=999))
    too_little = broken(store)
    with store.write() as connection:
        connection.execute(text("DELETE FROM charges"))

    assert {statement: ("ch_1",)} == too_little == broken(store)


@pytest.mark.parametrize("wrong", ["verdict", "amount", "case"])
def test_unapproved(store, intent, wrong):
    """An intent whose decision denies, approves another amount or is of another case is found."""
    made = {
        "verdict": decision(Verdict.DENY),
        "amount": decision(amount_minor=999),
        "case": decision(),
    }[wrong]
    with store.write() as connection:
        case_id = put_case(connection, "ch_9") if wrong == "case" else intent.case_id
        connection.execute(
            update(refund_intents).values(decision_id=put_decision(connection, case_id, made))
        )

    statement = "an intent has the approval of its own case, for its amount"
    assert {statement: (intent.intent_id,)} == broken(store)


@pytest.mark.usefixtures("intent")
def test_orphan_refund(store):
    """A refund at Stripe that names an intent which the ledger does not have is found."""
    with store.write() as connection:
        put(connection, refunds, refund_id="re_9", intent_id="ri_lost", status="succeeded")

    assert {"a refund of ours at Stripe has its intent": ("re_9",)} == broken(store)


@pytest.mark.parametrize("state", [CaseState.REFUNDING, CaseState.REFUNDED])
def test_case_without_intent(store, state):
    """A case that says money moves, without an intent to move it, is found."""
    with store.write() as connection:
        case_id = put_case(connection, "ch_1")
        move_case(connection, case_id, state, note=None, now_ms=NOON_MS)

    assert {"an approved case has its intent": ("ch_1",)} == broken(store)


def test_strange_key(store, intent):
    """An idempotency key that does not derive from its intent is found."""
    with store.write() as connection:
        connection.execute(update(refund_intents).values(idempotency_key="k"))

    assert {"an intent's key derives from its id alone": (intent.intent_id,)} == broken(store)


def test_two_for_one_cause(sqlite_store):
    """Two intents of one charge and cause are found once the constraint is gone."""
    with sqlite_store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection, "ch_1", amount_minor=100)
        connection.execute(text("CREATE TABLE copied AS SELECT * FROM refund_intents"))
        connection.execute(text("DROP TABLE refund_intents"))
        connection.execute(text("ALTER TABLE copied RENAME TO refund_intents"))
        connection.execute(
            text("INSERT INTO refund_intents SELECT * FROM refund_intents WHERE cause = :cause"),
            {"cause": DUPLICATE_CHARGE},
        )

    assert ("ch_1",) == broken(sqlite_store)["one refund per charge and cause"]


def test_few_examples(store):
    """However many rows break an invariant, a few are named."""
    with store.write() as connection:
        for at in range(EXAMPLES_MAX + 2):
            put(connection, refunds, refund_id=f"re_{at}", intent_id="ri_lost", status="failed")

    assert EXAMPLES_MAX == len(broken(store)["a refund of ours at Stripe has its intent"])
