"""The bell: wake-ups for workers, put on RQ's queues in Redis.

A wake-up is a hint and never the work itself: RQ loses jobs when a worker is killed or Redis is
flushed, so the SQL row is the promise and the sweeper finds whatever was not rung for. Therefore
nothing here raises when Redis is away, and nothing retries. A job's only argument is a row id and
its serializer is JSON, so that writing to Redis never becomes running code.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from runtime import limits
from runtime.clock import Clock, SystemClock
from runtime.probes import probe

EVENTS: Final = "events"
EFFECTS: Final = "effects"
NOTICES: Final = "notices"
"""Apart from the effects: a mail server that is slow must hold no refund up (docs/decisions/0010)."""

DRAIN_EVENTS_JOB: Final = "workers.jobs.drain_events"
SEND_REFUND_JOB: Final = "workers.jobs.send_refund"
LOOK_UP_JOB: Final = "workers.jobs.look_up"
SEND_NOTICE_JOB: Final = "workers.jobs.send_notice"
JUDGE_REQUEST_JOB: Final = "workers.jobs.judge_request"
END_SUBSCRIPTION_JOB: Final = "workers.jobs.end_subscription"
JUDGE_CLAIM_JOB: Final = "workers.jobs.judge_claim"
CHANGE_PLAN_JOB: Final = "workers.jobs.change_plan"
RESTORE_PLAN_JOB: Final = "workers.jobs.restore_plan"
BACKFILL_JOB: Final = "workers.jobs.backfill"
RECONCILE_JOB: Final = "workers.jobs.reconcile"

EFFECT_JOBS: Final = frozenset(
    {
        SEND_REFUND_JOB,
        LOOK_UP_JOB,
        SEND_NOTICE_JOB,
        JUDGE_REQUEST_JOB,
        END_SUBSCRIPTION_JOB,
        JUDGE_CLAIM_JOB,
        CHANGE_PLAN_JOB,
        RESTORE_PLAN_JOB,
        BACKFILL_JOB,
        RECONCILE_JOB,
    }
)
JOB_NAMES: Final = EFFECT_JOBS | {DRAIN_EVENTS_JOB}
"""Every function that a worker may run; a job that names another is refused."""

DRAIN_FLAG: Final = "redress:drain-flag"
"""Set while a drain job waits that will see every row committed before it starts."""

LAST_JOB: Final = "redress:last-job:"
"""Followed by an effect's name and row: the job that was last enqueued for it."""

_log = logging.getLogger(__name__)


class Wakeups:
    """Rings for workers over one Redis client; safe to share between threads.

    Methods answer False when Redis is away or its queue is full. After a failure they answer False
    at once for `limits.REDIS_PAUSE_SECONDS`, so that requests do not queue up behind time-outs.
    """

    def __init__(self, redis: Redis, clock: Clock | None = None) -> None:
        self._redis = redis
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._paused_until = self._warned_until = float("-inf")

    def wake_events(self) -> bool:
        """Have a drain job run that starts after now. Call it after the commit, never before.

        Many calls share one job: the first one sets a flag and enqueues, the others find the flag.
        The job clears the flag before it reads rows, so a row committed before a call that found
        the flag is seen by the job that the flag stands for.
        """
        return self._attempt(self._ring_once)

    def clear_events_flag(self) -> bool:
        """Let the next delivery ring again; a drain job's first act, before it reads any row."""
        # Tried even in a pause: a drain job that runs has just heard from Redis, and a flag left
        # behind would silence the bell.
        return self._attempt(lambda: self._redis.delete(DRAIN_FLAG), even_in_pause=True)

    def wake_effect(self, job_name: str, row_id: int | str) -> bool:
        """Have `job_name` (one of `EFFECT_JOBS`) run with the id of its intent's row.

        A row whose job still waits in the queue gets no second one: the sweeper rings for all that is
        due at every pulse, and a backlog would otherwise grow by jobs that find nothing left to do.
        """
        if job_name not in EFFECT_JOBS:
            raise ValueError(
                f"{job_name} is no effect; known ones: {', '.join(sorted(EFFECT_JOBS))}"
            )
        return self._attempt(lambda: self._ring_for_row(job_name, row_id))

    def _attempt(self, action: Callable[[], object], *, even_in_pause: bool = False) -> bool:
        """Whether `action` got through; Redis' errors become a pause and one warning."""
        if self._clock.monotonic() < self._paused_until and not even_in_pause:
            probe("queue.pause")
            return False
        try:
            action()
        except (RedisError, OSError, _QueueFull) as error:
            self._note_failure(error)
            return False
        return True

    def _ring_once(self) -> None:
        if not self._redis.set(DRAIN_FLAG, b"1", nx=True, ex=limits.DRAIN_FLAG_SECONDS):
            probe("queue.flag_stands")
            return
        try:
            self._enqueue(EVENTS, DRAIN_EVENTS_JOB, (), limits.DRAIN_JOB_SECONDS_MAX)
        except Exception:
            probe("queue.flag_taken_back")
            # The flag now stands for a job that does not exist. If deleting fails too, it expires.
            self._redis.delete(DRAIN_FLAG)
            raise

    def _ring_for_row(self, job_name: str, row_id: int | str) -> None:
        queue_name = NOTICES if job_name == SEND_NOTICE_JOB else EFFECTS
        last = f"{LAST_JOB}{job_name}:{row_id}"
        job_id: Any = self._redis.get(last)
        # Looked for in the queue itself: a job that was lost is still called queued by its own record.
        if job_id is not None and self._redis.lpos(f"rq:queue:{queue_name}", job_id) is not None:
            probe("queue.job_waits")
            return
        job_id = self._enqueue(queue_name, job_name, (row_id,), limits.EFFECT_JOB_SECONDS_MAX)
        self._redis.set(last, job_id, ex=limits.EFFECT_WAIT_SECONDS_MAX)

    def _enqueue(
        self, queue_name: str, job_name: str, args: tuple[int | str, ...], job_seconds_max: int
    ) -> str:
        # Imported at the first wake-up: RQ costs 100 ms and 24 MB that readers of names never need.
        from rq import Queue  # noqa: PLC0415 -- see above
        from rq.serializers import JSONSerializer  # noqa: PLC0415 -- see above

        queue = Queue(queue_name, connection=self._redis, serializer=JSONSerializer)
        if int(self._redis.llen(queue.key)) >= limits.QUEUE_JOBS_MAX:
            raise _QueueFull(f"{limits.QUEUE_JOBS_MAX} wake-ups wait in the queue {queue_name}")
        job = queue.enqueue_call(
            job_name,
            args=args,
            timeout=job_seconds_max,
            result_ttl=limits.JOB_RESULT_SECONDS,
            failure_ttl=limits.JOB_FAILURE_SECONDS,
        )
        return str(job.id)

    def _note_failure(self, error: Exception) -> None:
        now = self._clock.monotonic()
        with self._lock:
            self._paused_until = now + limits.REDIS_PAUSE_SECONDS
            tell = now >= self._warned_until
            if tell:
                self._warned_until = now + limits.REDIS_WARNING_SECONDS
        if tell:
            # The class only: redis-py's texts may name the URL.
            reason = str(error) if isinstance(error, _QueueFull) else type(error).__name__
            _log.warning("wake-ups are not getting through, the sweeper finds the rows: %s", reason)


class _QueueFull(Exception):
    """More wake-ups wait than any sweep could need."""
