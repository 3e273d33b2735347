"""The clocks of simulated processes: each may be wrong in its own way, none decides what time it is."""

from runtime.clock import Clock


class TrueClock(Clock):
    """The world's own time: Stripe's, and that of whoever looks from outside."""

    def __init__(self, scheduler):
        self._scheduler = scheduler

    def now_ms(self):
        """Unix milliseconds, UTC."""
        return self._scheduler.now_ms

    def monotonic(self):
        """Seconds since the world began."""
        return (self._scheduler.now_ms - self._scheduler.started_ms) / 1000

    def sleep(self, seconds):
        """Let others run for so long."""
        self._scheduler.pause(round(max(seconds, 0) * 1000))


class ProcessClock(TrueClock):
    """The wall clock of one machine: true time and a skew that a fault may set."""

    def __init__(self, scheduler):
        super().__init__(scheduler)
        self.skew_ms = 0

    def now_ms(self):
        """Unix milliseconds as this machine believes."""
        return self._scheduler.now_ms + self.skew_ms
