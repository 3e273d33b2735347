"""The sandbox as a process: its HTTP server and the couriers that deliver its webhooks."""

import random
import threading

from ops.sandbox.book import Book
from ops.sandbox.deliveries import Deliveries, DeliveryHabits
from ops.sandbox.delivery_couriers import Couriers
from ops.sandbox.delivery_endpoints import endpoint_controls
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock
from runtime.settings import Settings


def run_sandbox(
    settings: Settings, rng: random.Random, habits: DeliveryHabits, stopped: threading.Event
) -> None:
    """Serve on `redress_sandbox_port` and deliver until `stopped`; its book is `sandbox.db`."""
    clock = SystemClock()
    path = settings.redress_data / "sandbox.db"
    book = Book(path)
    deliveries = Deliveries(book, clock, rng, habits, path)
    couriers = Couriers(book, deliveries, clock)
    server = SandboxServer(
        SandboxStripe(book, clock, rng),
        settings.redress_sandbox_port,
        controls={**couriers.controls(), **endpoint_controls(book, clock)},
    )
    server.start()
    couriers.start()
    stopped.wait()
    couriers.stop()
    server.stop()
    deliveries.close()
