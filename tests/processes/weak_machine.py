"""A machine whose processes talk through weak links, in more copies than one, and whose clocks may differ.

Between the processes and Redis, PostgreSQL and Stripe lies a `weak_link` each, and one more between
Stripe's couriers and the receiver. The tests themselves look past all of them.
"""

import contextlib
import os
import signal
import sqlite3
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import make_url, select

from ledger.event_types import HANDLED
from ledger.tables import events
from runtime.embedded_redis import EmbeddedRedisFailed
from runtime.redis_socket import redis_folder, socket_path
from tests.processes.machine import Machine
from tests.processes.skewed_clock import skewed, sweep_up
from tests.processes.weak_link import WeakLinks

COPIES = {"worker": 2, "effects": 2}
RESTART_PAUSE_SECONDS = 0.2
#: More money than any run moves; the caps have tests of their own.
NO_CAPS = {
    "REDRESS_CAP_DAY": "*=999999999999",
    "REDRESS_CAP_DAY_COUNT": "999999999",
}


class WeakMachine(Machine):
    """See the module; `redis_away` keeps `keep_running` from starting the embedded server again."""

    restart_pause_seconds = RESTART_PAUSE_SECONDS

    def __init__(self, folder, database_url, *, deliveries=""):
        super().__init__(
            folder, database_url, deliveries=deliveries, copies=COPIES, environ=NO_CAPS
        )
        self.links = WeakLinks()
        self.redis_link = self.links.open(str(socket_path(self.data)))
        self.stripe_link = self.links.open(("127.0.0.1", self.sandbox_port))
        self.door_link = self.links.open(("127.0.0.1", self.web_port))
        self.database_link = self._database_link(make_url(database_url))
        self.endpoint_url = f"http://127.0.0.1:{self.door_link.port}/webhooks/stripe"
        self._environ["REDIS_URL"] = f"redis://127.0.0.1:{self.redis_link.port}/0"
        self._environ["STRIPE_API_BASE"] = f"http://127.0.0.1:{self.stripe_link.port}"
        self.redis_away = False
        self._horses = set()
        self._skewed_pids = set()
        self._told = self._told_after = 0

    @property
    def names(self):
        """The processes of the Procfile that run, Stripe's sandbox aside."""
        return [name for name in self._processes if name != "sandbox"]

    def pid(self, name):
        """The process id; None while it is dead."""
        process = self._processes.get(name)
        return process.pid if process is not None and process.poll() is None else None

    def horses(self, name):
        """The process ids of an RQ worker's work horses, at most one, from the kernel's own list."""
        pid = self.pid(name)
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
            found = [int(child) for child in children.split()]
            self._horses.update(found)
            return found
        return []

    def start_process(self, name):
        """Start one process; notes whose clock is skewed."""
        super().start_process(name)
        if name in self.surroundings:
            self._skewed_pids.add(self._processes[name].pid)

    def skew(self, name, seconds, number=signal.SIGKILL):
        """End a process; the keeper starts it again with a clock so far ahead (0: a right one)."""
        if seconds:
            self.surroundings[name] = skewed(seconds)
        else:
            self.surroundings.pop(name, None)
        if pid := self.pid(name):
            os.kill(pid, number)

    def keep_running(self):
        """Start again what died, the embedded Redis included."""
        super().keep_running()
        if not self.redis_away and self.redis.pid is None:
            with contextlib.suppress(EmbeddedRedisFailed):
                self.redis.start()

    def kill_redis(self):
        """SIGKILL the embedded Redis."""
        if self.redis.pid is not None:
            os.kill(self.redis.pid, signal.SIGKILL)
            self.redis.stop()

    def wipe_redis(self):
        """Kill it and delete its append-only file, so that it starts again with nothing."""
        self.kill_redis()
        for file in sorted(redis_folder(self.data).rglob("appendonly*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()

    def stop(self):
        """End every process and every link; let go on first whoever is frozen."""
        frozen = [pid for name in list(self._processes) for pid in self.horses(name)]
        for pid in self._horses | set(frozen):
            with contextlib.suppress(psutil.NoSuchProcess):
                horse = psutil.Process(pid)
                if horse.environ().get("REDRESS_DATA") == str(self.data):
                    horse.kill()
        for name in self.names:
            if pid := self.pid(name):
                os.kill(pid, signal.SIGCONT)
        self.links.restore()
        super().stop()
        self.links.close()
        sweep_up(self._skewed_pids)

    # --- cheaper looks than Machine's at a book of a hundred thousand events ---

    def told(self):
        """How many events of the handled types Stripe has told so far."""
        query = "SELECT seq, type FROM events WHERE seq > ? ORDER BY seq"
        for seq, name in self._in_the_book(query, self._told_after):
            self._told_after = seq
            self._told += name in HANDLED
        return self._told

    def untold(self):
        """The ids of events of Stripe's that are not in the inbox."""
        query = "SELECT id, type FROM events WHERE seq > ?"
        told = {event_id for event_id, name in self._in_the_book(query, 0) if name in HANDLED}
        return told - {row.event_id for row in self.rows(select(events.c.event_id))}

    def first_answers(self):
        """When Stripe carried out the first call under each idempotency key, unix milliseconds."""
        return dict(self._in_the_book("SELECT key, stored_ms FROM idempotency_keys WHERE ?", 1))

    def _in_the_book(self, query, parameter):
        book = sqlite3.connect(f"file:{self.data / 'sandbox.db'}?mode=ro", uri=True, timeout=30)
        with contextlib.closing(book):
            return book.execute(query, (parameter,)).fetchall()

    def _database_link(self, url):
        if url.get_backend_name() == "sqlite":
            return None
        self._dsn = f"host={url.query['host']} user={url.username} dbname={url.database}"
        link = self.links.open(f"{url.query['host']}/.s.PGSQL.5432")
        through = f"postgresql://{url.username}@127.0.0.1:{link.port}/{url.database}"
        self._environ["DATABASE_URL"] = f"{through}?sslmode=disable&gssencmode=disable"
        return link

    # --- PostgreSQL's own processes ---

    def asked(self, query):
        """The rows of a query past every link and pool; None while PostgreSQL takes no connection."""
        try:
            with psycopg.connect(self._dsn, connect_timeout=2, autocommit=True) as connection:
                return connection.execute(query).fetchall()
        except psycopg.OperationalError:
            return None
