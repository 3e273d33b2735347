"""The sandbox with all its parts in this process: API over HTTP, webhooks delivered, one file."""

import random
from pathlib import Path

from ops.sandbox.book import Book
from ops.sandbox.deliveries import Deliveries, DeliveryHabits
from ops.sandbox.delivery_couriers import Couriers
from ops.sandbox.delivery_endpoints import endpoint_controls
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import Clock

# A tenth of the events repeated, a tenth late, retries within seconds.
UNRULY = DeliveryHabits(repeat_share=0.1, delay_share=0.1, speed=60)


class WholeSandbox:
    """Serves the API on 127.0.0.1:`port` (0: a free one) and delivers events to its endpoints.

    `data` is a folder (None: memory only); all is kept in its `sandbox.db`, and a new start over
    it goes on with every object, key and delivery. `seed` fixes ids and accidents.
    """

    def __init__(
        self,
        data: Path | None,
        clock: Clock,
        *,
        port: int = 0,
        seed: int | None = None,
        habits: DeliveryHabits = UNRULY,
    ) -> None:
        path = None if data is None else data / "sandbox.db"
        self.book = Book(path)
        # Over a file that has a history the same seed must not draw the same ids again.
        drawn = None if seed is None else f"{seed}-{self.book.last_event_seq()}"
        self._deliveries = Deliveries(self.book, clock, random.Random(drawn), habits, path)
        self.couriers = Couriers(self.book, self._deliveries, clock)
        self._server = SandboxServer(
            SandboxStripe(self.book, clock, random.Random(drawn)),
            port,
            controls=endpoint_controls(self.book, clock) | self.couriers.controls(),
        )
        self.url = self._server.url

    def start(self) -> None:
        """Begin to serve and to deliver, in threads of this process."""
        self._server.start()
        self.couriers.start()

    def wait(self) -> None:
        """Block until `stop`."""
        self._server.wait()

    def stop(self) -> None:
        """Stop serving and delivering, and close the file; nothing is lost."""
        self._server.stop()
        self.couriers.stop()
        self._deliveries.close()
        self.book.close()
