"""The sandbox as a process: its HTTP server and the couriers that deliver its webhooks."""

import random
import threading

from ops.sandbox.book import Book
from ops.sandbox.connected_accounts import ConnectedAccounts
from ops.sandbox.deliveries import Deliveries, DeliveryHabits
from ops.sandbox.delivery_couriers import Couriers
from ops.sandbox.delivery_endpoints import endpoint_controls
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock
from runtime.settings import Settings


def run_sandbox(
    settings: Settings, seed: int | None, habits: DeliveryHabits, stopped: threading.Event
) -> None:
    """Serve on `redress_sandbox_port` and deliver until `stopped`; its book is `sandbox.db`.

    With a `seed`, ids and delays repeat from run to run as long as the calls come in one order.
    """
    clock = SystemClock()
    path = settings.redress_data / "sandbox.db"
    book = Book(path)
    deliveries = Deliveries(book, clock, _source(book, seed, "deliveries"), habits, path)
    couriers = Couriers(book, deliveries, clock)
    accounts = ConnectedAccounts(
        book,
        settings.redress_data,
        clock,
        lambda connected, purpose: _source(connected, seed, purpose),
        habits,
    )
    server = SandboxServer(
        SandboxStripe(book, clock, _source(book, seed, "ids")),
        settings.redress_sandbox_port,
        controls={
            **couriers.controls(),
            **endpoint_controls(book, clock),
            **accounts.controls(),
        },
        accounts=accounts,
    )
    server.start()
    couriers.start()
    stopped.wait()
    couriers.stop()
    server.stop()
    accounts.stop()
    deliveries.close()
    book.close()


def _source(book: Book, seed: int | None, purpose: str) -> random.Random:
    """A random source of its own for each purpose, and another one after each restart on one book."""
    return random.Random(None if seed is None else f"{seed}-{purpose}-{book.last_event_seq()}")
