"""The ends of billing periods: short months, leap years, the turn of the year."""

import time
from datetime import UTC, datetime

import pytest

from policy.billing_periods import period_end


def second(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.fixture(params=["UTC0", "NZST-12", "HST10"])
def machine_zone(request, monkeypatch):
    """The zone that the machine's own clock shows."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("machine_zone")
@pytest.mark.parametrize(
    ("start", "interval", "count", "anchor", "end"),
    [
        pytest.param("2026-01-15T08:30:07", "month", 1, None, "2026-02-15T08:30:07", id="month"),
        pytest.param("2026-01-31T23:59:59", "month", 1, None, "2026-02-28T23:59:59", id="short month"),
        pytest.param("2028-01-31T00:00:00", "month", 1, None, "2028-02-29T00:00:00", id="leap year"),
        pytest.param(
            "2026-02-28T10:00:00", "month", 1, "2026-01-31T10:00:00", "2026-03-31T10:00:00",
            id="back to the 31st",
        ),
        pytest.param(
            "2026-03-31T10:00:00", "month", 1, "2026-01-31T10:00:00", "2026-04-30T10:00:00",
            id="the 30th in between",
        ),
        pytest.param("2026-11-05T12:00:00", "month", 1, None, "2026-12-05T12:00:00", id="into December"),
        pytest.param("2026-12-10T12:00:00", "month", 1, None, "2027-01-10T12:00:00", id="into January"),
        pytest.param("2026-11-30T12:00:00", "month", 3, None, "2027-02-28T12:00:00", id="a quarter"),
        pytest.param("2026-03-01T00:30:00", "year", 1, None, "2027-03-01T00:30:00", id="year"),
        pytest.param("2026-12-31T23:30:00", "year", 2, None, "2028-12-31T23:30:00", id="two years"),
        pytest.param("2028-02-29T12:00:00", "year", 1, None, "2029-02-28T12:00:00", id="from a leap day"),
        pytest.param(
            "2031-02-28T12:00:00", "year", 1, "2028-02-29T12:00:00", "2032-02-29T12:00:00",
            id="back to the leap day",
        ),
        pytest.param("2026-02-28T12:00:00", "day", 1, None, "2026-03-01T12:00:00", id="day"),
        pytest.param("2026-02-28T12:00:00", "day", 10, None, "2026-03-10T12:00:00", id="ten days"),
        pytest.param("2026-12-28T12:00:00", "week", 1, None, "2027-01-04T12:00:00", id="week"),
        pytest.param("2026-01-01T00:00:00", "week", 2, None, "2026-01-15T00:00:00", id="two weeks"),
    ],
)  # fmt: skip
def test_period_end(start, interval, count, anchor, end):
    """A period ends at the anchor's day of the month or on the month's last, wherever the machine stands."""
    begun = second(start)

    assert second(end) == period_end(
        begun, interval, count, begun if anchor is None else second(anchor)
    )
