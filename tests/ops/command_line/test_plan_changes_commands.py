"""`redress plan change | list | show | withdraw`: what is written down, shown, and taken back."""

import pytest
from sqlalchemy import update

from ledger.asked_plan_changes import change_by_id
from ledger.audit_log import entries_about
from ledger.plan_change_tables import plan_changes
from ledger.states import PlanChangeState
from tests.fakes.frozen_clock import NOON_MS

ASKED = ("plan", "change", "sub_1", "price_2", "--key", "order-17")
WHY = ("--reason", "asked by chat")


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def stored(store, change_id=1):
    """One change."""
    with store.read() as connection:
        return change_by_id(connection, change_id)


def left_as(store, **values):
    """As the worker leaves the change."""
    with store.write() as connection:
        connection.execute(update(plan_changes).values(values))


SCHEDULED = {
    "state": "scheduled",
    "effect": "period_end",
    "clause": "CHANGE-UP",
    "from_price_id": "price_1",
    "schedule_id": "sub_sched_1",
    "effective_at": NOON_MS // 1000,
    "round": 2,
}


def test_nothing_yet(world):
    """Without changes, sentences say what to do."""
    redress, _ = world

    assert "redress plan change" in redress("plan", "list").stdout
    assert "stands so" in redress("plan", "list", "--state", "applied").stdout
    assert {"changes": []} == redress.json("plan", "list")


def test_asked_once(world):
    """A key asks once; for something else it is refused."""
    redress, store = world

    assert {"change_id": 1, "new": True} == redress.json(*ASKED, *WHY)
    assert "asked for before" in redress(*ASKED, *WHY).stdout
    other = redress("plan", "change", "sub_1", "price_3", "--key", "order-17", *WHY)
    assert 1 == other.exit_code
    assert "a key of its own" in other.stderr
    with store.read() as connection:
        entries = entries_about(connection, "plan_change:1")
    assert ["plan.change"] == [entry.action for entry in entries]
    assert "sub_1 to price_2: asked by chat" == entries[0].detail


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (ASKED, "--reason"),
        (("plan", "change", "sub_1", "price_2", "--key", " ", *WHY), "--key must be one line"),
        (("plan", "change", " ", "price_2", "--key", "k", *WHY), "SUBSCRIPTION_ID"),
        (("plan", "change", "sub_1", "p" * 201, "--key", "k", *WHY), "PRICE_ID"),
    ],
    ids=["no reason", "blank key", "blank subscription", "long price"],
)
def test_usage(world, args, told):
    """What is missing or cannot be meant is named, and nothing is written."""
    redress, store = world
    ran = redress(*args)

    assert 2 == ran.exit_code
    assert told in ran.stderr
    assert stored(store) is None


def test_shown(world):
    """A pending change is told with its clause, its day, and how to take it back."""
    redress, store = world
    redress(*ASKED, *WHY)
    left_as(store, **SCHEDULED)
    told = redress("plan", "show", 1).stdout

    for part in (
        "Change 1: scheduled",
        "price_1",
        "price_2",
        "at the end of the period",
        "2026-01-01 12:00",
        "CHANGE-UP",
        "asked by chat",
        "redress plan withdraw 1",
    ):
        assert part in told
    assert "scheduled" in redress("plan", "list").stdout
    (listed,) = redress.json("plan", "list", "--state", "scheduled")["changes"]
    assert ("period_end", "sub_sched_1") == (listed["effect"], listed["schedule_id"])
    assert listed == redress.json("plan", "show", 1)


def test_withdrawn_unsent(world):
    """What nothing was sent of is taken back at once."""
    redress, store = world
    redress(*ASKED, *WHY)
    ran = redress("plan", "withdraw", 1, *WHY)

    assert "nothing had been sent" in ran.stdout
    assert PlanChangeState.WITHDRAWN is stored(store).state
    with store.read() as connection:
        entries = entries_about(connection, "plan_change:1")
    assert {"plan.change", "plan.withdraw"} == {entry.action for entry in entries}


def test_withdrawn_by_a_worker(world):
    """What is pending at Stripe is taken back by a worker; what is over cannot be."""
    redress, store = world
    redress(*ASKED, *WHY)
    left_as(store, **SCHEDULED)
    ran = redress("plan", "withdraw", 1, *WHY)
    again = redress("plan", "withdraw", 1, *WHY)

    assert "is being taken back" in ran.stdout
    assert PlanChangeState.WITHDRAWING is stored(store).state
    assert 1 == again.exit_code
    assert "is withdrawing" in again.stderr


def test_unknown(world):
    """An id that nothing has is said so."""
    redress, _ = world

    assert "redress plan list" in redress("plan", "show", 7).stderr
    assert 1 == redress("plan", "withdraw", 7, *WHY).exit_code
