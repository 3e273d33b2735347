"""Refund intents: one per charge and cause, sent by one worker at a time, with parameters that stay."""

import json
from contextlib import suppress

import pytest

from ledger.refund_intents import (
    due_intents,
    intent_by_id,
    intent_id_for,
    intents_of_cases,
    lease_intent,
    move_intent,
    release_held,
    withdraw_unsent,
)
from ledger.states import INTENT_MOVES, IntentState, MoveRefused, require_intent_move
from runtime.limits import EFFECT_LEASE_MS, FIRST_RING_GRACE_MS
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put_charge, reserve_refund

UNTIL_MS = NOON_MS + EFFECT_LEASE_MS
SENT = {"first_sent_ms": NOON_MS}
RUNG_MS = NOON_MS + FIRST_RING_GRACE_MS


@pytest.fixture
def connection(store):
    with store.write() as opened:
        put_charge(opened, "ch_1")
        put_charge(opened, "ch_2")
        yield opened


def lease(connection, intent_id, now_ms=NOON_MS):
    return lease_intent(connection, intent_id, now_ms, now_ms + EFFECT_LEASE_MS)


def put_in_state(connection, state):
    """An intent in the given state, brought there by permitted moves."""
    first = IntentState.OBSERVED if state is IntentState.OBSERVED else IntentState.RESERVED
    intent = reserve_refund(connection, state=first)
    for step in {
        IntentState.OBSERVED: (),
        IntentState.RESERVED: (),
        IntentState.WITHDRAWN: (IntentState.WITHDRAWN,),
        IntentState.SUBMITTED: (IntentState.SUBMITTED,),
    }.get(state, (IntentState.SUBMITTED, state)):
        assert move_intent(connection, intent, step, SENT, NOON_MS)
        intent = intent_by_id(connection, intent.intent_id)
    return intent


def test_id():
    """An intent's id follows from mode, charge and cause alone, so that a rebuilt ledger finds it again."""
    named = {"livemode": False, "charge_id": "ch_1", "cause": "duplicate_charge"}

    assert "ri_e6a6e7310e72a7e0d8ec14e7" == intent_id_for(**named)
    others = ({"livemode": True}, {"charge_id": "ch_2"}, {"cause": "late"})
    assert 4 == len({intent_id_for(**named | other) for other in ({}, *others)})


def test_reserved(connection):
    """A reserved intent is due now, with the key and the exact parameters of its one call."""
    intent = reserve_refund(connection, amount_minor=700)

    assert f"redress:refund:{intent.intent_id}" == intent.idempotency_key
    assert {
        "charge": "ch_1",
        "amount": 700,
        "reason": "duplicate",
        "metadata": {"redress_intent": intent.intent_id},
    } == json.loads(intent.params)
    assert (IntentState.RESERVED, NOON_MS, 0, None) == (
        intent.state,
        intent.next_attempt_ms,
        intent.fence,
        intent.first_sent_ms,
    )
    assert {intent.case_id: intent} == intents_of_cases(connection, [intent.case_id, 99])


def test_observed(connection):
    """In observe mode an intent is written, and is never due."""
    intent = reserve_refund(connection, state=IntentState.OBSERVED)

    assert intent.next_attempt_ms is None
    assert [] == due_intents(connection, NOON_MS * 2, 10)
    assert lease(connection, intent.intent_id, NOON_MS * 2) is None


@pytest.mark.parametrize("state", [IntentState.OBSERVED, IntentState.RESERVED])
def test_reserved_twice(connection, state):
    """A second decision about the same charge and cause takes up the same intent, with its own amount."""
    first = reserve_refund(connection, state=state)

    again = reserve_refund(connection, amount_minor=700, state=state)

    assert first.intent_id == again.intent_id
    assert (700, 700) == (again.amount.amount_minor, json.loads(again.params)["amount"])


@pytest.mark.parametrize("before", [IntentState.OBSERVED, IntentState.WITHDRAWN])
def test_taken_up_again(connection, before):
    """What was only observed, or withdrawn, becomes due when it is approved in enforce mode."""
    put_in_state(connection, before)

    taken = reserve_refund(connection, now_ms=NOON_MS + 5)

    assert (IntentState.RESERVED, NOON_MS + 5) == (taken.state, taken.next_attempt_ms)


@pytest.mark.parametrize(
    "before",
    [state for state in IntentState if state not in ("observed", "reserved", "withdrawn")],
)
def test_not_taken_back(connection, before):
    """What is or may be at Stripe is never reserved anew: its parameters belong to its key (I9)."""
    intent = put_in_state(connection, before)

    with pytest.raises(MoveRefused):
        reserve_refund(connection, amount_minor=700)

    assert intent == intent_by_id(connection, intent.intent_id)


def test_reserved_under_a_lease(connection):
    """Who read an intent before it was decided anew can no longer send the old amount."""
    leased = lease(connection, reserve_refund(connection).intent_id)

    again = reserve_refund(connection, amount_minor=700)

    assert not move_intent(connection, leased, IntentState.SUBMITTED, SENT, NOON_MS)
    assert again.fence + 1 == lease(connection, again.intent_id).fence


@pytest.mark.parametrize("before", list(IntentState))
def test_moves(connection, before):
    """An intent goes from one state to another exactly when the table of moves permits it."""
    intent = put_in_state(connection, before)
    permitted = set()
    for after in set(IntentState) - {before}:
        with suppress(MoveRefused), connection.begin_nested() as tried:
            assert move_intent(connection, intent, after, SENT, NOON_MS)
            assert after is intent_by_id(connection, intent.intent_id).state
            permitted.add(after)
            tried.rollback()

    assert INTENT_MOVES[before] == permitted
    assert intent == intent_by_id(connection, intent.intent_id)


