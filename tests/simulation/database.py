"""The ledger's real store over in-memory SQLite, with the faults that a database has and a boundary at each end.

Every transaction begins and ends at a boundary where the process may be overtaken, frozen or killed; inside
one nothing else runs, as SQLite's writer lock has it. A kill inside one rolls it back.
"""

import sqlite3
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from ledger.engine import Store
from ledger.schema import migrate
from tests.simulation.quick_connection import QuickConnection


class Database:
    """What faults set: each rate is the share of transactions (or statements) that it strikes."""

    def __init__(self):
        self.reset()

    def reset(self):
        """No faults."""
        self.locked = False
        self.full = False
        self.begin_loss = 0.0
        self.commit_loss = 0.0
        self.answer_loss = 0.0
        self.statement_loss = 0.0


def lost(words):
    """SQLAlchemy's error for a database that does not do what it is told."""
    return OperationalError("(simulated)", None, sqlite3.OperationalError(words))


class SimulatedStore(Store):
    """One store for all the seeds of one process: `begin_world` empties it for the next."""

    def __init__(self):
        super().__init__("sqlite://?cached_statements=1024")
        self.world = None
        self._deep = 0
        plain = Store("sqlite://")
        migrate(plain)
        with plain.read() as connection:
            self._image = connection.connection.driver_connection.serialize()
        plain.close()
        with super().read() as connection:
            self.raw = connection.connection.driver_connection
            self._quick = QuickConnection(connection, self._before_statement)
            self._quiet = QuickConnection(connection, lambda: None)
        event.listen(self.engine, "before_cursor_execute", self._before_statement)

    def begin_world(self, world):
        """A freshly migrated ledger for this world."""
        assert not self.raw.in_transaction
        self.raw.deserialize(self._image)
        # Has SQLite read the new schema.
        look = f"SELECT count(*) FROM sqlite_master{world.remark}"  # noqa: S608 - our own number
        self.raw.execute(look).fetchall()
        self.world = world
        self._deep = 0

    @contextmanager
    def read(self):
        """A read transaction, after a boundary."""
        self.world.boundary("db.read")
        if self.world.database.locked:
            self.world.struck("database locked")
            raise lost("database is locked")
        self._deep += 1
        try:
            with self._plain_read() as connection:
                yield connection
        finally:
            self._deep -= 1

    @contextmanager
    def write(self):
        """A write transaction between two boundaries."""
        world = self.world
        world.boundary("db.begin")
        self._refuse_begin()
        self._deep += 1
        try:
            with self._plain_write() as connection:
                yield connection
                self._spoil_commit()
        finally:
            self._deep -= 1
        world.committed()
        if world.chance("database", world.database.answer_loss):
            world.struck("commit applied, answer lost")
            raise lost("connection closed while the commit was under way")
        world.boundary("db.committed")

    def quietly(self):
        """A transaction for those who judge: nothing strikes it."""
        return self._quiet.begin()

    def _plain_write(self):
        if self.world.swarm.plain_store:
            return super().write()
        return self._quick.begin("BEGIN IMMEDIATE")

    def _plain_read(self):
        return super().read() if self.world.swarm.plain_store else self._quick.begin()

    @property
    def in_transaction(self):
        """Whether whoever runs now holds a transaction."""
        return self._deep > 0

    def _refuse_begin(self):
        world = self.world
        if world.database.locked:
            world.struck("database locked")
            raise lost("database is locked")
        if world.chance("database", world.database.begin_loss):
            world.struck("transaction refused")
            raise lost("server closed the connection unexpectedly")

    def _spoil_commit(self):
        world = self.world
        if world.database.full:
            world.struck("disk full")
            raise lost("database or disk is full")
        if world.chance("database", world.database.commit_loss):
            world.struck("commit refused")
            raise lost("could not serialize access")
        world.dies_inside("db.commit")

    def _before_statement(self, *_):
        world = self.world
        if world is not None and world.chance("database", world.database.statement_loss):
            world.struck("statement failed")
            raise lost("disk I/O error")
