"""Worlds for the workers' tests: on each engine in turn, and a fast one in memory."""

import sqlite3

import pytest

from ledger.engine import Store
from ledger.schema import migrate
from tests.fakes.pack_shop import PackShop
from tests.fakes.worker_world import WorkerWorld, worker_settings


@pytest.fixture
def settings(tmp_path):
    """An enforcing process with the caps that are the defaults."""
    return worker_settings(tmp_path)


@pytest.fixture
def world(store, settings, clock):
    """A world on a fresh database, on each engine in turn."""
    made = WorkerWorld(store=store, settings=settings, clock=clock)
    yield made
    made.sandbox.book.close()


@pytest.fixture
def sqlite_world(sqlite_store, settings, clock):
    """A world on a fresh SQLite file, for what the database has no part in."""
    made = WorkerWorld(store=sqlite_store, settings=settings, clock=clock)
    yield made
    made.sandbox.book.close()


@pytest.fixture
def shop(world, tmp_path):
    """A world whose shop sells one pack, on each engine in turn."""
    return PackShop(world, tmp_path)


class Memory:
    """A world in memory that can be put back to where it stood: thousands of histories in a minute."""

    def __init__(self, store, world):
        self._store = store
        self.world = world

    def _databases(self):
        with self._store.read() as connection:
            ledger = connection.connection.driver_connection
        return ledger, self.world.sandbox.book._db

    def save(self):
        """Everything as it stands: the ledger, Stripe's book and its chance, the clock."""
        chance = self.world.sandbox._rng.getstate()
        marks = self.world.told, self.world.clock.now_ms(), chance
        return [database.serialize() for database in self._databases()], marks

    def restore(self, saved):
        """Put everything back."""
        images, (self.world.told, now_ms, chance) = saved
        self.world.sandbox._rng.setstate(chance)
        for database, image in zip(self._databases(), images, strict=True):
            database.deserialize(image)
        self.world.clock.jump((now_ms - self.world.clock.now_ms()) / 1000)
        self.world.wakeups.jobs.clear()
        self.world.restart()


@pytest.fixture(scope="session")
def migrated_image():
    """A migrated SQLite database as bytes."""
    store = Store("sqlite://")
    migrate(store)
    with store.read() as connection:
        database: sqlite3.Connection = connection.connection.driver_connection
        image = database.serialize()
    store.close()
    return image


@pytest.fixture
def memory(migrated_image, settings, clock):
    """A fast world in memory."""
    store = Store("sqlite://")
    with store.read() as connection:
        connection.connection.driver_connection.deserialize(migrated_image)
    made = WorkerWorld(store=store, settings=settings, clock=clock)
    yield Memory(store, made)
    made.sandbox.book.close()
    store.close()
