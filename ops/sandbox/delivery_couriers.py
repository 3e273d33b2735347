"""The threads that carry deliveries: real HTTP around `deliveries.Deliveries`."""

import threading
from typing import Any

from ops.sandbox.book import Book
from ops.sandbox.deliveries import Deliveries, Delivery
from ops.sandbox.keep_alive import HttpUnanswered, KeepAliveClient
from runtime.clock import Clock

# How long an endpoint may take. Stripe does not publish its number; Checkout waits ten seconds.
ANSWER_SECONDS_MAX = 10.0
# An idle courier looks again after this long, so that a rolled secret, an enabled endpoint or a
# changed clock is noticed without an event.
IDLE_SECONDS_MAX = 0.25


class Couriers:
    """`count` threads that deliver what is due until `stop`.

    Deciding happens under one lock and takes about a millisecond; only the waiting for endpoints
    is parallel. An answer that takes longer than `answer_seconds_max` counts as none.
    """

    def __init__(
        self,
        book: Book,
        deliveries: Deliveries,
        clock: Clock,
        *,
        count: int = 8,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
    ) -> None:
        self._book = book
        self._deliveries = deliveries
        self._clock = clock
        self._client = KeepAliveClient(answer_seconds_max)
        self._lookout = threading.Lock()
        self._deciding = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._carry, name=f"courier-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Start delivering."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let attempts under way finish, then end. What waits stays in the book's file."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def counts(self) -> dict[str, int]:
        """Return `Deliveries.counts()`, safely beside the running threads."""
        with self._deciding:
            return self._deliveries.counts()

    def settled(self) -> bool:
        """True when every event of the book was planned and no delivery waits or is under way."""
        with self._deciding:
            self._deliveries.schedule()
            return self._deliveries.settled

    def controls(self) -> dict[tuple[str, str], Any]:
        """Return the control endpoint GET /sandbox/deliveries for `SandboxServer(controls=…)`."""
        return {("GET", "/sandbox/deliveries"): lambda _body: self.counts()}

    def _carry(self) -> None:
        while not self._stopping.is_set():
            # One courier at a time looks out; with a delivery in hand it leaves the post to the
            # next one. So news wakes one thread and not all of them.
            with self._lookout:
                delivery = None if self._stopping.is_set() else self._look_out()
            if delivery is not None:
                status = self._post(delivery)
                with self._deciding:
                    self._deliveries.outcome(delivery, status)
        self._client.close()

    def _look_out(self) -> Delivery | None:
        """Return a delivery that is due, or None after a while without one."""
        with self._deciding:
            self._deliveries.schedule()
            for delivery in self._deliveries.due(1):
                return delivery
            next_ms = self._deliveries.next_due_ms()
            mark = self._deliveries.mark
        idle_seconds = IDLE_SECONDS_MAX
        if next_ms is not None:
            wait_seconds = (next_ms - self._clock.now_ms()) / 1000
            idle_seconds = min(IDLE_SECONDS_MAX, max(0.001, wait_seconds))
        self._book.wait_for_event(mark, idle_seconds)
        return None

    def _post(self, delivery: Delivery) -> int | None:
        try:
            return self._client.send("POST", delivery.url, delivery.body, delivery.headers).status
        except HttpUnanswered:
            return None
