"""Cases: one per kind and charge, moved with the reason why."""

import pytest

from ledger.cases import (
    DUPLICATE_CHARGE,
    case_by_id,
    cases_about,
    cases_keeping,
    count_by_state,
    move_case,
    open_case,
)
from ledger.states import CaseState
from tests.fakes.frozen_clock import NOON_MS


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def opened(connection, charge_id, *, kind=DUPLICATE_CHARGE, kept=None):
    return open_case(
        connection,
        kind=kind,
        charge_id=charge_id,
        kept_charge_id=kept,
        customer_id="cus_1",
        now_ms=NOON_MS,
    )


def test_opened(connection):
    """A case opens for review, and reads back as it was opened."""
    case = opened(connection, "ch_2", kept="ch_1")

    assert CaseState.REVIEW is case.state
    assert case == case_by_id(connection, case.case_id)
    assert case_by_id(connection, case.case_id + 1) is None


def test_about(connection):
    """Cases are found by charge within their kind; charges without one are left out."""
    case = opened(connection, "ch_1")
    opened(connection, "ch_1", kind="late_change")

    assert {"ch_1": case} == cases_about(connection, DUPLICATE_CHARGE, ["ch_1", "ch_2"])
    assert {} == cases_about(connection, DUPLICATE_CHARGE, [])


def test_moved(connection):
    """A move sets state, note and the charge that is kept; a kept charge once known is not forgotten."""
    case = opened(connection, "ch_2")

    move_case(
        connection,
        case.case_id,
        CaseState.REFUNDING,
        note="look",
        now_ms=NOON_MS,
        kept_charge_id="ch_1",
    )
    move_case(connection, case.case_id, CaseState.REFUNDED, note=None, now_ms=NOON_MS)

    moved = case_by_id(connection, case.case_id)
    assert (CaseState.REFUNDED, None, "ch_1") == (moved.state, moved.note, moved.kept_charge_id)


@pytest.mark.parametrize("state", list(CaseState))
def test_keeping(connection, state):
    """While a case is undecided or unpaid it is found by the charge that it was judged beside."""
    case = opened(connection, "ch_2", kept="ch_1")
    opened(connection, "ch_3", kept="ch_9")
    opened(connection, "ch_4", kept="ch_1", kind="late_change")
    move_case(connection, case.case_id, state, note=None, now_ms=NOON_MS)

    found = {"ch_2"} if state in (CaseState.REVIEW, CaseState.REFUNDING) else set()
    assert found == cases_keeping(connection, DUPLICATE_CHARGE, ["ch_1", "ch_7"])


def test_counted(connection):
    """Cases are counted by state; a state without cases is left out."""
    opened(connection, "ch_1")
    move_case(
        connection, opened(connection, "ch_2").case_id, CaseState.CLOSED, note=None, now_ms=NOON_MS
    )
    opened(connection, "ch_3")

    assert {"review": 2, "closed": 1} == count_by_state(connection)
