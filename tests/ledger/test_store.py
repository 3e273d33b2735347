"""The store: durable commits, whole transactions, one writer at a time on SQLite, safe to fork."""

import fcntl
import os
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, OperationalError

from ledger.engine import Store, lock_names
from ledger.inbox import store_events
from ledger.tables import events
from runtime.limits import DATABASE_LOCK_MS_MAX, DATABASE_STATEMENT_MS_MAX
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event

CHILD_SECONDS_MAX = 60
WAIT_SECONDS_MAX = 30
NOT_YET_SECONDS = 0.2


def put(store, event_id="evt_1"):
    with store.write() as connection:
        store_events(connection, [new_event(event_id)], NOON_MS)


def stored(store):
    with store.read() as connection:
        return set(connection.execute(select(events.c.event_id)).scalars())


def test_dialect(store, engine_name):
    """A store says which engine it speaks to."""
    assert engine_name == store.dialect


def test_committed_on_leaving(store, databases, database_url):
    """What a write transaction wrote is there for everybody once it was left."""
    put(store)

    assert {"evt_1"} == stored(databases.store(database_url))


def test_invisible_until_committed(store, databases, database_url):
    """Nobody sees a write transaction's rows before it has committed."""
    other = databases.store(database_url)
    with store.write() as connection:
        store_events(connection, [new_event()], NOON_MS)

        assert set() == stored(other)

    assert {"evt_1"} == stored(other)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, DatabaseError])
def test_rolled_back(store, error):
    """Any error undoes the whole transaction and lets the next one begin."""

    def fail():
        with store.write() as connection:
            store_events(connection, [new_event()], NOON_MS)
            if error is DatabaseError:
                connection.execute(text("SELECT * FROM nowhere"))
            raise error

    with pytest.raises(error):
        fail()
    assert set() == stored(store)
    put(store)
    assert {"evt_1"} == stored(store)


def test_snapshot(sqlite_store):
    """Everything read in one transaction on SQLite is of one moment, whatever is written meanwhile."""
    with sqlite_store.read() as connection:
        before = connection.execute(select(events.c.event_id)).all()
        put(sqlite_store)

        assert before == connection.execute(select(events.c.event_id)).all()

    assert {"evt_1"} == stored(sqlite_store)


def test_closed_and_used_again(store):
    """A closed store opens again when it is next used."""
    put(store)
    store.close()

    assert {"evt_1"} == stored(store)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("busy_timeout", DATABASE_LOCK_MS_MAX),
    ],
)
def test_pragmas(sqlite_store, pragma, value):
    """Each connection to SQLite is durable (WAL, FULL), keeps foreign keys, and waits for locks."""
    with sqlite_store.read() as first, sqlite_store.read() as second:
        for connection in (first, second):
            assert value == connection.execute(text(f"PRAGMA {pragma}")).scalar_one()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lock_timeout", f"{DATABASE_LOCK_MS_MAX // 1000}s"),
        ("statement_timeout", f"{DATABASE_STATEMENT_MS_MAX // 1000}s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("TimeZone", "UTC"),
        ("transaction_isolation", "read committed"),
    ],
)
def test_postgres_settings(postgres_store, setting, value):
    """No statement, lock or forgotten transaction on PostgreSQL lasts for ever."""
    with postgres_store.read() as connection:
        assert value == connection.execute(text(f"SHOW {setting}")).scalar_one()


def test_connection_cut(postgres_store):
    """A connection that the server ended is replaced at its next use."""
    put(postgres_store)
    with postgres_store.write() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    with pytest.raises(OperationalError), postgres_store.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    assert {"evt_1"} == stored(postgres_store)


def test_writers_wait_for_the_lock_file(sqlite_store):
    """Writers of all processes queue on the file beside the database; readers do not."""
    lock_file = f"{sqlite_store.engine.url.database}.lock"
    written = threading.Event()
    writer = threading.Thread(target=lambda: (put(sqlite_store), written.set()))
    holder = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        writer.start()

        assert not written.wait(NOT_YET_SECONDS)
        assert set() == stored(sqlite_store)
    finally:
        os.close(holder)

    assert written.wait(WAIT_SECONDS_MAX)
    writer.join()


