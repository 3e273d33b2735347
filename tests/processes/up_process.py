"""`redress up` as a user starts it, on free ports and a data folder of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from sqlalchemy import select

from ledger.engine import Store
from ledger.tables import events, refund_intents
from runtime.embedded_redis import end_with_parent
from tests.free_ports import free_port
from tests.processes.machine import SHOWN_ON_FAILURE, wait_until

REDRESS = Path(sys.executable).parent / "redress"
START_SECONDS_MAX = 120
#: What Ctrl-C may take.
STOP_SECONDS_MAX = 20
#: The longest that a refund may take after whatever happened.
REFUND_SECONDS_MAX = 60
SERVING = "serving; press Ctrl-C to stop"


class Up:
    """One data folder; `start` may be called again after `interrupt` or `kill`."""

    def __init__(self, folder, **environ):
        self.data = folder / "data"
        self.web_port, self.sandbox_port, self.metrics_port, self.ops_port = (
            free_port() for _ in range(4)
        )
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self._output = folder / "output.txt"
        self.environ = {
            **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
            "COLUMNS": "250",
            "REDRESS_DATA": str(self.data),
            "REDRESS_WEB_PORT": str(self.web_port),
            "REDRESS_METRICS_PORT": str(self.metrics_port),
            "REDRESS_OPS_PORT": str(self.ops_port),
            "REDRESS_SANDBOX_PORT": str(self.sandbox_port),
            **environ,
        }
        self.store = Store(environ.get("DATABASE_URL", f"sqlite:///{self.data}/redress.db"))
        self._process = None
        self._seen = set()
        SHOWN_ON_FAILURE.append(self)

    @property
    def pid(self):
        """The supervisor's process id."""
        return self._process.pid

    def start(self, *arguments):
        """Start it; what it prints is in `output`."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [REDRESS, "up", *arguments],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call on a loaded library
            )

    def serve(self, *arguments):
        """Start it and wait until it serves."""
        self.start(*arguments)
        wait_until(lambda: SERVING in self.output, START_SECONDS_MAX, why=lambda: self.output)

    def run(self, *arguments):
        """Run a second copy to its end; (exit code, stdout, stderr)."""
        done = subprocess.run(
            [REDRESS, "up", *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS_MAX,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    @property
    def output(self):
        """All that it printed since its last start."""
        return self._output.read_text(encoding="utf-8") if self._output.exists() else ""

    def children(self):
        """Every process below it, by the last word of its command line that says which it is."""
        found = psutil.Process(self.pid).children(recursive=True)
        self._seen |= set(found)
        return found

    def child(self, name):
        """The process of one line of the Procfile, or the embedded server ("valkey")."""
        for process in psutil.Process(self.pid).children():
            try:
                found = name in process.cmdline() or process.name().startswith(name)
            except psutil.NoSuchProcess:
                continue
            if found:
                self._seen.add(process)
                return process
        return None

    def interrupt(self):
        """Press Ctrl-C and wait; the exit code."""
        self.children()
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(STOP_SECONDS_MAX)

    def kill(self):
        """Kill -9, which it cannot notice."""
        self.children()
        self._process.kill()
        self._process.wait()

    def wait(self, seconds):
        """Wait for its own end; the exit code."""
        wait_until(self._ended, seconds, why=lambda: self.output)
        return self._process.returncode

    def _ended(self):
        if self._process.poll() is not None:
            return True
        self.children()
        return False

    def left(self):
        """The processes ever seen below it that still run."""
        return [process for process in self._seen if process.is_running()]

    def close(self):
        """End everything that is left, by force."""
        SHOWN_ON_FAILURE.remove(self)
        self.store.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
        for process in self.left():
            process.kill()

    def wait_for_refunds(self, shop):
        """Wait until all that `shop` took twice is refunded; then that was once, and nothing else."""
        expected = sorted((one.charge_id, "succeeded") for one in shop.duplicates)

        def recorded():
            return [row.state for row in self.intents()] == ["succeeded"] * len(expected)

        wait_until(recorded, REFUND_SECONDS_MAX, why=lambda: f"{self.intents()} {self.output}")
        book = shop.till.get("/sandbox/book", {"kind": "refunds"})["data"]

        assert expected == sorted((refund["charge"], refund["status"]) for refund in book)

    def intents(self):
        """Every refund intent."""
        with self.store.read() as connection:
            return connection.execute(select(refund_intents)).all()

    def event_ids(self):
        """The ids of the events in the inbox."""
        with self.store.read() as connection:
            return set(connection.execute(select(events.c.event_id)).scalars())

    def last_words(self):
        """What it printed and the end of each log."""
        yield "redress up", self.output
        for log in sorted((self.data / "logs").glob("*.log")):
            yield log.stem, log.read_text(encoding="utf-8", errors="replace")[-4000:]
