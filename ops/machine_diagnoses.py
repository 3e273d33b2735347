"""What `redress doctor` looks at outside the ledger: the data folder, Stripe's settings, Redis."""

import shutil
from collections.abc import Iterator
from typing import Any, Final

from redis.exceptions import RedisError

from ops.diagnosis import Diagnosis, Level
from ops.failure_sentences import redis_sentence
from ops.queue_readings import WORKED_BY, QueueReading, read_queues
from ops.rq_console import are_paused
from runtime.limits import QUEUE_JOBS_MAX
from runtime.setting_values import Mode
from runtime.settings import Settings
from runtime.wiring import Wiring

#: A busy shop's ledger grows by about 1 GiB in 300,000 events; below this there are days at most.
DISK_BYTES_WARN: Final = 1024**3

#: Below this SQLite's checkpoint or the append-only file's rewrite may fail at any moment.
DISK_BYTES_FAIL: Final = 100 * 1024**2

_OTHERS: Final = 0o077


def diagnose_folder(settings: Settings) -> Iterator[Diagnosis]:
    """The data folder: it exists and can be written to, or the settings had been refused."""
    folder = settings.redress_data
    shared = folder.stat().st_mode & _OTHERS
    yield Diagnosis(
        subject="data folder",
        level=Level.WARN if shared else Level.OK,
        found=f"{folder}, open to other users of this machine" if shared else f"{folder}",
        mend=f"run `chmod 700 {folder}`" if shared else "",
    )
    free = shutil.disk_usage(folder).free
    level = Level.OK if free >= DISK_BYTES_WARN else Level.WARN
    level = level if free >= DISK_BYTES_FAIL else Level.FAIL
    yield Diagnosis(
        subject="disk space",
        level=level,
        found=f"{free // 1024**2} MiB free under the data folder",
        mend="" if level is Level.OK else "free space, or move REDRESS_DATA to a larger disk",
    )


def diagnose_stripe(settings: Settings) -> Iterator[Diagnosis]:
    """Which Stripe is served, in which mode, and how many signing secrets are accepted."""
    mode = settings.redress_mode
    if settings.stripe_api_key is None:
        found = f"no key: the sandbox is served, in {mode} mode"
    else:
        kind = "live" if settings.livemode else "test"
        stand_in = ", at a stand-in's address" if settings.stripe_api_base else ""
        account = settings.stripe_connected_account
        whose = f" of the platform, for {account}" if account else ""
        found = f"a {kind} key{whose}{stand_in}, in {mode} mode"
    moves_money = settings.livemode and mode is Mode.ENFORCE
    yield Diagnosis(
        subject="Stripe",
        level=Level.OK,
        found=f"{found}: refunds move real money" if moves_money else found,
    )
    secrets = len(settings.stripe_webhook_secrets)
    if settings.stripe_api_key is not None and not settings.stripe_connected_account:
        yield Diagnosis(
            subject="signing secrets",
            level=Level.OK if secrets == 1 else Level.WARN,
            found=f"{secrets} accepted",
            mend="when the rotation is over, remove the older ones" if secrets > 1 else "",
        )


def diagnose_redis(wiring: Wiring) -> Iterator[Diagnosis]:
    """Redis: it answers, keeps what it is told, evicts nothing; and each queue has workers."""
    try:
        persistence: dict[str, Any] = wiring.redis.info("persistence")
        memory: dict[str, Any] = wiring.redis.info("memory")
        queues = read_queues(wiring.redis, wiring.clock.now_ms())
        paused = are_paused(wiring.redis)
    except RedisError as error:
        yield Diagnosis(
            subject="Redis",
            level=Level.FAIL,
            found=f"{redis_sentence(error)} Events are kept, but nobody is rung for.",
            mend="run `redress up`, or start the server that REDIS_URL names",
        )
        return
    yield _persistence(bool(persistence.get("aof_enabled")))
    yield _eviction(str(memory.get("maxmemory_policy", "noeviction")))
    if paused:
        yield Diagnosis(
            subject="workers",
            level=Level.FAIL,
            found="paused: events and refunds wait",
            mend="run `redress queue resume --reason TEXT`",
        )
    for queue in queues:
        yield _queue(queue)


def _persistence(append_only: bool) -> Diagnosis:
    return Diagnosis(
        subject="Redis",
        level=Level.OK if append_only else Level.WARN,
        found="answers, append-only file on" if append_only else "answers, append-only file off",
        mend="" if append_only else "set `appendonly yes`, so that a restart forgets no wake-up",
    )


def _eviction(policy: str) -> Diagnosis:
    keeps = policy == "noeviction"
    return Diagnosis(
        subject="Redis memory",
        level=Level.OK if keeps else Level.WARN,
        found=f"maxmemory-policy {policy}",
        mend="" if keeps else "set `maxmemory-policy noeviction`, or queued jobs may vanish",
    )


def _queue(queue: QueueReading) -> Diagnosis:
    command = WORKED_BY[queue.name]
    found = f"{queue.workers} workers, {queue.jobs} wake-ups, {queue.failed} failed jobs"
    if not queue.workers:
        level, mend = Level.FAIL, f"run `redress {command}`, or `redress up` for everything"
    elif queue.jobs >= QUEUE_JOBS_MAX:
        level, mend = Level.WARN, f"the queue is full: run more of `redress {command}`"
    else:
        level, mend = Level.OK, ""
    return Diagnosis(subject=f"queue {queue.name}", level=level, found=found, mend=mend)
