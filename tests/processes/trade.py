"""Shops that sell at a steady rate: honest payments, and every few customers somebody pays twice."""

import contextlib
import itertools
import threading

from tests.processes.machine import clock
from tests.processes.shop import KINDS

#: Honest customers for each one who pays twice. Each kind of duplicate charge takes its turn. A refund
#: costs a machine of two cores as much as thirty events, and should not be most of what it does.
HONEST_PER_DUPLICATE = 6
LOOK_SECONDS = 0.02
#: The book is looked at so often; it is a file that Stripe's sandbox writes.
COUNT_SECONDS = 0.2
EVENTS_PER_SALE = 3
#: How far sales may fall behind and still be caught up with; a sandbox that hung need not be flooded.
BEHIND_EVENTS_MAX = 300
CLOSE_SECONDS_MAX = 60


class Trade:
    """`events_per_second` counts events of Stripe's that the processor handles, over all tills."""

    def __init__(self, machine, events_per_second, tills=3):
        self.honest = 0
        self._machine = machine
        self._rate = events_per_second
        self._lock = threading.Lock()
        self._behind = 0.0
        self._count_at = 0.0
        self._failures = []
        self._stopped = threading.Event()
        self._shops = [machine.open_shop() for _ in range(tills)]
        self._threads = [
            threading.Thread(target=self._sell, args=(shop, number), name="till", daemon=True)
            for number, shop in enumerate(self._shops)
        ]

    def start(self):
        """Open the shops."""
        self._opened = clock.monotonic()
        self._count_at = self._opened
        self._base = self._machine.told()
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Close them; raises what went wrong at a till."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(CLOSE_SECONDS_MAX)
        if self._failures:
            raise self._failures[0]

    def _sell(self, shop, number):
        try:
            for kind in itertools.islice(itertools.cycle(KINDS), number, None):
                for _ in range(HONEST_PER_DUPLICATE):
                    if not self._wait_for_turn():
                        return
                    shop.pay_once()
                    self.honest += 1
                if not self._wait_for_turn():
                    return
                shop.pay_twice(kind)
        except Exception as failure:  # noqa: BLE001 - raised again in `stop`
            self._failures.append(failure)
        finally:
            shop.close()

    def _wait_for_turn(self):
        """Wait until fewer events were told than the rate asks for; False when the day is over."""
        while not self._stopped.wait(LOOK_SECONDS):
            with self._lock:
                if clock.monotonic() >= self._count_at:
                    self._count()
                if self._behind > 0:
                    self._behind -= EVENTS_PER_SALE
                    return True
        return False

    def _count(self):
        now = clock.monotonic()
        self._count_at = now + COUNT_SECONDS
        told = self._machine.told() - self._base
        self._behind = (now - self._opened) * self._rate - told
        if self._behind > BEHIND_EVENTS_MAX:
            self._opened += (self._behind - BEHIND_EVENTS_MAX) / self._rate


@contextlib.contextmanager
def trading(machine, events_per_second):
    """Sales as long as the block lasts."""
    trade = Trade(machine, events_per_second)
    trade.start()
    try:
        yield trade
    finally:
        trade.stop()
