"""Deadlines in business days of England and Wales (policy § How they combine, 12)."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import holidays

_DAY_MS = 86_400_000


def business_days_after(from_ms: int, days: int) -> int:
    """The end (unix ms, UTC) of the `days`-th business day after the day of `from_ms`.

    What arrives on a Saturday is due as if it had come on the Friday: the first day that counts is the
    first business day after.
    """
    day = _day(from_ms)
    left = days
    while left > 0:
        day += timedelta(days=1)
        left -= _calendar().is_working_day(day)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(midnight.timestamp() * 1000) + _DAY_MS - 1


def business_days_until(now_ms: int, due_ms: int) -> int:
    """How many business days begin after the day of `now_ms` and up to that of `due_ms`; 0 when that is today or over."""
    day, last = _day(now_ms), _day(due_ms)
    count = 0
    while day < last:
        day += timedelta(days=1)
        count += _calendar().is_working_day(day)
    return count


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


@cache
def _calendar() -> holidays.HolidayBase:
    # Loaded when the first deadline is wanted: the library takes a tenth of a second.
    return holidays.country_holidays("GB", subdiv="ENG")
