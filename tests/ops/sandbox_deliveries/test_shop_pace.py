"""The day's pace and its end: spread over the given time, and stoppable."""

import random

import pytest

from ops.sandbox.book import Book
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.shop_day import ShopDay
from ops.sandbox.shop_till import ShopRefused
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock
from tests.fakes.frozen_clock import FrozenClock


@pytest.fixture
def server():
    sandbox = SandboxStripe(Book(), SystemClock(), random.Random(1))
    running = SandboxServer(sandbox)
    running.start()
    yield running
    running.stop()
    sandbox.book.close()


def test_a_day_takes_the_given_time(server):
    """With a duration of 60 s the stories are spread over a minute of the clock's time."""
    clock = FrozenClock()
    moments = []
    day = ShopDay(
        server.url,
        clock,
        charges=300,
        duration_seconds=60,
        progress=lambda *_seen: moments.append(clock.monotonic()),
    )
    day.play()

    assert moments == sorted(moments)
    assert 40 <= moments[-1] <= 60


def test_a_stopped_day_ends_at_once(server):
    """After stop no further story is played, and the answers tell what happened until then."""
    day = ShopDay(
        server.url, SystemClock(), charges=300, duration_seconds=0, progress=lambda *_: day.stop()
    )
    answers = day.play()

    assert 0 < answers.charges_succeeded < 50


def test_a_refused_call_says_which(server):
    """A call that the sandbox refuses stops the day with the path and the sandbox's sentence."""
    day = ShopDay(server.url, SystemClock(), charges=300, api_key="sk_live_no")

    with pytest.raises(ShopRefused, match="/v1/products answered 401"):
        day.play()
