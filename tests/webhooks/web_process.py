"""The real web process on a free port, driven over raw sockets."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
from sqlalchemy import func, select

from ledger.engine import Store
from ledger.tables import events
from runtime.clock import SystemClock
from tests.free_ports import free_port
from tests.webhooks.signed_events import OLD_SECRET, SECRET

_ROOT = Path(__file__).parents[2]
_SERVE = """
import os
from runtime.logs import configure_logs
from runtime.merchants import every_merchant
from runtime.settings import load_settings
from webhooks.server import serve
configure_logs("info")
serve(load_settings(), every_merchant(os.environ))
"""
START_SECONDS_MAX = 30


class WebProcess:
    """One `webhooks.server.serve` in a process of its own; Redis is not there."""

    def __init__(self, database_url, folder):
        self.port = free_port()
        self.log = folder / "web.log"
        self.store = Store(database_url)
        self.environ = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}},
            "PYTHONPATH": str(_ROOT),
            "PYTHONUNBUFFERED": "1",
            "STRIPE_API_KEY": "sk_test_made0up0for0tests",
            "STRIPE_WEBHOOK_SECRETS": f"{SECRET},{OLD_SECRET}",
            "DATABASE_URL": database_url,
            "REDRESS_DATA": str(folder / "data"),
            "REDRESS_WEB_PORT": str(self.port),
        }
        self._process = None

    def start(self):
        """Start, and wait until it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE], env=self.environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.connect().close()
                return
            SystemClock().sleep(0.05)
        raise AssertionError(f"the web process did not start: {self.log.read_text()}")

    def stop(self):
        """End it as a supervisor would; kill it if it does not."""
        self.store.close()
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def terminate(self):
        """Ask it to stop; returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20)

    def rss_bytes(self):
        """Its resident memory."""
        return psutil.Process(self._process.pid).memory_info().rss

    def connect(self, timeout_seconds=10):
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_seconds)

    def ask(self, raw, timeout_seconds=10):
        """Send one request on a connection of its own; its status and all that came back."""
        with self.connect(timeout_seconds) as connection:
            # A refused sender may find the door closed before it is done; the answer still counts.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(raw)
            return read_answer(connection)

    def events_stored(self):
        """How many rows its inbox holds."""
        with self.store.read() as connection:
            return connection.execute(select(func.count()).select_from(events)).scalar_one()

    def rows(self):
        """The rows of its inbox, oldest first."""
        with self.store.read() as connection:
            return connection.execute(select(events).order_by(events.c.id)).all()


def read_answer(connection):
    """Status and bytes of one answer; status 0 when the connection ended without one."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in received or not _whole(received):
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
    status = received[9:12]
    return (int(status) if status.isdigit() else 0), received


def _whole(received):
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return True
