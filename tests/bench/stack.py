"""The processes under measurement, started as the Procfile says, and what they use of CPU and memory."""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import delete, func, select

from ledger.engine import Store
from ledger.tables import events
from ops.supervisor import child_environ, procfile_commands
from runtime.clock import SystemClock
from runtime.embedded_redis import EmbeddedRedis, end_with_parent
from tests.bench.load_generator import SECRET, Loaded
from tests.free_ports import free_port

ROOT = Path(__file__).parents[2]
API_KEY = "sk_test_sandbox"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
THREADS = 16  # of granian's WSGI interface, for the baseline and for our Flask door

clock = SystemClock()


@dataclass(kw_only=True)
class Stack:
    """One data folder, one database, one Valkey, and the processes that `start` names."""

    folder: Path
    database_url: str
    postgres_pid: int | None = None
    store: Store = field(init=False)
    web_port: int = field(init=False)
    sandbox_url: str = field(init=False)
    _processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    def __post_init__(self):
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.store = Store(self.database_url)
        self._redis = EmbeddedRedis(self.folder)
        self.web_port, sandbox_port = free_port(), free_port()
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        given = {
            "PYTHONPATH": str(ROOT),
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_API_BASE": self.sandbox_url,
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "REDRESS_DATA": str(self.folder),
            "REDRESS_WEB_PORT": str(self.web_port),
            "REDRESS_SANDBOX_PORT": str(sandbox_port),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self._redis.url,
        }
        home = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environ = child_environ(given, home)
        granian = f"{shlex.quote(str(Path(sys.executable).parent / 'granian'))} --interface wsgi"
        wsgi = f"{granian} --port {self.web_port} --blocking-threads {THREADS} --log-level error"
        self._commands = {
            **procfile_commands(ROOT / "Procfile"),
            "sandbox": "redress sandbox",
            "flask": f"{wsgi} tests.bench.flask_door:app",
            "naive": f"{wsgi} tests.bench.naive_view:app",
            "trivial": f"{shlex.quote(sys.executable)} -m tests.bench.trivial_server {self.web_port}",
        }

    @contextlib.contextmanager
    def running(self, *names, mode="observe"):
        """Have Valkey and these processes run; the door (the first one) answers when this returns."""
        self._redis.start()
        try:
            for name in names:
                self._start(name, {**self._environ, "REDRESS_MODE": mode})
            self._wait_for_door(names[0])
            yield self
        finally:
            self._stop()

    def load(self, *, run, **options):
        """Run the load generator in its own process; `options` are those of its command line."""
        words = [f"--{name}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "tests.bench.load_generator"]
        done = subprocess.run(
            [*command, f"--port={self.web_port}", f"--run={run}", *words],
            env=self._environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return Loaded(**json.loads(done.stdout))

    # --- what the processes use ---

    def families(self):
        """Every process by the name of its kind: a worker's work horses, PostgreSQL's backends."""
        pids = {name: process.pid for name, process in self._processes.items()}
        pids |= {"valkey": self._redis.pid, "postgres": self.postgres_pid}
        return {name: family for name, pid in pids.items() if pid and (family := _family(pid))}

    def cpu_seconds(self):
        """CPU seconds spent so far, by name; children that ended are counted with their parents."""
        return {
            name: sum(_cpu_seconds(process) for process in family)
            for name, family in self.families().items()
        }

    def memory_mb(self):
        """Proportional memory (PSS) in MB, by name: shared pages are divided among their users."""
        return {
            name: round(sum(_pss(process) for process in family) / 1e6, 1)
            for name, family in self.families().items()
        }

    # --- what the inbox holds ---

    def last_row_id(self):
        """The newest row of the inbox; 0 when it is empty."""
        with self.store.read() as connection:
            return connection.execute(select(func.max(events.c.id))).scalar() or 0

    def unsettled(self, after_row_id):
        """How many events past this row wait or are being worked on."""
        query = select(func.count()).where(
            events.c.id > after_row_id, events.c.state.in_(["new", "claimed"])
        )
        with self.store.read() as connection:
            return connection.execute(query).scalar_one()

    def wait_until_settled(self, after_row_id, seconds):
        """Wait until no event past this row is open; False when time ran out."""
        give_up = clock.monotonic() + seconds
        while self.unsettled(after_row_id):
            if clock.monotonic() > give_up:
                return False
            clock.sleep(0.2)
        return True

    def forget_waiting(self):
        """Delete what acceptance left in the inbox, so that no worker begins with a mountain of it."""
        with self.store.write() as connection:
            connection.execute(delete(events).where(events.c.state == "new"))

    # --- starting and stopping ---

    def _start(self, name, environ):
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                shlex.split(self._commands[name]),
                env=environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call on a loaded library
            )

    def _wait_for_door(self, name):
        give_up = clock.monotonic() + START_SECONDS_MAX
        while self._processes[name].poll() is None and clock.monotonic() < give_up:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.web_port), timeout=1).close()
                return
            clock.sleep(0.05)
        raise AssertionError(f"{name} did not start: {(self.folder / f'{name}.log').read_text()}")

    def _stop(self):
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        self._redis.stop()

    def close(self):
        """Close the database."""
        self.store.close()


def _family(pid):
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_seconds(process):
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


def _pss(process):
    try:
        return process.memory_full_info().pss
    except psutil.NoSuchProcess:
        return 0
