"""The review queue page by page: each case once, the soonest deadline first, those without one last."""

import pytest

from ledger.case_queue import CaseFilter, CasePlace, kinds_there, queue_page
from ledger.case_work import CaseWork, note_work, work_of
from ledger.states import CaseState
from ledger.tables import cases
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put

DUE = (30, 10, None, 20, 10, None, 10)


@pytest.fixture
def queue(store):
    """Seven cases that wait, two of them without a deadline, three with the same; and one that is closed."""
    with store.write() as connection:
        for number, due_ms in enumerate(DUE, start=1):
            kind = f"dispute:dp_{number}" if number == 1 else "refund_request"
            put(
                connection,
                cases,
                kind=kind,
                charge_id=f"ch_{number}",
                customer_id=f"cus_{number % 2}",
                state="review",
                due_ms=due_ms,
            )
        put(connection, cases, kind="fraud", charge_id="ch_1", state="closed")
    return store


def paged(store, wanted, size):
    """The numbers of all cases that are meant, read in pages of this size."""
    found, after = [], None
    with store.read() as connection:
        while rows := queue_page(connection, wanted, size, after):
            found += [row.id for row in rows]
            after = CasePlace(due_ms=rows[-1].due_ms, case_id=rows[-1].id)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_by_deadline(queue, size):
    """Whatever the size of a page, the whole is the same."""
    assert [2, 5, 7, 4, 1, 3, 6] == paged(queue, CaseFilter(), size)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_ended_ones_by_age(queue, size):
    """Cases that no longer wait have no deadline: the newest is first."""
    assert [8] == paged(queue, CaseFilter(state=CaseState.CLOSED), size)
    assert [8, 7, 6, 5, 4, 3, 2, 1] == paged(queue, CaseFilter(state=None), size)


def test_filters(queue):
    """By kind, by customer, by who has it, and without those that are put off."""
    with queue.write() as connection:
        note_work(connection, 2, CaseWork(assignee="ada"), NOON_MS)
        note_work(connection, 5, CaseWork(assignee="bob", snoozed_until_ms=NOON_MS), NOON_MS)
        note_work(connection, 2, CaseWork(assignee="ada", snoozed_until_ms=NOON_MS + 1), NOON_MS)

    assert [1] == paged(queue, CaseFilter(kind="dispute"), 100)
    assert [2, 4, 6] == paged(queue, CaseFilter(customer_id="cus_0"), 100)
    assert [2] == paged(queue, CaseFilter(assignee="ada"), 100)
    assert [7, 4, 1, 3, 6] == paged(queue, CaseFilter(assignee=""), 100)
    assert [5, 7, 4, 1, 3, 6] == paged(queue, CaseFilter(awake_at_ms=NOON_MS), 100)
    with queue.read() as connection:
        assert ["dispute", "refund_request"] == kinds_there(connection)
        assert {5: CaseWork(assignee="bob", snoozed_until_ms=NOON_MS)} == work_of(
            connection, [5, 6]
        )
