"""`redress queue`: what waits where, in the ledger (the work) and in Redis (the bells)."""

from collections.abc import Callable
from dataclasses import asdict

import click
from redis import Redis
from redis.exceptions import RedisError

from ledger.work_counts import (
    EffectCounts,
    InboxCounts,
    NoticeCounts,
    count_effects,
    count_inbox,
    count_notices,
)
from ops.failure_sentences import redis_sentence
from ops.moments import duration_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.queue_readings import WORKED_BY, QueueReading, read_queues
from ops.reasons import REASON_OPTION, require_reason
from ops.rq_console import are_paused, pause_workers, resume_workers
from ops.terminal import json_option, json_outcome, print_facts, print_json, print_table, say
from runtime.wiring import Wiring


@click.group(epilog="Example: redress queue status")
def queue() -> None:
    """Say what waits where, and pause the workers."""


@queue.command("pause", epilog="Example: redress queue pause --reason 'Stripe has an incident'")
@REASON_OPTION
@json_outcome
@click.pass_obj
def pause(operator: OperatorContext, reason: str | None) -> None:
    """Have every worker stop: after the job that it is at, or, where it waits for one, after one more.

    Events are still received, and nothing is lost: rows wait. To stop money alone there is `redress brake on`.
    """
    given = require_reason(reason)
    with operator.wiring() as wiring:
        _do(wiring, "queue.pause", given, pause_workers)
    say("The workers stop. `redress queue resume --reason TEXT` lets them go on.")


@queue.command("resume", epilog="Example: redress queue resume --reason 'the incident is over'")
@REASON_OPTION
@json_outcome
@click.pass_obj
def resume(operator: OperatorContext, reason: str | None) -> None:
    """Let the workers go on."""
    given = require_reason(reason)
    with operator.wiring() as wiring:
        _do(wiring, "queue.resume", given, resume_workers)
    say("The workers go on.")


@queue.command("status", epilog="Example: redress queue status --json")
@json_option
@click.pass_obj
def status(operator: OperatorContext, *, as_json: bool) -> None:
    """Show events, refunds, look-ups and notices that wait, and Redis' queues and workers.

    Redis being away is said and is no failure: rows are the work, Redis only rings for it.
    """
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring:
        with wiring.store.read() as connection:
            inbox, effects = count_inbox(connection, now_ms), count_effects(connection, now_ms)
            notices = count_notices(connection, now_ms)
        queues, paused, redis_problem = _read_redis(wiring, now_ms)
    if as_json:
        print_json(
            {
                "events": asdict(inbox),
                "intents": dict(effects.intents),
                "held": dict(effects.held),
                "look_ups": {"wanted": effects.look_ups, "due": effects.look_ups_due},
                "notices": asdict(notices),
                "queues": [asdict(one) for one in queues],
                "paused": paused,
                "redis": redis_problem or "ok",
            }
        )
        return
    _print_ledger(inbox, effects, notices)
    say("")
    if redis_problem:
        say(redis_problem, "Nothing is lost: the rows wait until it is back.")
    else:
        _print_queues(queues)
    if paused:
        say("The workers are paused: `redress queue resume --reason TEXT` lets them go on.")


def _do(wiring: Wiring, action: str, reason: str, act: Callable[[Redis], None]) -> None:
    """Do it at Redis, and write it down; what failed is not written."""
    with wiring.store.write() as connection:
        audit_act(connection, action, "queues", now_ms=wiring.clock.now_ms(), detail=reason)
        act(wiring.redis)


def _read_redis(
    wiring: Wiring, now_ms: int
) -> tuple[tuple[QueueReading, ...], bool | None, str | None]:
    """The queues, whether the workers are paused, and what is wrong with Redis."""
    try:
        return read_queues(wiring.redis, now_ms), are_paused(wiring.redis), None
    except RedisError as error:
        return (), None, redis_sentence(error)


def _print_ledger(inbox: InboxCounts, effects: EffectCounts, notices: NoticeCounts) -> None:
    waiting = f"{inbox.waiting}"
    if inbox.oldest_waiting_ms is not None:
        waiting += f", the oldest for {duration_text(inbox.oldest_waiting_ms)}"
    parked = f"{inbox.parked}"
    if inbox.parked:
        parked += ": `redress events list --state parked` says why"
    failed = f"{notices.failed}"
    if notices.oldest_failed_ms is not None:
        failed += f", the oldest for {duration_text(notices.oldest_failed_ms)}"
    print_facts(
        [
            ("events waiting", waiting),
            ("events to be tried again", f"{inbox.delayed}"),
            ("events being worked on", f"{inbox.claimed}"),
            ("events parked", parked),
            ("look-ups wanted", f"{effects.look_ups} ({effects.look_ups_due} due)"),
            ("notices waiting", f"{notices.waiting}"),
            ("notices failed", failed),
        ]
    )
    if notices.failed:
        say("`redress notices list --state failed` says why these did not get through,")
        say(
            f"`redress notices retry {notices.oldest_failed} --reason TEXT` sends the oldest again."
        )
    say("")
    present = [(state, str(count)) for state, count in effects.intents.items() if count]
    if present:
        print_table(("refund intents", "count"), present, right=("count",))
    else:
        say("No refund intents yet.")
    for reason, count in effects.held.items():
        say(f"Kept back, {count}: {reason}")


def _print_queues(queues: tuple[QueueReading, ...]) -> None:
    print_table(
        ("queue", "wake-ups", "workers", "failed jobs"),
        [(one.name, str(one.jobs), str(one.workers), str(one.failed)) for one in queues],
        right=("wake-ups", "workers", "failed jobs"),
    )
    for one in queues:
        if not one.workers:
            say(f"Nobody works on the queue {one.name}: start `redress {WORKED_BY[one.name]}`.")
