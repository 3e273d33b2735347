"""The one retry schedule: bounded, growing, spread out, and the same each time it is asked."""

import itertools

import pytest

from runtime.limits import EVENT_ATTEMPTS_MAX
from workers.retries import DAY_MS, HOUR_MS, Trouble, exhausted, next_try_ms

NOW_MS = 1_767_268_800_000


@pytest.mark.parametrize("trouble", Trouble)
def test_delay_is_the_schedules_and_up_to_a_fifth_more(trouble):
    """Whatever the row, a delay lies between the schedule's and a fifth above it, and is bounded.

    Nobody waits for a notice by the hour: its delays grow to a day, all others to an hour.
    """
    longest_ms = DAY_MS if trouble is Trouble.UNDELIVERED else HOUR_MS
    for tries in range(1, EVENT_ATTEMPTS_MAX + 1):
        delays = [next_try_ms(trouble, f"row-{n}", tries, NOW_MS) - NOW_MS for n in range(200)]
        least = min(delays)
        assert 1_000 <= least <= max(delays) <= least * 1.21 <= longest_ms * 1.25


@pytest.mark.parametrize("trouble", Trouble)
def test_delays_never_shrink(trouble):
    """A later try never follows sooner than an earlier one, jitter aside."""
    delays = [
        min(next_try_ms(trouble, f"row-{n}", tries, 0) for n in range(50)) for tries in range(1, 15)
    ]

    for earlier, later in itertools.pairwise(delays):
        assert later >= earlier * 0.95


def test_jitter_is_the_same_each_time():
    """One row's schedule can be told in advance: no chance is involved."""
    one, again = (
        [next_try_ms(Trouble.UNKNOWN, "ri_1", tries, NOW_MS) for tries in range(1, 13)]
        for _ in range(2)
    )

    assert one == again


def test_jitter_spreads_rows_out():
    """A hundred rows that failed at one moment come back at many different ones."""
    moments = {next_try_ms(Trouble.THROTTLED, f"ri_{n}", 5, NOW_MS) for n in range(100)}

    assert len(moments) > 60


@pytest.mark.parametrize(("tries", "given_up"), [(1, False), (11, False), (12, True), (13, True)])
def test_twelve_tries_are_all(tries, given_up):
    """Nothing is tried a thirteenth time (I13)."""
    assert given_up is exhausted(tries)


def test_zero_tries_count_as_one():
    """A row that was never tried waits as after its first try."""
    assert next_try_ms(Trouble.HELD, "a", 0, 0) >= 5 * 60_000
