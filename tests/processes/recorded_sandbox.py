"""The sandbox as a process that also writes down what its couriers were answered.

Each line of `deliveries.jsonl` in the data folder is one attempt: the event, the sha256 of the bytes
that were sent, the HTTP status (null: no answer) and when it came. It is the client's side of
invariant I1.
"""

import argparse
import hashlib
import json
import random
import signal
import threading

from ops.sandbox.book import Book
from ops.sandbox.connected_accounts import ConnectedAccounts
from ops.sandbox.deliveries import Deliveries, DeliveryHabits
from ops.sandbox.delivery_couriers import Couriers
from ops.sandbox.delivery_endpoints import endpoint_controls
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock
from runtime.settings import load_settings

CLIENT_LOG = "deliveries.jsonl"


#: The first retry follows after a fifth of a second, so that a test need not wait for a minute.
PROMPT = DeliveryHabits(speed=300)


class RecordedDeliveries(Deliveries):
    """Deliveries whose every outcome is a line of a file."""

    lines = None

    def outcome(self, delivery, status):
        """Write the attempt down before anything follows from it."""
        line = {
            "event_id": delivery.event_id,
            "sha256": hashlib.sha256(delivery.body).hexdigest(),
            "status": status,
            "at_ms": self._clock.now_ms(),
        }
        self.lines.write(json.dumps(line) + "\n")
        super().outcome(delivery, status)


class RecordedSandbox:
    """The whole sandbox over HTTP; `port` 0 takes a free one."""

    def __init__(self, data, port=0, habits=PROMPT):
        clock, rng = SystemClock(), random.Random()
        path = data / "sandbox.db"
        book = Book(path)
        self._lines = (data / CLIENT_LOG).open("a", buffering=1)
        self._deliveries = RecordedDeliveries(book, clock, rng, habits, path)
        self._deliveries.lines = self._lines
        self._couriers = Couriers(book, self._deliveries, clock)
        self._book = book
        self._accounts = ConnectedAccounts(book, data, clock, lambda *_: random.Random(), habits)
        self._server = SandboxServer(
            SandboxStripe(book, clock, rng),
            port,
            controls=self._couriers.controls()
            | endpoint_controls(book, clock)
            | self._accounts.controls(),
            accounts=self._accounts,
        )
        self.url = self._server.url

    def start(self):
        """Serve and deliver."""
        self._server.start()
        self._couriers.start()

    def stop(self):
        """End both and close the files."""
        self._couriers.stop()
        self._server.stop()
        self._accounts.stop()
        self._deliveries.close()
        self._book.close()
        self._lines.close()


def main():
    """Serve until SIGTERM, with the habits of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=float, default=0.0)
    parser.add_argument("--repeats-max", type=int, default=3)
    parser.add_argument("--speed", type=float, default=PROMPT.speed)
    given = parser.parse_args()
    habits = DeliveryHabits(
        repeat_share=given.repeats, repeats_max=given.repeats_max, speed=given.speed
    )
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    settings = load_settings()
    sandbox = RecordedSandbox(settings.redress_data, settings.redress_sandbox_port, habits)
    sandbox.start()
    stopped.wait()
    sandbox.stop()


if __name__ == "__main__":
    main()
