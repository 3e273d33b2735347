"""What costs a scan and changes slowly: kept in this process for a while, by merchant and name."""

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ops.dashboard.house import house

Value = TypeVar("Value")

_KEPT: Final[dict[tuple[int, tuple[str, ...]], tuple[float, Any]]] = {}
_LOCK: Final = threading.Lock()


def remembered(name: tuple[str, ...], seconds: float, make: Callable[[], Value]) -> Value:
    """What `make` told at most `seconds` ago."""
    here, now = (id(house()), name), house().clock.monotonic()
    with _LOCK:
        kept = _KEPT.get(here)
    if kept is not None and now - kept[0] < seconds:
        value: Value = kept[1]
        return value
    made = make()
    with _LOCK:
        _KEPT[here] = (now, made)
    return made
