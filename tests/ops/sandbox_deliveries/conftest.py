import random

import pytest

from ops.sandbox.book import Book
from ops.sandbox.deliveries import Deliveries
from tests.fakes.frozen_clock import FrozenClock

SECRET = "whsec_sandbox_of_the_tests"


@pytest.fixture
def clock():
    return FrozenClock()


@pytest.fixture
def book():
    made = Book()
    yield made
    made.close()


@pytest.fixture
def endpoint(book):
    """Return a function that puts an enabled endpoint into the book."""

    def put(endpoint_id="we_1", url="http://127.0.0.1:9/hook", events=("*",), **more):
        body = {
            "id": endpoint_id,
            "object": "webhook_endpoint",
            "created": 1,
            "url": url,
            "enabled_events": list(events),
            "status": "enabled",
            "_secret": SECRET,
            "_previous_secrets": [],
            **more,
        }
        return book.put("webhook_endpoints", body)

    return put


@pytest.fixture
def emit(book):
    """Return a function that emits `count` events, pending for `pending` endpoints."""

    def emit_some(count=1, *, first=1, event_type="charge.succeeded", pending=1):
        made = []
        for number in range(first, first + count):
            event = {
                "id": f"evt_{number}",
                "object": "event",
                "type": event_type,
                "created": number,
                "livemode": False,
                "pending_webhooks": pending,
                "data": {"object": {"id": f"ch_{number}", "object": "charge"}},
            }
            book.emit(event)
            made.append(event["id"])
        return made

    return emit_some


@pytest.fixture
def deliveries(book, clock):
    """Return a function that makes the deciding part, closed at the end of the test."""
    made = []

    def make(habits=None, path=None, seed=1):
        made.append(Deliveries(book, clock, random.Random(seed), habits, path))
        return made[-1]

    yield make
    for one in made:
        one.close()
