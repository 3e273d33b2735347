import time

from runtime.clock import SystemClock
from tests.fakes.frozen_clock import NOON_MS, FrozenClock


def test_system_clock_tells_unix_milliseconds():
    """The system clock tells the same time as the machine, as an integer of milliseconds."""
    before = time.time()

    now_ms = SystemClock().now_ms()

    assert isinstance(now_ms, int)
    assert before * 1000 - 1 <= now_ms <= time.time() * 1000 + 1


def test_system_clock_waits():
    """Sleeping waits for at least the seconds asked for, and zero or less returns at once."""
    clock = SystemClock()
    started = clock.monotonic()

    clock.sleep(0.02)
    clock.sleep(-1)

    assert 0.02 <= clock.monotonic() - started < 1


def test_frozen_clock_moves_only_when_moved():
    """A frozen clock stands still; advancing and sleeping move both times, a jump only the wall."""
    clock = FrozenClock()

    clock.advance(1.5)
    clock.sleep(2)
    clock.jump(-3600)

    assert NOON_MS + 3500 - 3_600_000 == clock.now_ms()
    assert clock.monotonic() == 3.5
    assert [2] == clock.slept
