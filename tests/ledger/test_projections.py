"""Projections keep the newest state of Stripe's objects, in whatever order its events arrive."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ledger.projections import Placed, project, seen_event_id, settle
from ledger.stripe_tables import charges
from tests.fakes.at_once import at_once
from tests.fakes.ledger_rows import NOON, charge_sighting, undone


def rows(connection):
    return [dict(row) for row in connection.execute(select(charges)).mappings()]


def sight(connection, event_id="evt_1", *, at=NOON, progress=0, **values):
    return project(
        connection,
        charge_sighting(seen_created=at, progress=progress, event_id=event_id, **values),
    )


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def test_first(connection):
    """The first sighting of an object is written whole, and everything about it is new."""
    placed = sight(connection, refunded_minor=5)

    [row] = rows(connection)
    assert (Placed.NEWER, True) == (placed.placed, "refunded_minor" in placed.changed)
    assert ("ch_1", 5, NOON, 0, "evt_1") == (
        row["charge_id"],
        row["refunded_minor"],
        row["seen_created"],
        row["progress"],
        row["seen_event_id"],
    )


PLACES = [
    pytest.param({"at": NOON + 1}, Placed.NEWER, id="a later second"),
    pytest.param({"progress": 6}, Placed.NEWER, id="the same second, further on"),
    pytest.param({"at": NOON - 1}, Placed.OLDER, id="an earlier second"),
    pytest.param({"at": NOON - 1, "progress": 9}, Placed.OLDER, id="earlier, though further on"),
    pytest.param({"progress": 4}, Placed.OLDER, id="the same second, less far"),
    pytest.param({}, Placed.UNCLEAR, id="the same second, as far"),
]


@pytest.mark.parametrize(("difference", "placed"), PLACES)
def test_placed(connection, difference, placed):
    """A sighting is placed by its second, then by the object's own progress; only older ones are lost."""
    sight(connection, "evt_1", progress=5, refunded_minor=1)

    found = sight(connection, "evt_2", **{"progress": 5} | difference, refunded_minor=2)

    assert placed is found.placed
    assert (1 if placed is Placed.OLDER else 2) == rows(connection)[0]["refunded_minor"]
    assert (set() if placed is Placed.OLDER else {"refunded_minor"}) == found.changed


@pytest.mark.parametrize(
    "difference",
    [
        pytest.param({}, id="the same event again"),
        pytest.param({"event_id": "evt_2"}, id="another event of that second"),
        pytest.param({"event_id": "evt_2", "at": NOON + 9}, id="a later event"),
    ],
)
def test_nothing_new(connection, difference):
    """A sighting that tells nothing new changes nothing that a rule could read."""
    sight(connection)

    found = sight(connection, **difference)

    assert (Placed.SAME, frozenset()) == (found.placed, found.changed)


def test_later_place_is_kept(connection):
    """A later event with the same content still marks how recent our knowledge is."""
    sight(connection, "evt_1", refunded_minor=1)
    sight(connection, "evt_3", at=NOON + 9, refunded_minor=1)

    assert Placed.OLDER is sight(connection, "evt_2", at=NOON + 5, refunded_minor=0).placed
    assert 1 == rows(connection)[0]["refunded_minor"]


def test_unclear_in_both_orders(store):
    """Two renderings of one second leave the same row behind, whichever comes first."""
    left = []
    for order in (("evt_a", "evt_b"), ("evt_b", "evt_a")):
        with undone(store) as connection:
            first, second = order
            sight(connection, first, status=first)

            assert Placed.UNCLEAR is sight(connection, second, status=second).placed
            left += rows(connection)

    assert left[0] == left[1]
    assert "evt_b" == left[0]["status"]


def test_unclear_with_a_third_of_the_same_content(store):
    """A third event that repeats one of two differing renderings does not make the order matter."""
    renderings = {"evt_1": "pending", "evt_2": "pending", "evt_15": "failed"}
    left = []
    for order in itertools.permutations(renderings):
        with undone(store) as connection:
            for event_id in order:
                sight(connection, event_id, status=renderings[event_id])
            left += rows(connection)

    assert [left[0]] * 6 == left