def test_named_lock_file(databases, tmp_path):
    """The lock file can be elsewhere, and only its owner can read it."""
    lock_path = tmp_path / "writer.lock"
    store = Store(databases.url("sqlite"), lock_path)
    put(store)
    store.close()

    assert 0o600 == lock_path.stat().st_mode & 0o777


def test_no_files_left_open(sqlite_store):
    """A closed store holds no file of the database open, nor its lock."""
    put(sqlite_store)
    sqlite_store.close()

    opened = []
    for link in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the listing's own file is gone by now
            opened.append(str(link.readlink()))
    assert not [path for path in opened if str(sqlite_store.engine.url.database) in path]


def test_threads_share_a_store(store):
    """Threads that share a store write one after the other and lose nothing."""
    names = [f"evt_{number}" for number in range(24)]

    at_once(lambda name: put(store, name), names)

    assert set(names) == stored(store)


def test_names_are_held(postgres_store):
    """On PostgreSQL who locks a name waits until its holder's transaction ended; other names are free."""
    got = threading.Event()

    def take(*names):
        with postgres_store.write() as connection:
            lock_names(connection, list(names))
            got.set()

    with postgres_store.write() as connection:
        lock_names(connection, ["customer:1", "card:1"])
        take("customer:2")
        got.clear()
        waiting = threading.Thread(target=take, args=("customer:2", "card:1"))
        waiting.start()
        assert not got.wait(NOT_YET_SECONDS)

    assert got.wait(WAIT_SECONDS_MAX)
    waiting.join()


def test_names_in_any_order(store, databases, database_url):
    """Transactions that name the same things in opposite orders never wait in a circle."""
    stores = [store, databases.store(database_url)]
    names = [f"customer:{number}" for number in range(20)]

    def lock(given):
        own_store, ordered = given
        for _ in range(10):
            with own_store.write() as connection:
                lock_names(connection, ordered)

    at_once(lock, [(one, order) for one in stores for order in (names, names[::-1])])


FORKING = """
    import os, sys
    from sqlalchemy import text
    from ledger.engine import Store

    def put(name):
        with store.write() as connection:
            connection.execute(text(
                "INSERT INTO audit (at_ms, actor, action, object, result, origin)"
                " VALUES (1, 'a', 'a', :name, 'a', 'a')"), {"name": name})

    store = Store(sys.argv[1])
    put("parent, before the fork")
    from_parent, to_child = os.pipe()
    from_child, to_parent = os.pipe()
    if os.fork() == 0:
        put("child, at once")
        os.write(to_parent, b"1")
        os.read(from_parent, 1)
        put("child, after its parent closed")
        os.write(to_parent, b"2")
        os.read(from_parent, 1)
        os._exit(0)
    os.read(from_child, 1)
    put("parent, after the fork")
    store.close()
    os.write(to_child, b"1")
    os.read(from_child, 1)
    put("parent, at last")
    with store.read() as connection:
        print(*connection.execute(text("SELECT object FROM audit ORDER BY id")).scalars(), sep="|")
    store.close()
    os.write(to_child, b"2")
    assert os.wait()[1] == 0
"""


def test_forked(store, database_url):
    """A forked child and its parent both go on with the store, and no commit of either is lost."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(FORKING), database_url],
        capture_output=True,
        text=True,
        timeout=CHILD_SECONDS_MAX,
        check=False,
    )
    expected = [
        "parent, before the fork",
        "child, at once",
        "parent, after the fork",
        "child, after its parent closed",
        "parent, at last",
    ]

    assert (expected, "") == (done.stdout.strip().split("|"), done.stderr)
    with store.read() as connection:
        left = connection.execute(text("SELECT object FROM audit ORDER BY id")).scalars().all()
    assert expected == left


KILLED = """
    import os, signal, sys
    from sqlalchemy import text
    from ledger.engine import Store

    with Store(sys.argv[1]).write() as connection:
        connection.execute(text("DELETE FROM events"))
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_writer(store, database_url):
    """A process that is killed in the middle of a write leaves nothing of it, and no lock."""
    put(store)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), database_url],
        timeout=CHILD_SECONDS_MAX,
        check=False,
    )

    assert -9 == killed.returncode
    put(store, "evt_2")
    assert {"evt_1", "evt_2"} == stored(store)
