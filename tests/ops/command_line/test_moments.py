"""How moments and durations are shown."""

import pytest

from ops.moments import duration_text, moment_text, short_moment
from tests.fakes.frozen_clock import NOON_MS

YEAR_MS = 365 * 24 * 3_600_000


@pytest.mark.parametrize(
    ("duration_ms", "expected"),
    [
        pytest.param(-5, "0 s", id="clocks that disagree"),
        pytest.param(999, "0 s", id="less than a second"),
        pytest.param(59_000, "59 s", id="seconds"),
        pytest.param(60_000, "1 min 0 s", id="a minute"),
        pytest.param(3_600_000 + 20 * 60_000 + 1, "1 h 20 min", id="hours"),
        pytest.param(97 * 3_600_000, "4 d 1 h", id="days"),
    ],
)
def test_duration(duration_ms, expected):
    """A duration is told by its two largest units."""
    assert expected == duration_text(duration_ms)


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [
        pytest.param(NOON_MS, "01-01 12:00:00", id="this year"),
        pytest.param(NOON_MS - YEAR_MS, "2025-01-01", id="another year"),
    ],
)
def test_short_moment(at_ms, expected):
    """Narrow columns leave out the year of now, and the time of day of any other."""
    assert expected == short_moment(at_ms, NOON_MS)


@pytest.mark.parametrize(("at_ms", "expected"), [(NOON_MS, "2026-01-01 12:00:00 UTC"), (None, "")])
def test_moment(at_ms, expected):
    """A moment is told in UTC; none is told by nothing."""
    assert expected == moment_text(at_ms)
