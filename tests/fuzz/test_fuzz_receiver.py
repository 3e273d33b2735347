"""Hostile deliveries: the receiver never fails, and what it stores no worker stumbles over (F13)."""

import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger.event_types import HANDLED
from tests.fakes.worker_world import WorkerWorld
from tests.fuzz.choices import Choices
from tests.fuzz.delivery_grammar import KINDS, changed_event, delivery, written
from tests.fuzz.event_shapes import honest_event, stocked_shop
from tests.fuzz.processor import Processor
from tests.fuzz.receiver_target import ReceiverTarget

ONE_SHOP = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    made = ReceiverTarget(tmp_path_factory.mktemp("receiver"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    processor = Processor(tmp_path_factory.mktemp("shapes"))
    yield processor.shapes
    processor.close()


@ONE_SHOP
@given(data=st.binary(min_size=24, max_size=160))
@example(data=b"")
def test_any_delivery(target, data):
    """Any delivery is answered by the table, stored once if proven, and worked through without harm."""
    target.check(data)


def test_seeds(target):
    """Every real event, plain and signed, is answered and worked through."""
    for data in target.seeds():
        target.check(data)


def test_every_handled_type_has_a_real_shape(shapes):
    """The grammar begins with a real event of every type that the workers handle."""
    assert sorted(HANDLED) == sorted(shapes)


def test_grammar_reaches_every_outcome(target):
    """The grammar makes events that are decided, that workers park, and that the receiver parks."""
    randomness = random.Random(20_260_101)
    for _ in range(400):
        target.check(randomness.randbytes(80))

    assert [] == target.missing()


def test_same_bytes_make_the_same_delivery(shapes):
    """An input that was found is the same delivery again, and no choice beyond its end is left open."""
    for kind in range(len(KINDS)):
        data = bytes([kind, 9, 3, 1, 4, 1, 5])

        assert delivery(data, shapes, 1_767_268_800) == delivery(data, shapes, 1_767_268_800)


@pytest.fixture
def postgres_world(postgres_store, clock, tmp_path):
    from tests.fakes.worker_world import worker_settings  # noqa: PLC0415

    world = WorkerWorld(store=postgres_store, settings=worker_settings(tmp_path), clock=clock)
    yield world
    world.sandbox.book.close()


def test_postgres_takes_what_sqlite_takes(postgres_world):
    """On PostgreSQL too every hostile event is settled at once, among honest ones, without a failure."""
    world, randomness = postgres_world, random.Random(20_260_101)
    shapes = stocked_shop(world)
    refunds, told = world.refunds(), {}
    for number in range(120):
        choices = Choices(randomness.randbytes(80))
        event = changed_event(choices, shapes)
        if event.get("id") == "evt_hostile":
            event["id"] = f"evt_hostile{number}"
        body = written(choices, event)
        told[world.parsed(body).event_id] = body
    honest = honest_event(world, shapes)

    world.receive(honest, *told.values())
    world.drain()
    world.settle(30)

    rows = {event_id: world.event_row(event_id) for event_id in [honest["id"], *told]}
    assert {"decided", "ignored", "parked"} >= {row.state for row in rows.values()}
    assert [] == [row.note for row in rows.values() if (row.note or "").startswith("failed")]
    assert "decided" == rows[honest["id"]].state
    assert refunds == world.refunds()
