"""Whether this process lives, and whether it can keep what it is sent.

`/health/live` says only that requests are answered: a supervisor that restarts on it must not restart
for a database that is away. `/health/ready` is for whoever sends traffic here: 503 when an event could
not be stored now. Redis being away only delays decisions until the sweeper comes by, so that is 200
and said to be degraded.
"""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ledger.engine import Store
from runtime import limits
from runtime.clock import Clock
from webhooks import answers
from webhooks.answers import Answer

_log = structlog.get_logger("webhooks.health")


def live() -> Answer:
    """200 as long as this process answers at all."""
    return answers.json_answer(200, {"status": "ok"})


class Readiness:
    """Asks database and Redis, at most once per `READY_SECONDS`; threads may share it."""

    def __init__(
        self,
        *,
        store: Store,
        schema_problem: Callable[[], str | None],
        redis_answers: Callable[[], bool],
        clock: Clock,
    ) -> None:
        """`schema_problem` says in a sentence why the schema is not ours, or None."""
        self._store = store
        self._schema_problem = schema_problem
        self._redis_answers = redis_answers
        self._clock = clock
        self._lock = threading.Lock()
        self._latest: tuple[float, Answer] | None = None

    def ready(self) -> Answer:
        """200 with ok or degraded, 503 with what is wrong."""
        with self._lock:
            now = self._clock.monotonic()
            if self._latest is None or now - self._latest[0] >= limits.READY_SECONDS:
                self._latest = (now, self._ask())
            return self._latest[1]

    def _ask(self) -> Answer:
        database = self._database_problem()
        redis = "ok" if self._redis_answers() else "away"
        if database is not None:
            parts = {"status": "unavailable", "database": database, "redis": redis}
            return answers.json_answer(503, parts, retry_after=str(limits.RETRY_AFTER_SECONDS))
        status = "ok" if redis == "ok" else "degraded"
        return answers.json_answer(200, {"status": status, "database": "ok", "redis": redis})

    def _database_problem(self) -> str | None:
        try:
            with self._store.write() as connection:
                if self._store.dialect == "sqlite":
                    # Writes the file's header as it is: BEGIN IMMEDIATE alone would pass on a full disk.
                    version = connection.execute(text("PRAGMA user_version")).scalar_one()
                    connection.execute(text(f"PRAGMA user_version = {int(version)}"))
                else:
                    connection.execute(text("SELECT pg_current_xact_id()"))  # refused by a standby
            return self._schema_problem()
        except (SQLAlchemyError, OSError) as error:
            _log.warning("database.away", error=type(error).__name__)
            return "cannot be written to"
