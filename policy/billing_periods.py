"""Calendar arithmetic of billing periods, in unix seconds UTC.

A monthly period that began on the 31st ends on the last day of a shorter month, and returns to the
31st afterwards, because the anchor's day is remembered
(https://docs.stripe.com/billing/subscriptions/billing-cycle).
"""

import calendar
from datetime import UTC, datetime, timedelta

_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


def period_end(start: int, interval: str, count: int, anchor: int) -> int:
    """Return the end of the period that begins at `start`, `count` intervals later."""
    begin = datetime.fromtimestamp(start, UTC)
    if interval in _DAYS:
        return int((begin + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = begin.year * 12 + begin.month - 1 + _MONTHS[interval] * count
    year, month = divmod(months, 12)
    day = datetime.fromtimestamp(anchor, UTC).day
    last = calendar.monthrange(year, month + 1)[1]
    return int(begin.replace(year=year, month=month + 1, day=min(day, last)).timestamp())
