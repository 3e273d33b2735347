"""Business days of England and Wales: deadlines, and how many are left until one."""

from datetime import UTC, datetime

import pytest

from workers.business_days import business_days_after, business_days_until


def at(text):
    """The unix milliseconds of a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "due", "days"),
    [
        pytest.param("2026-11-27T10:00", "2026-11-27T23:59", 0, id="today"),
        pytest.param("2026-11-27T10:00", "2026-11-28T23:59", 0, id="a Saturday is none"),
        pytest.param("2026-11-27T10:00", "2026-11-30T23:59", 1, id="over a weekend"),
        pytest.param("2026-12-24T10:00", "2026-12-29T23:59", 1, id="over Christmas"),
        pytest.param("2026-11-27T10:00", "2026-11-20T23:59", 0, id="over"),
    ],
)
def test_days_until(now, due, days):
    """Only business days count, and today does not."""
    assert days == business_days_until(at(now), at(due))


@pytest.mark.parametrize("days", range(1, 15))
def test_as_many_as_were_given(days):
    """So many are left until a deadline as it was set for."""
    for day in range(1, 29):
        now_ms = at(f"2026-12-{day:02}T15:00")
        assert days == business_days_until(now_ms, business_days_after(now_ms, days))
