"""The composition root: what each process is made of, built from its settings in one place.

Nothing connects before its first use, so a process starts while the database or Redis is away and
says so by its readiness. Closing gives everything back.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ledger.engine import Store
from runtime import limits
from runtime.clock import Clock, SystemClock
from runtime.queues import Wakeups
from runtime.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The parts that every process shares; a context manager that closes them."""

    settings: Settings
    clock: Clock
    store: Store
    redis: Redis
    wakeups: Wakeups

    def close(self) -> None:
        """Close the connections of the database and of Redis. Idempotent."""
        self.redis.close()
        self.store.close()

    def __enter__(self) -> Self:
        """Hand the parts out."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """Close them."""
        self.close()


def open_wiring(settings: Settings, clock: Clock | None = None) -> Wiring:
    """Build the parts of one process; `clock` is the machine's unless given."""
    clock = clock or SystemClock()
    redis = open_redis(settings.redis_url)
    return Wiring(
        settings=settings,
        clock=clock,
        store=Store(settings.database_url),
        redis=redis,
        wakeups=Wakeups(redis, clock),
    )


def open_redis(url: str) -> Redis:
    """A client for one server (`redis://`, `rediss://` or `unix://`) that fails fast.

    It does not retry, because a wake-up is not worth a wait. An RQ worker blocks on its connection
    for longer than a reply may take here and widens its client's time-out by itself, so give it a
    client of its own. Lists of Sentinel or Cluster nodes are not supported; `load_settings` refuses
    them.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=limits.REDIS_CONNECT_SECONDS_MAX,
        socket_timeout=limits.REDIS_REPLY_SECONDS_MAX,
        health_check_interval=limits.REDIS_HEALTH_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
