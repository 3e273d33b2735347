"""A clock that moves only when a test moves it."""

from runtime.clock import Clock

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z: no daylight saving, no leap, easy to read


class FrozenClock(Clock):
    """Stands still at `now_ms`; `advance` and `sleep` move wall and elapsed time together."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self._now_ms = now_ms
        self._elapsed_ms = 0
        self.slept: list[float] = []

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds that this clock was advanced by so far."""
        return self._elapsed_ms / 1000

    def sleep(self, seconds: float) -> None:
        """Advance at once instead of waiting, and remember for how long."""
        self.slept.append(seconds)
        self.advance(max(seconds, 0))

    def advance(self, seconds: float) -> None:
        """Let `seconds` (≥ 0) pass."""
        if seconds < 0:
            raise ValueError("time only advances; to set the wall clock back use jump()")
        self._elapsed_ms += round(seconds * 1000)
        self._now_ms += round(seconds * 1000)

    def jump(self, seconds: float) -> None:
        """Set the wall clock by `seconds` (either sign) while no time passes, as NTP may do."""
        self._now_ms += round(seconds * 1000)
