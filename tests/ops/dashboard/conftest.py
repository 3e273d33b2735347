"""Rooms: an empty one for doors and locks, and one with a month that was sold, told and worked on."""

import pytest

from runtime.embedded_redis import EmbeddedRedis
from runtime.queues import Wakeups
from runtime.redis_socket import socket_url
from runtime.wiring import Wiring, open_redis
from tests.databases import Databases
from tests.fakes.frozen_clock import FrozenClock
from tests.fakes.played_month import PlayedMonth
from tests.fakes.worker_world import worker_settings
from tests.ops.dashboard.dashboard_room import DashboardRoom


def wiring_of(settings, store, clock, redis):
    """The parts of one merchant, over a test's own database and Redis."""
    return Wiring(
        settings=settings, clock=clock, store=store, redis=redis, wakeups=Wakeups(redis, clock)
    )


@pytest.fixture(scope="session")
def queue_server(tmp_path_factory):
    """A real Redis-compatible server for all rooms of this process; each empties it."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("queues"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def queues(queue_server):
    """The server, empty."""
    redis = open_redis(queue_server.url)
    redis.flushall()
    yield redis
    redis.close()


@pytest.fixture
def no_queues(tmp_path):
    """A Redis that is away."""
    redis = open_redis(socket_url(tmp_path / "nowhere"))
    yield redis
    redis.close()


@pytest.fixture
def empty_room(store, tmp_path, no_queues):
    """A room over an empty ledger, on each engine in turn; Redis is away."""
    clock = FrozenClock()
    return DashboardRoom({"": wiring_of(worker_settings(tmp_path), store, clock, no_queues)}, clock)


@pytest.fixture(scope="session")
def month_databases(database_templates, tmp_path_factory):
    """Databases that live as long as the month."""
    made = Databases(database_templates, tmp_path_factory.mktemp("months"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def month(month_databases, tmp_path_factory):
    """The month with a dispute and three duplicates, all told and worked on; shared by all tests of a process."""
    store = month_databases.store(month_databases.url("sqlite"))
    played = PlayedMonth(store, tmp_path_factory.mktemp("month"))
    world = played.world
    for number in range(3):
        world.pay_twice(order=f"order-{number}")
    charge_id = world.pay(world.customer(), order=None)
    world.control("disputes", {"charge": charge_id, "reason": "product_not_received"})
    world.deliver()
    world.settle(600)
    yield played
    played.close()


@pytest.fixture
def room(month, queues):
    """A room over the month, and a real Redis."""
    world = month.world
    wirings = {"": wiring_of(world.settings, world.store, month.clock, queues)}
    return DashboardRoom(wirings, month.clock)
