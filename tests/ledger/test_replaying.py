"""Replay in the ledger: bounded steps, and nothing that arrives meanwhile."""

import pytest

from ledger.event_queries import EventFilter, list_events
from ledger.inbox import claim_events, settle_events, still_mine, store_events
from ledger.replaying import REPLAYABLE, ReplayAuthor, ReplayOrder, plan_replay, replay_step
from ledger.states import EVENT_MOVES, EventState
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event

AUTHOR = ReplayAuthor(actor="erika", reason="why", origin="cli")
ORDER = ReplayOrder(wanted=EventFilter(types=("charge.*",)), livemode=False, account=None)


def put_parked(store, *event_ids):
    with store.write() as connection:
        store_events(
            connection,
            [new_event(event_id, state=EventState.PARKED) for event_id in event_ids],
            NOON_MS,
        )


def step(store, order=ORDER, *, last_row=100, count_max=2):
    with store.write() as connection:
        return replay_step(
            connection, order, AUTHOR, last_row=last_row, count_max=count_max, now_ms=NOON_MS
        )


def states(store):
    with store.read() as connection:
        return [row.state for row in reversed(list_events(connection, EventFilter(), 100))]


def test_moves_are_permitted():
    """Replay makes only moves that the table of moves permits."""
    assert [] == [state for state in REPLAYABLE if EventState.NEW not in EVENT_MOVES[state]]


def test_step_is_bounded(store):
    """A step takes so many rows and says where it ended."""
    put_parked(store, "evt_1", "evt_2", "evt_3")

    done = step(store)

    assert (2, 2) == (done.replayed, done.last_row)
    assert ["new", "new", "parked"] == states(store)


def test_arrived_meanwhile(store):
    """What is parked after the plan was shown is not part of the run."""
    put_parked(store, "evt_1")
    with store.read() as connection:
        plan = plan_replay(connection, ORDER)
    put_parked(store, "evt_2")

    done = step(store, last_row=plan.last_row)

    assert 1 == done.replayed
    assert ["new", "parked"] == states(store)


def test_nothing_left(store):
    """A step that finds nothing says so and stays where it was."""
    done = step(store)

    assert (0, 0) == (done.replayed, done.last_row)


def test_old_lease_is_void(store):
    """A worker that was taken for dead cannot write over a replayed event."""
    with store.write() as connection:
        store_events(connection, [new_event()], NOON_MS)
        [claimed] = claim_events(connection, NOON_MS, 1)
        settle_events(connection, [(claimed, EventState.DECIDED, None)], NOON_MS)

    step(store)

    with store.write() as connection:
        claim_events(connection, NOON_MS, 1)
        assert set() == still_mine(connection, [claimed], NOON_MS)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_plan_counts_what_a_run_does(store, limit):
    """A plan with a limit counts just the events that its run puts back."""
    put_parked(store, "evt_1", "evt_2", "evt_3")
    order = ReplayOrder(wanted=ORDER.wanted, livemode=False, account=None, count_max=limit)

    with store.read() as connection:
        plan = plan_replay(connection, order)
    done = step(store, order, last_row=plan.last_row, count_max=100)

    assert min(limit, 3) == plan.events == done.replayed
