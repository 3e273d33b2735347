"""What Redis says about the queues: wake-ups, workers, failed jobs. Rows, not these, are the work."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from redis import Redis
from rq import Queue, Worker
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from runtime.limits import RQ_WORKER_SECONDS
from runtime.queues import EFFECTS, EVENTS, NOTICES

#: The command that works on each queue.
WORKED_BY: Final = {EVENTS: "worker", EFFECTS: "effects", NOTICES: "notifier"}

#: A worker that is alive says so at least this often; one that was killed stays listed for longer.
_SILENT_MS_MAX = 2 * RQ_WORKER_SECONDS * 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReading:
    """One queue: wake-ups that wait, workers that live, jobs that failed."""

    name: str
    jobs: int
    workers: int
    failed: int


def read_queues(redis: Redis, now_ms: int) -> tuple[QueueReading, ...]:
    """Every queue as it stands. RedisError when Redis is away."""
    return tuple(_read(redis, name, now_ms) for name in WORKED_BY)


def _read(redis: Redis, name: str, now_ms: int) -> QueueReading:
    queue = Queue(name, connection=redis, serializer=JSONSerializer)
    workers = Worker.all(queue=queue, serializer=JSONSerializer)
    heard_ms = [_ms(worker.last_heartbeat) for worker in workers]
    return QueueReading(
        name=name,
        jobs=queue.count,
        workers=sum(now_ms - at_ms <= _SILENT_MS_MAX for at_ms in heard_ms),
        failed=FailedJobRegistry(queue=queue).get_job_count(cleanup=False),
    )


def _ms(moment: datetime | None) -> int:
    if moment is None:
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