SIGHTINGS = st.lists(
    st.tuples(
        st.integers(NOON, NOON + 2),
        st.integers(0, 1),
        st.integers(0, 2),
        st.sampled_from(["", "x"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(sightings=SIGHTINGS, data=st.data())
def test_any_order(store, sightings, data):
    """Any order, and any repetition, of the same sightings ends in the same row (I8)."""
    numbered = list(enumerate(sightings))
    orders = [
        numbered,
        data.draw(st.permutations(numbered)),
        data.draw(st.permutations(numbered + numbered[:3])),
    ]
    left = []
    for order in orders:
        with undone(store) as connection:
            for number, (at, progress, refunded_minor, status) in order:
                sight(
                    connection,
                    f"evt_{number * 7 % 5}_{number}",
                    at=at,
                    progress=progress,
                    refunded_minor=refunded_minor,
                    status=status,
                )
            left += rows(connection)

    assert [left[0]] * 3 == left


def test_at_once(store, databases, database_url):
    """Sixteen workers that project one object at once leave its newest state behind."""
    stores = [store, databases.store(database_url)] * 8

    def one(given):
        number, own_store = given
        with own_store.write() as connection:
            sight(connection, f"evt_{number}", at=NOON + number, refunded_minor=number)

    at_once(one, list(enumerate(stores)))

    with store.read() as connection:
        assert [15] == [row["refunded_minor"] for row in rows(connection)]


def test_settled(connection):
    """Stripe's answer replaces the rendering that was known when it was asked, and keeps its place."""
    sight(connection, "evt_1", progress=3, refunded_minor=1)
    asked_of = seen_event_id(connection, charges, "ch_1")
    answer = charge_sighting(seen_created=NOON + 99, event_id="answer", refunded_minor=2)

    settled = settle(connection, answer, asked_of)

    [row] = rows(connection)
    assert (Placed.NEWER, {"refunded_minor"}) == (settled.placed, settled.changed)
    assert (2, NOON, 3, "evt_1") == (
        row["refunded_minor"],
        row["seen_created"],
        row["progress"],
        row["seen_event_id"],
    )


def test_settled_with_nothing_new(connection):
    """An answer that agrees with what was known is no change."""
    sight(connection, "evt_1")
    answer = charge_sighting(seen_created=NOON + 99, event_id="answer")

    settled = settle(connection, answer, "evt_1")

    assert (Placed.SAME, frozenset()) == (settled.placed, settled.changed)


def test_stale_answer(connection):
    """An answer is not written when an event has moved the object since Stripe was asked."""
    sight(connection, "evt_1", refunded_minor=1)
    asked_of = seen_event_id(connection, charges, "ch_1")
    sight(connection, "evt_2", at=NOON + 1, refunded_minor=3)
    answer = charge_sighting(seen_created=NOON + 99, event_id="answer", refunded_minor=2)

    assert settle(connection, answer, asked_of) is None
    assert [3] == [row["refunded_minor"] for row in rows(connection)]


def test_answer_about_an_unknown_object(connection):
    """An answer about an object that was not known is written, unless an event came first meanwhile."""
    answer = charge_sighting(seen_created=NOON, event_id="answer", refunded_minor=2)
    assert seen_event_id(connection, charges, "ch_1") is None

    assert Placed.NEWER is settle(connection, answer, None).placed
    assert settle(connection, answer, None) is None


def test_next_event_after_an_answer(connection):
    """Stripe's next event outranks an answer, although our clock said a later time."""
    sight(connection, "evt_1", refunded_minor=1)
    settle(connection, charge_sighting(seen_created=NOON + 99, event_id="a"), "evt_1")

    assert Placed.NEWER is sight(connection, "evt_2", at=NOON + 1, refunded_minor=4).placed
    assert [4] == [row["refunded_minor"] for row in rows(connection)]
