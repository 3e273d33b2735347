"""The one door to time: wall clock, elapsed time and waiting.

Everything that needs the time takes a `Clock` as an argument, so that tests and the simulator can
hand in their own. Wall time is integer unix milliseconds in UTC, because floats lose exactness and
the database stores integers; elapsed time is float seconds that never run backwards.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, how much has passed, and waits."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC. May jump when the machine's clock is set."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; only differences mean anything."""

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; zero or less returns at once."""


class SystemClock(Clock):
    """The machine's own clock, used by every process outside tests."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        if seconds > 0:
            time.sleep(seconds)  # noqa: TID251 -- this is the clock that the ban points to
