"""RQ's side of the workers: which functions a job may name, and one run with everything real."""

import contextlib
import os
import random
import signal
import subprocess
import sys

import pytest
from redis import Redis
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from ledger.inbox import store_events
from ledger.states import NoticeState
from ops.sandbox.book import Book
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock
from runtime.embedded_redis import EmbeddedRedis
from runtime.queues import EFFECTS, EVENTS, JOB_NAMES, NOTICES, SEND_NOTICE_JOB, Wakeups
from runtime.wiring import open_redis
from tests.fakes.notice_rows import email, put_notice, stored
from tests.fakes.worker_world import parsed_event
from workers import jobs
from workers.rq_process import AllowedJob, JobRefused

WAIT_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    """A real Valkey for this module."""
    with EmbeddedRedis(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def redis(redis_url):
    """A client of the real server, which is empty at first."""
    with open_redis(redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def own_context(sqlite_world):
    """The world's context as the process's own, and none afterwards."""
    jobs.use_context(sqlite_world.context)
    yield sqlite_world
    jobs._context = None


def work_off(redis: Redis, queue_name: str) -> list[Job]:
    """Work one queue empty in this process; returns the jobs as they ended."""
    queue = Queue(queue_name, connection=redis, serializer=JSONSerializer, job_class=AllowedJob)
    waiting = queue.get_job_ids()
    worker = SimpleWorker(
        [queue], connection=redis, serializer=JSONSerializer, job_class=AllowedJob
    )
    worker.death_penalty_class = TimerDeathPenalty
    worker.work(burst=True, logging_level="CRITICAL")
    return Job.fetch_many(waiting, connection=redis, serializer=JSONSerializer)


@pytest.mark.parametrize("name", sorted(JOB_NAMES))
def test_allowed_names_are_functions(name):
    """Each name that may stand in a job leads to a function of the jobs module."""
    module, _, function = name.rpartition(".")

    assert jobs.__name__ == module
    assert callable(getattr(jobs, function))


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "workers.jobs.use_context",
        "workers.drain.drain_events",
        "subprocess.run",
        "workers.jobs.drain_events.__globals__",
    ],
)
def test_job_that_names_another_function_is_refused(redis, name):
    """A job in Redis that names anything but a known job fails without being called."""
    queue = Queue(EVENTS, connection=redis, serializer=JSONSerializer)
    queue.enqueue_call(name, args=("exit 3",))

    (job,) = work_off(redis, EVENTS)

    assert "failed" == job.get_status()
    assert JobRefused.__name__ in job.latest_result().exc_string


def test_job_without_a_context_says_how_to_start():
    """A worker that was not started by our command refuses its jobs in one sentence."""
    with pytest.raises(RuntimeError, match="redress worker"):
        jobs.drain_events()


def test_jobs_do_the_work_over_a_real_queue(redis, own_context):
    """Wake-ups in a real Valkey, run by RQ, carry a duplicate from the inbox to its refund."""
    world = own_context
    wakeups = Wakeups(redis)
    world.wakeups = wakeups
    world.restart()
    jobs.use_context(world.context)
    world.pay_twice()
    world.deliver()

    drained = work_off(redis, EVENTS)
    sent = work_off(redis, EFFECTS)

    assert ["finished", "finished"] == [job.get_status() for job in (*drained, *sent)]
    assert 1 == len(world.refunds())


def test_refund_does_not_wait_for_notices(redis, own_context):
    """A refund leaves before notices that were rung for earlier: other workers send those."""
    world = own_context
    row_id = put_notice(world.store, email(), world.clock.now_ms())
    world.wakeups = Wakeups(redis)
    world.restart()
    jobs.use_context(world.context)
    world.wakeups.wake_effect(SEND_NOTICE_JOB, row_id)
    world.pay_twice()
    world.deliver()
    work_off(redis, EVENTS)
    work_off(redis, EFFECTS)
    before = stored(world.store, row_id).state
    work_off(redis, NOTICES)

    assert 1 == len(world.refunds())
    assert (NoticeState.WAITING, NoticeState.SENT) == (before, stored(world.store, row_id).state)


def start(command, environ, log):
    """One of the Procfile's processes; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-c", "from ops.cli import main; main()", command],
        env=environ,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def end(process):
    """Ask the process to stop, and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_real_processes_refund_a_duplicate(databases, redis_url, redis, tmp_path):
    """`redress worker` and `redress effects` with a real Valkey and real HTTP make one refund."""
    clock = SystemClock()
    url = databases.url("sqlite")
    sandbox = SandboxStripe(Book(), clock, random.Random(7), check_key=False)
    server = SandboxServer(sandbox)
    server.start()
    environ = os.environ | {
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_WEBHOOK_SECRETS": "whsec_for_the_tests_only",
        "STRIPE_API_BASE": server.url,
        "REDRESS_MODE": "enforce",
        "REDRESS_DATA": str(tmp_path / "data"),
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
    }
    pairs = [
        ("amount", "1000"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("metadata[order_id]", "order-1"),
    ]
    for _ in range(2):
        assert 200 == sandbox.request("POST", "/v1/payment_intents", pairs, {}).status
    with databases.store(url).write() as connection:
        told = [event for _, event in sandbox.book.events_after(0)]
        parsed = [parsed_event(event) for event in told]
        store_events(connection, parsed, clock.now_ms())
    with (tmp_path / "log").open("wb") as log:
        processes = [start(command, environ, log) for command in ("worker", "effects")]
        try:
            assert Wakeups(redis).wake_events()
            gives_up = clock.monotonic() + WAIT_SECONDS_MAX
            while not list(sandbox.book.newest_first("refunds")):
                assert clock.monotonic() < gives_up, (tmp_path / "log").read_text()
                clock.sleep(0.05)
        finally:
            for process in processes:
                end(process)
    server.stop()

    assert 1 == len(list(sandbox.book.newest_first("refunds")))
    sandbox.book.close()
