"""The one retry schedule: how long after a try the next one follows, and when to stop trying.

RQ's own retries and the SDK's are off, so that nothing is tried by two schedules at once. The jitter
comes from the row's id: two rows spread out, and one row's schedule can be told in advance.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum

from runtime.limits import EVENT_ATTEMPTS_MAX

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class Trouble(StrEnum):
    """Why something has to be tried again."""

    EVENT_FAILED = "event_failed"  # a handler or the database failed on an event
    THROTTLED = "throttled"  # Stripe wants the call later and did nothing
    UNKNOWN = "unknown"  # the outcome of a call is not known
    UNREACHABLE = "unreachable"  # a question to Stripe got no answer; nothing was sent
    HELD = "held"  # a brake keeps the money back
    UNDELIVERED = "undelivered"  # an e-mail or a webhook was not taken


_SCHEDULE_MS: Mapping[Trouble, tuple[int, ...]] = {
    # Tries that a killed worker took count as well, and a database that fails is mostly back within
    # seconds: with half a minute as the third delay, one event in a hundred took longer than 30 s to
    # recover on a day of kills (docs/testing.md).
    Trouble.EVENT_FAILED: (
        SECOND_MS,
        2 * SECOND_MS,
        5 * SECOND_MS,
        10 * SECOND_MS,
        30 * SECOND_MS,
        2 * MINUTE_MS,
        10 * MINUTE_MS,
        HOUR_MS,
    ),
    Trouble.THROTTLED: (
        SECOND_MS,
        2 * SECOND_MS,
        4 * SECOND_MS,
        15 * SECOND_MS,
        MINUTE_MS,
        5 * MINUTE_MS,
        HOUR_MS,
    ),
    # Soon at first, because most lost answers are found at Stripe at once; then more patiently.
    Trouble.UNKNOWN: (
        2 * SECOND_MS,
        5 * SECOND_MS,
        15 * SECOND_MS,
        MINUTE_MS,
        10 * MINUTE_MS,
        HOUR_MS,
    ),
    Trouble.UNREACHABLE: (
        2 * SECOND_MS,
        5 * SECOND_MS,
        15 * SECOND_MS,
        MINUTE_MS,
        10 * MINUTE_MS,
        HOUR_MS,
    ),
    # A cap frees itself as the day moves on; the stop switch wakes everything when released.
    Trouble.HELD: (5 * MINUTE_MS,),
    # Four days in twelve tries: a product that is down over a long weekend is still told.
    Trouble.UNDELIVERED: (
        5 * SECOND_MS,
        30 * SECOND_MS,
        2 * MINUTE_MS,
        10 * MINUTE_MS,
        HOUR_MS,
        3 * HOUR_MS,
        6 * HOUR_MS,
        12 * HOUR_MS,
        DAY_MS,
    ),
}


def next_try_ms(trouble: Trouble, row_id: str, tries: int, now_ms: int) -> int:
    """When to try again after `tries` tries (1 or more): the schedule's delay and up to a fifth more."""
    delays = _SCHEDULE_MS[trouble]
    delay = delays[min(max(tries, 1), len(delays)) - 1]
    digest = hashlib.sha256(f"{row_id}:{tries}".encode()).digest()
    return now_ms + delay + delay * digest[0] // (5 * 255)


def exhausted(tries: int) -> bool:
    """Whether a row has been tried as often as anything is; a person takes over."""
    return tries >= EVENT_ATTEMPTS_MAX
