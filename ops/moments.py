"""Moments and durations as operators write and read them; stored times are unix milliseconds, UTC."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import click

from ops.operator_context import OperatorContext

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
MOMENT_RULE: Final = "write 2h (ago), 2026-01-31 or 2026-01-31T12:00:00Z"


class Moment(click.ParamType[int]):
    """`2h` (ago), `2026-01-31` or `2026-01-31T12:00:00Z` as unix ms; without a zone it is UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The unix milliseconds of a moment, or a usage error that says how to write one."""
        now_ms = 0 if ctx is None else ctx.ensure_object(OperatorContext).clock.now_ms()
        moment_ms = read_moment(str(value), now_ms)
        if moment_ms is None:
            self.fail(MOMENT_RULE, param, ctx)
        return moment_ms


def read_moment(text: str, now_ms: int) -> int | None:
    """The unix milliseconds of a moment as people write it; None for what is none."""
    ago = _AGO.fullmatch(text)
    if ago:
        return now_ms - int(ago[1]) * _UNITS_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(aware.timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def moment_text(at_ms: int | None) -> str:
    """`2026-01-31 12:00:00 UTC`; empty when there is none."""
    if at_ms is None:
        return ""
    return f"{_utc(at_ms):%Y-%m-%d %H:%M:%S} UTC"


def short_moment(at_ms: int, now_ms: int) -> str:
    """`01-31 12:00:00` in the year of `now_ms`, `2025-01-31` in any other: for narrow columns."""
    moment = _utc(at_ms)
    same_year = moment.year == _utc(now_ms).year
    return f"{moment:%m-%d %H:%M:%S}" if same_year else f"{moment:%Y-%m-%d}"


def duration_text(duration_ms: int) -> str:
    """The two largest units: `0 s`, `59 s`, `2 min 5 s`, `3 h 20 min`, `4 d 1 h`."""
    seconds = max(0, duration_ms) // 1000
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
