"""RQ's queues and registries as a person works in them: exact pages of any of them, and one job at a time.

What a job says is shown by an allow-list: its function's name and, for functions of ours, its row. Tracebacks may hold
anything, so their last line alone is shown, without what looks like a secret. Rows are the work, jobs only hints: a
job that is cancelled is rung for again by the sweeper while its row is due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from redis import Redis
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import (
    BaseRegistry,
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import JSONSerializer
from rq.suspension import is_suspended, resume, suspend

from ops.queue_readings import WORKED_BY
from runtime.queues import JOB_NAMES, LAST_JOB
from runtime.redaction import scrub_text

READY: Final = "ready"
_REGISTRIES: Final[Mapping[str, type[BaseRegistry]]] = {
    "started": StartedJobRegistry,
    "failed": FailedJobRegistry,
    "scheduled": ScheduledJobRegistry,
    "deferred": DeferredJobRegistry,
    "finished": FinishedJobRegistry,
    "canceled": CanceledJobRegistry,
}
PLACES: Final = (READY, *_REGISTRIES)
_REDACTED: Final = "hidden: no function of ours"
_LINE_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job as a page shows it. Times are unix ms. `row` is the row that it works on, empty for a drain."""

    job_id: str
    name: str
    row: str
    state: str
    enqueued_ms: int | None
    ended_ms: int | None
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One page: `total` jobs are in the place, this page has those from `first` (0 is the first) on."""

    jobs: Sequence[JobLine]
    total: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    """One worker that RQ lists. `heard_ms` is its last sign of life."""

    name: str
    queue: str
    state: str
    heard_ms: int | None
    done: int
    failed: int


class NoSuchPlace(Exception):
    """There is no queue or registry of that name."""


class JobGone(Exception):
    """The job is not where it was; the text says what to do."""


def counts_of(redis: Redis) -> dict[str, dict[str, int]]:
    """By queue, how many jobs are in each place. RedisError when Redis is away."""
    return {
        name: {place: _count(_queue(redis, name), place) for place in PLACES} for name in WORKED_BY
    }


def oldest_ready_ms(redis: Redis, queue_name: str) -> int | None:
    """When the job that waits longest was enqueued (unix ms); None when none waits."""
    ids = _queue(redis, queue_name).get_job_ids(0, 1)
    jobs = _fetch(redis, ids)
    return jobs[0].enqueued_ms if jobs else None


def job_page(redis: Redis, queue_name: str, place: str, first: int, count: int) -> JobPage:
    """So many jobs of a place from `first` on, exactly: none is shown twice or left out while nothing moves."""
    queue = _queue(redis, queue_name)
    if place == READY:
        ids = queue.get_job_ids(first, count)
    else:
        ids = _registry(queue, place).get_job_ids(first, first + count - 1, cleanup=False)
    return JobPage(jobs=_fetch(redis, ids), total=_count(queue, place), first=first)


def one_job(redis: Redis, job_id: str) -> JobLine | None:
    """One job; None when RQ has none of this id any more."""
    found = _fetch(redis, [job_id])
    return found[0] if found and found[0].name != _GONE else None


def jobs_of_rows(redis: Redis, rows: Sequence[str]) -> list[JobLine]:
    """The jobs that were last rung for these rows, as far as RQ still has them."""
    keys = [f"{LAST_JOB}{job}:{row}" for row in rows for job in sorted(JOB_NAMES)]
    known: Any = redis.mget(keys) if keys else []
    ids = [found.decode() for found in known if found is not None]
    return [line for line in _fetch(redis, ids) if line.name != _GONE]


def requeue_job(redis: Redis, job_id: str) -> None:
    """Put a failed job back into its queue. Raises JobGone."""
    job = _job(redis, job_id)
    try:
        FailedJobRegistry(job.origin, connection=redis, serializer=JSONSerializer).requeue(job_id)
    except (InvalidJobOperation, NoSuchJobError):
        raise JobGone(
            "The job is not among the failed ones any more; load the page again."
        ) from None


def cancel_job(redis: Redis, job_id: str) -> None:
    """Take a job that waits out of its queue. Raises JobGone."""
    job = _job(redis, job_id)
    if _state(job) in _BEYOND:
        raise JobGone("The job is under way or over; there is nothing to cancel.")
    try:
        job.cancel()
    except InvalidJobOperation:
        raise JobGone("The job was cancelled before.") from None


def pause_workers(redis: Redis) -> None:
    """Have every worker stop: after the job that it is at, or, where it waits for one, after one more. Rows wait."""
    suspend(redis)


def resume_workers(redis: Redis) -> None:
    """Let them go on."""
    resume(redis)


def are_paused(redis: Redis) -> bool:
    """Whether the workers are to stop."""
    return bool(is_suspended(redis))


def workers_of(redis: Redis) -> list[WorkerLine]:
    """Every worker that RQ lists, by name."""
    return sorted(
        (
            WorkerLine(
                name=worker.name,
                queue=", ".join(worker.queue_names()),
                state=str(worker.get_state()),
                heard_ms=_ms(worker.last_heartbeat),
                done=worker.successful_job_count,
                failed=worker.failed_job_count,
            )
            for worker in Worker.all(connection=redis, serializer=JSONSerializer)
        ),
        key=lambda line: (line.queue, line.name),
    )


def _queue(redis: Redis, name: str) -> Queue:
    if name not in WORKED_BY:
        raise NoSuchPlace(name)
    return Queue(name, connection=redis, serializer=JSONSerializer)


def _registry(queue: Queue, place: str) -> BaseRegistry:
    if place not in _REGISTRIES:
        raise NoSuchPlace(place)
    return _REGISTRIES[place](queue=queue)


def _count(queue: Queue, place: str) -> int:
    return queue.count if place == READY else _registry(queue, place).get_job_count(cleanup=False)


def _job(redis: Redis, job_id: str) -> Job:
    try:
        return Job.fetch(job_id, connection=redis, serializer=JSONSerializer)
    except NoSuchJobError:
        raise JobGone("RQ has no such job any more; load the page again.") from None


def _fetch(redis: Redis, ids: Sequence[str]) -> list[JobLine]:
    jobs = Job.fetch_many(ids, connection=redis, serializer=JSONSerializer)
    return [
        _gone(job_id) if job is None else _line(job) for job_id, job in zip(ids, jobs, strict=True)
    ]


def _line(job: Job) -> JobLine:
    called = str(job.func_name)
    ours = called in JOB_NAMES
    return JobLine(
        job_id=job.id,
        name=called.rpartition(".")[2] if ours else _REDACTED,
        row=", ".join(str(arg) for arg in job.args) if ours else "",
        state=_state(job),
        enqueued_ms=_ms(job.enqueued_at),
        ended_ms=_ms(job.ended_at),
        failure=_failure(job),
    )


def _gone(job_id: str) -> JobLine:
    return JobLine(
        job_id=job_id, name=_GONE, row="", state="", enqueued_ms=None, ended_ms=None, failure=""
    )


def _state(job: Job) -> str:
    status = job.get_status(refresh=False)
    return "" if status is None else status.value


def _failure(job: Job) -> str:
    result: Any = job.latest_result() if job.is_failed else None
    text = "" if result is None else str(result.exc_string or "").strip()
    last = text.splitlines()[-1] if text else ""
    return scrub_text(last)[:_LINE_CHARS_MAX]


def _ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


_GONE: Final = "gone"
_BEYOND: Final = frozenset({"started", "finished", "failed", "stopped"})
