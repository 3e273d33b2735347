"""Deliveries over real HTTP: threads, kept-alive connections, failing receivers."""

import threading

import pytest
from stripe import Webhook

from ops.sandbox.deliveries import DeliveryHabits
from ops.sandbox.delivery_couriers import Couriers
from runtime.clock import SystemClock
from tests.ops.sandbox_deliveries.scripted_receiver import ScriptedReceiver

SECRET = "whsec_sandbox_of_the_tests"


@pytest.fixture
def clock():
    """Return the machine's clock: these tests wait for real sockets."""
    return SystemClock()


@pytest.fixture
def receiver():
    """Return a function that starts a receiver with an answering script."""
    made = []

    def start(answer=lambda _event, _seen: 200):
        made.append(ScriptedReceiver(answer))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def couriers(book, deliveries, clock):
    """Return a function that starts the delivering threads."""
    made = []

    def start(habits=None, **more):
        made.append(Couriers(book, deliveries(habits), clock, **more))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop()


def test_every_event_arrives_signed_and_is_marked_delivered(
    receiver, couriers, endpoint, emit, book
):
    """Events reach a real receiver, verify with stripe's library and end with no pending webhook."""
    there = receiver()
    endpoint(url=there.url)
    running = couriers()
    ids = emit(50)
    there.wait_for(running.settled)
    for _, body, signature in there.seen:
        Webhook.construct_event(body, signature, SECRET)

    assert sorted(ids) == sorted(there.ids())
    assert all(book.event(event_id)["pending_webhooks"] == 0 for event_id in ids)


def test_connections_are_kept_alive(receiver, couriers, endpoint, emit):
    """A hundred deliveries use at most one connection per courier."""
    there = receiver()
    endpoint(url=there.url)
    running = couriers(count=4)
    emit(100)
    there.wait_for(running.settled)

    assert len(there.connections) <= 4


def test_failures_are_retried_until_acknowledged(receiver, couriers, endpoint, emit):
    """A receiver that fails twice per event with 500 and a hang-up gets each event a third time."""
    script = {1: 500, 2: None}
    there = receiver(lambda _event, seen: script.get(seen, 200))
    endpoint(url=there.url)
    running = couriers(DeliveryHabits(speed=2000))
    ids = emit(20)
    there.wait_for(running.settled)

    assert dict.fromkeys(ids, 3) == {event_id: there.ids().count(event_id) for event_id in ids}


def test_a_receiver_that_answers_too_late_is_tried_again(receiver, couriers, endpoint, emit):
    """An answer after the time-out counts as none, and the next attempt is made."""
    patience = threading.Event()

    def slow_at_first(_event, seen):
        if seen == 1:
            patience.wait(5)
        return 200

    there = receiver(slow_at_first)
    endpoint(url=there.url)
    running = couriers(DeliveryHabits(speed=2000), answer_seconds_max=0.2)
    emit()
    there.wait_for(running.settled)
    patience.set()

    assert there.ids() == ["evt_1", "evt_1"]


def test_an_absent_receiver_loses_nothing(receiver, couriers, endpoint, emit):
    """Events emitted while nobody listens arrive once the endpoint's address answers."""
    endpoint(url="http://127.0.0.1:9/nobody")
    running = couriers(DeliveryHabits(speed=1000))
    ids = emit(5)
    there = receiver()
    there.wait_for(lambda: running.counts()["attempts"] >= 5)
    endpoint(url=there.url)
    there.wait_for(running.settled)

    assert sorted(ids) == sorted(there.ids())


def test_repeats_and_reordering_reach_the_receiver(receiver, couriers, endpoint, emit):
    """An unruly engine repeats and reorders, and still every event arrives."""
    there = receiver()
    endpoint(url=there.url)
    habits = DeliveryHabits(
        repeat_share=0.5, repeat_seconds_max=0.3, delay_share=0.5, delay_seconds_max=0.3
    )
    running = couriers(habits)
    ids = emit(60)
    there.wait_for(running.settled)

    assert set(ids) == set(there.ids())
    assert len(there.ids()) > len(ids)
    assert ids != list(dict.fromkeys(there.ids()))


def test_stopping_ends_all_threads(couriers, receiver, endpoint, emit):
    """After stop no courier thread is left and nothing more is delivered."""
    there = receiver()
    endpoint(url=there.url)
    running = couriers(count=3)
    running.stop()
    emit(3)
    alive = [thread for thread in threading.enumerate() if thread.name.startswith("courier-")]

    assert alive == []
    assert there.ids() == []


def test_the_control_shows_counts(receiver, couriers, endpoint, emit):
    """GET /sandbox/deliveries shows deliveries by state."""
    there = receiver()
    endpoint(url=there.url)
    running = couriers()
    emit(3)
    there.wait_for(running.settled)
    shown = running.controls()["GET", "/sandbox/deliveries"]({})

    assert shown == {"waiting": 0, "delivered": 3, "given_up": 0, "attempts": 3, "repeats": 0}
