import json
import logging
import subprocess
import sys
import threading

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from runtime import limits, queues
from runtime.clock import SystemClock
from runtime.wiring import open_redis
from tests.fakes.frozen_clock import FrozenClock


def waiting(redis, queue_name):
    """The jobs that wait in a queue, oldest first."""
    queue = Queue(queue_name, connection=redis, serializer=JSONSerializer)
    return Job.fetch_many(queue.get_job_ids(), connection=redis, serializer=JSONSerializer)


def test_first_wakeup_enqueues_one_drain_job(redis):
    """A wake-up puts one drain job without arguments on the events queue, written as JSON."""
    assert queues.Wakeups(redis).wake_events()

    (job,) = waiting(redis, queues.EVENTS)
    assert (queues.DRAIN_EVENTS_JOB, (), {}) == (job.func_name, tuple(job.args), job.kwargs)
    assert limits.DRAIN_JOB_SECONDS_MAX == job.timeout
    assert limits.JOB_RESULT_SECONDS == job.result_ttl
    assert limits.JOB_FAILURE_SECONDS == job.failure_ttl
    assert job.retries_left is None


def test_wakeups_share_one_job_until_it_clears_the_flag(redis):
    """A hundred wake-ups make one job; once the job has cleared the flag, the next makes another."""
    wakeups = queues.Wakeups(redis)

    assert all(wakeups.wake_events() for _ in range(100))
    assert len(waiting(redis, queues.EVENTS)) == 1
    assert wakeups.clear_events_flag()
    assert wakeups.wake_events()

    assert len(waiting(redis, queues.EVENTS)) == 2


def test_row_whose_job_waits_gets_no_second_one(redis):
    """Ringing again for a row adds nothing while its job waits, and a job once that one is gone."""
    wakeups = queues.Wakeups(redis)

    assert all(wakeups.wake_effect(queues.SEND_REFUND_JOB, "ri_1") for _ in range(3))
    assert 1 == len(waiting(redis, queues.EFFECTS))
    assert wakeups.wake_effect(queues.LOOK_UP_JOB, 1)
    assert 2 == len(waiting(redis, queues.EFFECTS))
    redis.lpop(f"rq:queue:{queues.EFFECTS}")
    assert wakeups.wake_effect(queues.SEND_REFUND_JOB, "ri_1")

    names = [job.func_name for job in waiting(redis, queues.EFFECTS)]
    assert [queues.LOOK_UP_JOB, queues.SEND_REFUND_JOB] == names


def test_lost_drain_job_silences_the_bell_for_seconds_only(redis):
    """The flag expires by itself, so a drain job that was lost is replaced within seconds."""
    queues.Wakeups(redis).wake_events()

    assert 0 < redis.ttl(queues.DRAIN_FLAG) <= limits.DRAIN_FLAG_SECONDS


def test_no_row_is_left_without_a_job_that_starts_after_it(redis_url, redis):
    """Rows committed by racing threads are all seen by a drain job that clears, then reads."""
    committed, seen = set(), set()
    stop = threading.Event()

    def receive(thread):
        with open_redis(redis_url) as own:
            wakeups = queues.Wakeups(own)
            for number in range(100):
                committed.add((thread, number))
                assert wakeups.wake_events()

    def drain():
        wakeups = queues.Wakeups(redis)
        while not (stop.is_set() and redis.llen("rq:queue:events") == 0):
            if redis.lpop("rq:queue:events") is None:
                SystemClock().sleep(0.001)
                continue
            wakeups.clear_events_flag()
            seen.update(set(committed))

    drainer = threading.Thread(target=drain)
    receivers = [threading.Thread(target=receive, args=(thread,)) for thread in range(4)]
    for thread in [drainer, *receivers]:
        thread.start()
    for thread in receivers:
        thread.join()
    stop.set()
    drainer.join()

    assert 400 == len(seen)


def test_notice_whose_job_waits_gets_no_second_one(redis):
    """Notices have a queue of their own, so that a slow mail server holds no refund up; there too a row waits once."""
    wakeups = queues.Wakeups(redis)

    assert all(wakeups.wake_effect(queues.SEND_NOTICE_JOB, 1) for _ in range(3))
    assert (1, 0) == (len(waiting(redis, queues.NOTICES)), len(waiting(redis, queues.EFFECTS)))