def test_refused_move_says_why():
    """A move that the table does not permit is refused with both states in the sentence."""
    with pytest.raises(MoveRefused, match="cannot go from failed to succeeded"):
        require_intent_move(IntentState.FAILED, IntentState.SUCCEEDED)


def test_move_writes_values(connection):
    """A move writes what was learned with it, in the same statement."""
    intent = put_in_state(connection, IntentState.SUBMITTED)
    learned = {"refund_id": "re_1", "note": "accepted", "attempts": 1, "next_attempt_ms": None}

    move_intent(connection, intent, IntentState.PENDING, learned, NOON_MS + 1)

    moved = intent_by_id(connection, intent.intent_id)
    assert ("re_1", "accepted", 1, None) == (
        moved.refund_id,
        moved.note,
        moved.attempts,
        moved.next_attempt_ms,
    )


def test_moved_meanwhile(connection):
    """A move is refused when the intent stands elsewhere than its mover saw it."""
    seen = reserve_refund(connection)
    move_intent(connection, seen, IntentState.WITHDRAWN, {}, NOON_MS)

    assert not move_intent(connection, seen, IntentState.SUBMITTED, SENT, NOON_MS)


def test_lease(connection):
    """An intent under a lease is nobody else's until the lease ends; each lease raises the fence."""
    intent_id = reserve_refund(connection).intent_id

    assert 1 == lease(connection, intent_id).fence
    assert lease(connection, intent_id, UNTIL_MS - 1) is None
    assert 2 == lease(connection, intent_id, UNTIL_MS).fence
    assert lease(connection, "ri_unknown") is None


def test_fence(connection):
    """A worker whose lease ended cannot move the intent once another one holds it."""
    intent_id = reserve_refund(connection).intent_id
    stale = lease(connection, intent_id)
    holder = lease(connection, intent_id, UNTIL_MS)

    assert not move_intent(connection, stale, IntentState.SUBMITTED, SENT, UNTIL_MS)
    assert move_intent(connection, holder, IntentState.SUBMITTED, SENT, UNTIL_MS)


def test_leased_at_once(store, databases, database_url):
    """Of sixteen workers woken for one intent, one gets it."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        intent_id = reserve_refund(connection).intent_id

    def one(own_store):
        with own_store.write() as connection:
            return lease(connection, intent_id)

    leased = at_once(one, [store, databases.store(database_url)] * 8)

    assert [1] == [intent.fence for intent in leased if intent]


@pytest.mark.parametrize("state", list(IntentState))
def test_due_states(connection, state):
    """Only what is reserved, submitted or unknown is ever looked at again without an event."""
    intent = put_in_state(connection, state)
    open_states = (IntentState.RESERVED, IntentState.SUBMITTED, IntentState.UNKNOWN)

    assert ([intent.intent_id] if state in open_states else []) == due_intents(
        connection, RUNG_MS, 10
    )


def test_due_order(connection):
    """The longest due comes first, as many as asked for, and nothing before its time."""
    late = reserve_refund(connection, "ch_1", now_ms=NOON_MS + 1)
    early = reserve_refund(connection, "ch_2", now_ms=NOON_MS)

    assert [early.intent_id, late.intent_id] == due_intents(connection, RUNG_MS + 1, 10)
    assert [early.intent_id] == due_intents(connection, RUNG_MS + 1, 1)
    assert [early.intent_id] == due_intents(connection, RUNG_MS, 10)


def test_first_ring(connection):
    """A fresh intent was rung for already; one that a worker has had is due at its time."""
    intent = reserve_refund(connection)
    assert [] == due_intents(connection, RUNG_MS - 1, 10)

    leased = lease(connection, intent.intent_id)
    move_intent(connection, leased, IntentState.RESERVED, {"lease_until_ms": None}, NOON_MS)

    assert [intent.intent_id] == due_intents(connection, NOON_MS, 10)


@pytest.mark.parametrize("state", list(IntentState))
def test_withdrawn(connection, state):
    """An intent is withdrawn while nothing has left, and kept with the reason; otherwise it stays."""
    intent = put_in_state(connection, state)
    unsent = state in (IntentState.OBSERVED, IntentState.RESERVED)

    assert unsent == withdraw_unsent(connection, intent, "refunded by hand", NOON_MS)

    after = intent_by_id(connection, intent.intent_id)
    expected = (IntentState.WITHDRAWN, "refunded by hand", None) if unsent else None
    assert expected == ((after.state, after.note, after.next_attempt_ms) if unsent else None)
    assert unsent or intent == after


def test_release_held(connection):
    """Releasing a brake makes what it held due now, and nothing else."""
    held, other = (reserve_refund(connection, charge) for charge in ("ch_1", "ch_2"))
    waiting = {"held": "cap of the day", "next_attempt_ms": NOON_MS + 99_000}
    move_intent(connection, held, IntentState.RESERVED, waiting, NOON_MS)
    move_intent(connection, other, IntentState.RESERVED, waiting | {"held": None}, NOON_MS)

    assert 1 == release_held(connection, NOON_MS)
    assert NOON_MS == intent_by_id(connection, held.intent_id).next_attempt_ms
    assert NOON_MS + 99_000 == intent_by_id(connection, other.intent_id).next_attempt_ms
