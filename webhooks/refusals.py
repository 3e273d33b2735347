"""What is kept of a refused delivery: a count by reason and, now and then, a line with its hash.

Nothing unverified is stored (invariant I10), and a flood at the door must not become one in the log.
"""

import hashlib
import threading
from collections import Counter

import structlog

from runtime import limits
from runtime.clock import Clock
from runtime.logs import log_of
from runtime.meters import count

_log = structlog.get_logger("webhooks.refusals")


class RefusalLog:
    """Counts refusals; tells at most one line per reason and `REFUSAL_LOG_SECONDS`."""

    def __init__(self, clock: Clock, merchant: str = "") -> None:
        self._clock = clock
        self._log = log_of(_log, merchant)
        self._lock = threading.Lock()
        self._untold: Counter[str] = Counter()
        self._silent_until: dict[str, float] = {}
        self.total: Counter[str] = Counter()

    def note(self, reason: str, body: bytes) -> None:
        """Count one refusal for `reason`; its line names the hash of `body` and how many it stands for."""
        count("refused", reason)
        now = self._clock.monotonic()
        with self._lock:
            self.total[reason] += 1
            self._untold[reason] += 1
            if now < self._silent_until.get(reason, now):
                return
            self._silent_until[reason] = now + limits.REFUSAL_LOG_SECONDS
            stands_for = self._untold.pop(reason)
        self._log.warning(
            "delivery.refused",
            reason=reason,
            count=stands_for,
            bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )
