"""Faults that the sandbox plays on request: F6 and F7 of the reliability plan.

A fault names a method, a path prefix and a kind, and strikes a number of times or with a
probability. Kinds that lose the answer raise one of the exceptions below; the HTTP server turns
them into stalled and closed sockets, a simulator into whatever it likes.
"""

import random
import threading
from dataclasses import dataclass
from typing import Any

from ops.sandbox.book_tables import Json

KINDS = (
    "429",  # refused by the limiter; nothing done, nothing saved
    "500",  # failed before execution; nothing done, nothing saved
    "500_stored",  # failed during execution; saved under the key and replayed for 24 h
    "503",
    "409",
    "timeout_before",  # nothing done, no answer
    "timeout_after",  # executed and committed, no answer
    "reset",  # connection reset; nothing done unless `executed`
    "truncated_json",  # executed, half of the body sent
    "other_currency",  # executed, the answer names another currency
    "stall_seconds",  # executed, the answer comes `seconds` late
)

# What a fault does by itself; `executed` in a fault overrides it for 500_stored and reset.
EXECUTED = frozenset({"timeout_after", "truncated_json", "other_currency", "stall_seconds"})

_FIELDS = {"method", "path_prefix", "kind", "times", "probability", "seconds", "executed"}
_SECONDS_DEFAULT = 60


class FaultError(ValueError):
    """A fault is described wrongly; the sentence names the field and what it must be."""


class NoAnswer(Exception):
    """The connection hangs for `seconds` and ends without an answer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer for {seconds} s")
        self.seconds = seconds


class TimedOutBefore(NoAnswer):
    """Nothing was done, and no answer will come."""


class TimedOutAfter(NoAnswer):
    """The request was executed and committed, and no answer will come."""


class ConnectionBroken(Exception):
    """The connection is reset; the caller cannot know whether anything was done."""


class StalledAnswer(Exception):
    """The request was executed; `answer` is due after `seconds`."""

    def __init__(self, seconds: float, answer: Any) -> None:
        super().__init__(f"answer {seconds} s late")
        self.seconds = seconds
        self.answer = answer


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault: `times` counts down to 0, or `probability` (0 to 1) decides each request."""

    kind: str
    method: str = "*"
    path_prefix: str = "/v1/"
    times: int | None = None
    probability: float | None = None
    seconds: float = _SECONDS_DEFAULT
    executed: bool = False

    def to_json(self) -> Json:
        """Return the fault with what is left of it."""
        return {name: getattr(self, name) for name in sorted(_FIELDS)}


class Faults:
    """The faults in force, tried in their order; thread-safe."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def replace(self, described: list[Json]) -> None:
        """Put these faults in force instead of all earlier ones; raises FaultError."""
        faults = [_read(item) for item in described]
        with self._lock:
            self._faults = faults

    def strike(self, method: str, path: str) -> Fault | None:
        """Return the fault that this request meets, used up by one, or None."""
        with self._lock:
            for fault in self._faults:
                if fault.method not in ("*", method) or not path.startswith(fault.path_prefix):
                    continue
                if self._hits(fault):
                    return fault
        return None

    def _hits(self, fault: Fault) -> bool:
        if fault.probability is not None:
            return self._rng.random() < fault.probability
        if fault.times is None or fault.times <= 0:
            return False
        fault.times -= 1
        return True

    def to_json(self) -> list[Json]:
        """Return the faults in force, with what is left of them."""
        with self._lock:
            return [fault.to_json() for fault in self._faults]


def _read(item: Any) -> Fault:
    if not isinstance(item, dict) or set(item) - _FIELDS:
        raise FaultError(f"a fault is an object with only {', '.join(sorted(_FIELDS))}")
    kind = str(item.get("kind"))
    if kind not in KINDS:
        raise FaultError(f"kind must be one of {', '.join(KINDS)}")
    if item.get("times") is None and item.get("probability") is None:
        item = item | {"times": 1}
    return Fault(**(item | {"kind": kind}))
