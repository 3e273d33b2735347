"""What costs a scan and changes slowly: kept by the house for a while, by name."""

from collections.abc import Callable
from typing import Final, TypeVar

from ops.dashboard.house import house

Value = TypeVar("Value")

_MOST: Final = 2_000


def remembered(name: tuple[str, ...], seconds: float, make: Callable[[], Value]) -> Value:
    """What `make` told at most `seconds` ago."""
    kept, now = house().kept, house().clock.monotonic()
    until, value = kept.get(name, (float("-inf"), None))
    if now < until:
        found: Value = value
        return found
    made = make()
    if len(kept) >= _MOST:
        for old in [one for one, (ends, _) in list(kept.items()) if ends <= now]:
            kept.pop(old, None)
    kept[name] = (now + seconds, made)
    return made
