"""One RQ worker process on one queue, set up so that RQ loses as little as it can.

One queue per worker, because with several RQ takes jobs by BLPOP and a kill loses them. JSON, never
pickle, and only the functions of `runtime.queues`: who can write to Redis must not be able to run
code. RQ's own retries are off; the ledger's schedule is the only one.
"""

from typing import Any

from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from runtime.limits import (
    JOB_RESULT_SECONDS,
    RQ_MAINTENANCE_SECONDS,
    RQ_RECONNECT_SECONDS_MAX,
    RQ_WORKER_SECONDS,
)
from runtime.queues import JOB_NAMES


class JobRefused(Exception):
    """A job in Redis names a function that is none of ours."""


class AllowedJob(Job):
    """A job that may only call one of the functions that this version knows by name."""

    @property
    def func(self) -> Any:
        """The function; JobRefused when its name is not on the list."""
        if self.func_name not in JOB_NAMES:
            raise JobRefused(f"{self.func_name!r} is not a function that a worker may run")
        return super().func


def run_worker(redis: Redis, queue_name: str) -> None:
    """Work on one queue until SIGTERM or SIGINT; the job under way is finished first.

    RQ's forking worker: a fork costs 10 ms and shields the process from a fatal event.
    """
    queue = Queue(queue_name, connection=redis, serializer=JSONSerializer, job_class=AllowedJob)
    worker = Worker(
        [queue],
        connection=redis,
        serializer=JSONSerializer,
        job_class=AllowedJob,
        default_result_ttl=JOB_RESULT_SECONDS,
        worker_ttl=RQ_WORKER_SECONDS,
        maintenance_interval=RQ_MAINTENANCE_SECONDS,
        job_monitoring_interval=RQ_MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    worker.max_connection_wait_time = RQ_RECONNECT_SECONDS_MAX
    worker.work(with_scheduler=False, logging_level="WARNING")
