"""The store: one database, read in short transactions and written in one transaction at a time.

SQLite (the embedded default) runs in WAL with `synchronous=FULL`: a commit is on the disk before it
is answered. Its own busy handler sleeps up to 100 ms between tries, so writers of all processes queue
on a file lock instead (measured: p99 from 59 to 10 ms). PostgreSQL needs neither.
"""

import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL

from runtime.limits import DATABASE_LOCK_MS_MAX, DATABASE_STATEMENT_MS_MAX


class Store:
    """One process's door to the database. Threads may share it; a forked child gets fresh connections."""

    def __init__(
        self, url: str, lock_path: Path | None = None, scratch_schema: str | None = None
    ) -> None:
        """`lock_path` is SQLite's writer lock; by default it lies beside the database file.

        `scratch_schema` is where a copy lies that is thrown away (`scratch_ledger.py`): on PostgreSQL its tables
        are looked for there and nowhere else; on neither engine is a commit in it waited for on the disk.
        """
        self._url = make_url(url)
        self.dialect = self._url.get_backend_name()
        self._lock = _WriterLock(lock_path or _lock_beside(self._url))
        self._engine = _engine(self._url, scratch_schema)
        self._pid = os.getpid()
        _STORES.add(self)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations and reflection."""
        if self._pid != os.getpid():
            # Connections and locks of the parent must never be used, nor closed, by a forked child.
            self._engine.dispose(close=False)
            self._lock = self._lock.of_child()
            self._pid = os.getpid()
        return self._engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in one read transaction: everything read in it is of one moment on SQLite."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in one write transaction: committed on leaving, rolled back on any error."""
        engine = self.engine
        with self._lock.held():
            connection = engine.connect()
            if self.dialect == "sqlite":
                connection = connection.execution_options(redress_write=True)
            with connection, connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection that no thread is using. The store can be used again afterwards."""
        self.engine.dispose()
        self._lock.close()


#: SQLite keeps its locks per process and believes, in a forked child, that it holds those of the
#: parent's open connections: when the parent closes them, the child's commits are lost (tested). So
#: nothing idle is open at the moment of a fork; both sides connect again when they next need to.
_STORES: weakref.WeakSet[Store] = weakref.WeakSet()


def _close_before_fork() -> None:
    for store in list(_STORES):
        store.close()


os.register_at_fork(before=_close_before_fork)


class _WriterLock:
    """Queues the writers of every process on one file; without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._threads = threading.Lock()
        self._file: int | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        if self.path is None:
            yield
            return
        with self._threads:
            if self._file is None:
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file unless a thread holds the lock."""
        if self._threads.acquire(blocking=False):
            try:
                self._close_file()
            finally:
                self._threads.release()

    def of_child(self) -> "_WriterLock":
        """A forked child's own lock; through the inherited one it could hold its parent's."""
        self._close_file()
        return _WriterLock(self.path)

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock_beside(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(f"{url.database}.lock")


def _engine(url: URL, scratch_schema: str | None) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True)
        prepare = _prepare_sqlite if scratch_schema is None else _prepare_scratch
        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    scratch = "" if scratch_schema is None else _SCRATCH_OPTIONS.format(schema=scratch_schema)
    return create_engine(
        url,
        hide_parameters=True,  # payloads and names have no place in an error's text (invariant I11)
        pool_size=4,
        max_overflow=4,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "options": f"-c lock_timeout={DATABASE_LOCK_MS_MAX}"
            f" -c statement_timeout={DATABASE_STATEMENT_MS_MAX}"
            " -c idle_in_transaction_session_timeout=60000 -c timezone=UTC" + scratch,
        },
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: BEGIN is ours (IMMEDIATE when writing).
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={DATABASE_LOCK_MS_MAX}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_scratch(connection: Any, record: Any) -> None:
    _prepare_sqlite(connection, record)
    connection.execute("PRAGMA synchronous=OFF")


#: The name is ours (`scratch_ledger.py`) and has no character that an option's value would need to escape.
_SCRATCH_OPTIONS = " -c search_path={schema} -c synchronous_commit=off"


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("redress_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def lock_names(connection: Connection, names: list[str]) -> None:
    """Hold each name until the transaction ends, so that one group is judged by one worker at a time.

    Taken in sorted order, so that two workers cannot wait for each other. On SQLite the write
    transaction itself already excludes everyone else.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_ADVISORY, {"names": sorted(set(names))})


# One round trip for all; a scan of unnest() takes the names, and so the locks, in their order.
_ADVISORY = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 0))"
    " FROM unnest(CAST(:names AS text[])) AS wanted(name)"
)