@pytest.mark.parametrize("job_name", sorted(queues.EFFECT_JOBS))
def test_effect_job_carries_its_row_id_only(redis, job_name):
    """An effect's job has the id of its row as its one argument."""
    assert queues.Wakeups(redis).wake_effect(job_name, 42)

    queue_name = queues.NOTICES if job_name == queues.SEND_NOTICE_JOB else queues.EFFECTS
    (job,) = waiting(redis, queue_name)
    assert (job_name, (42,), {}) == (job.func_name, tuple(job.args), job.kwargs)
    assert limits.EFFECT_JOB_SECONDS_MAX == job.timeout
    assert [job_name, None, [42], {}] == json.loads(job.data)


@pytest.mark.parametrize(
    "job_name",
    [
        pytest.param("os.system", id="not ours"),
        pytest.param(queues.DRAIN_EVENTS_JOB, id="ours, but no effect"),
        pytest.param("", id="blank"),
    ],
)
def test_unknown_effects_are_refused(redis, job_name):
    """Only the effects by name can be enqueued with a row."""
    with pytest.raises(ValueError, match="is no effect; known ones: workers"):
        queues.Wakeups(redis).wake_effect(job_name, 1)

    assert not waiting(redis, queues.EFFECTS)


def test_full_queue_takes_no_more(redis, monkeypatch):
    """A queue at its limit takes no wake-up, says False, and leaves no flag that would silence it."""
    monkeypatch.setattr(limits, "QUEUE_JOBS_MAX", 1)
    clock = FrozenClock()
    wakeups = queues.Wakeups(redis, clock)
    assert wakeups.wake_effect(queues.LOOK_UP_JOB, 1)
    assert wakeups.wake_events()
    wakeups.clear_events_flag()

    assert not wakeups.wake_effect(queues.LOOK_UP_JOB, 2)
    clock.advance(limits.REDIS_PAUSE_SECONDS)
    assert not wakeups.wake_events()

    assert 1 == len(waiting(redis, queues.EFFECTS)) == len(waiting(redis, queues.EVENTS))
    assert not redis.exists(queues.DRAIN_FLAG)


def test_redis_away_answers_false_quickly(tmp_path):
    """Without a Redis every wake-up answers False in under a second and raises nothing."""
    clock = SystemClock()
    wakeups = queues.Wakeups(open_redis(f"unix://{tmp_path}/nobody.sock"))
    started = clock.monotonic()

    answers = [
        wakeups.wake_events(),
        wakeups.clear_events_flag(),
        wakeups.wake_effect(queues.SEND_REFUND_JOB, 1),
    ]

    assert [False] * 3 == answers
    assert clock.monotonic() - started < 1


def test_stalled_redis_is_waited_for_once_per_pause():
    """After a failure wake-ups do not touch Redis for a second; then one of them tries again."""
    clock, tries = FrozenClock(), []

    class Stalled(Redis):
        def execute_command(self, *args, **_options):
            tries.append(args[0])
            clock.advance(limits.REDIS_REPLY_SECONDS_MAX)
            raise TimeoutError

    wakeups = queues.Wakeups(Stalled(), clock)

    assert not any(wakeups.wake_events() for _ in range(50))
    assert ["SET"] == tries
    clock.advance(limits.REDIS_PAUSE_SECONDS)
    assert not wakeups.wake_events()

    assert ["SET", "SET"] == tries


def test_outage_is_told_once(tmp_path, caplog):
    """An outage is one warning per half minute, not one per request, and names no address."""
    clock = FrozenClock()
    wakeups = queues.Wakeups(open_redis(f"unix://{tmp_path}/hidden.sock"), clock)

    with caplog.at_level(logging.WARNING):
        for _ in range(int(limits.REDIS_WARNING_SECONDS)):
            wakeups.wake_events()
            clock.advance(limits.REDIS_PAUSE_SECONDS)
        assert 1 == len(caplog.records)
        wakeups.wake_events()

    assert 2 == len(caplog.records)
    assert "hidden" not in caplog.text


def test_importing_the_names_is_cheap():
    """Importing the queues' names loads neither RQ nor stripe nor SQLAlchemy."""
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import runtime.queues, sys; print(sorted({'rq', 'stripe', 'sqlalchemy'} & {*sys.modules}))",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "[]\n" == loaded


def test_job_names_are_the_allow_list():
    """A worker may run the drain job and the effects, and nothing else."""
    assert {
        "workers.jobs.drain_events",
        "workers.jobs.send_refund",
        "workers.jobs.look_up",
        "workers.jobs.send_notice",
        "workers.jobs.judge_request",
        "workers.jobs.end_subscription",
        "workers.jobs.judge_claim",
        "workers.jobs.change_plan",
        "workers.jobs.restore_plan",
        "workers.jobs.backfill",
        "workers.jobs.reconcile",
    } == queues.JOB_NAMES
