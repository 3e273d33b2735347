"""`redress watch`: events, queues, cases, money and lag, live in the terminal until Ctrl-C."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import click
from redis.exceptions import RedisError

from ledger.standing_now import StandingNow, standing_now
from ops.moments import duration_text, moment_text
from ops.operator_context import OperatorContext
from ops.queue_readings import QueueReading, read_queues
from ops.terminal import counted, json_option, live_facts, print_facts, print_json
from policy.money import Money
from runtime.wiring import Wiring

_SECONDS_MAX: Final = 3_600


@click.command(epilog="Example: redress watch --every 5")
@click.option(
    "--every",
    "seconds",
    default=1,
    show_default=True,
    type=click.IntRange(1, _SECONDS_MAX),
    help="Look again after so many seconds.",
)
@click.option("--once", is_flag=True, help="Show it once and end; so it does where no terminal is.")
@json_option
@click.pass_obj
def watch(operator: OperatorContext, seconds: int, *, once: bool, as_json: bool) -> None:
    """Watch it work: what waits, what is in review, what was paid, and how far behind it is."""
    with operator.wiring() as wiring:
        if as_json:
            print_json(_document(wiring, _read(wiring)))
        elif once or not sys.stdout.isatty():
            print_facts(_facts(wiring, _read(wiring), None))
        else:
            live_facts(_looks(wiring, seconds), "Ctrl-C ends it.")


def _looks(wiring: Wiring, seconds: int) -> Iterator[list[tuple[str, str]]]:
    """What is to be shown, again and again."""
    before: int | None = None
    while True:
        now = _read(wiring)
        arrived = None if before is None else now.newest_row - before
        rate = None if arrived is None else arrived / seconds
        yield _facts(wiring, now, rate)
        before = now.newest_row
        wiring.clock.sleep(seconds)


def _read(wiring: Wiring) -> StandingNow:
    with wiring.store.read() as connection:
        return standing_now(connection, wiring.clock.now_ms())


def _facts(wiring: Wiring, now: StandingNow, rate: float | None) -> list[tuple[str, str]]:
    now_ms = wiring.clock.now_ms()
    return [
        ("at", moment_text(now_ms)),
        ("money", _brake(wiring, now)),
        ("events", _events(now, rate)),
        ("cases in review", f"{now.cases.get('review', 0)}"),
        ("refunds under way", f"{now.cases.get('refunding', 0)}{_held(now)}"),
        ("refunded in 24 h", _money(now)),
        ("questions to Stripe", f"{now.effects.look_ups}"),
        ("notices", f"{now.notices.waiting} waiting, {now.notices.failed} failed"),
        ("Stripe's lists", _lists(now, now_ms)),
        ("queues", _queues(wiring, now_ms)),
    ]


def _brake(wiring: Wiring, now: StandingNow) -> str:
    if now.stopped is not None:
        return f"STOPPED by the brake: {now.stopped} (`redress brake off`)"
    return f"mode {wiring.settings.redress_mode}, brake off"


def _events(now: StandingNow, rate: float | None) -> str:
    inbox = now.inbox
    told = f"{inbox.waiting} waiting, {inbox.claimed} being worked on, {inbox.parked} parked"
    if inbox.oldest_waiting_ms is not None:
        told += f"; the oldest waits {duration_text(inbox.oldest_waiting_ms)}"
    return told if rate is None else f"{rate:.1f}/s in; {told}"


def _held(now: StandingNow) -> str:
    held = sum(now.effects.held.values())
    return f", {held} kept back" if held else ""


def _money(now: StandingNow) -> str:
    told = [
        f"{Money(amount_minor=amount, currency=currency)} in {counted(count, 'refund')}"
        for currency, (count, amount) in now.refunded.items()
    ]
    return "; ".join(told) or "nothing"


def _lists(now: StandingNow, now_ms: int) -> str:
    if now.lists_until is None:
        return "not read yet"
    return f"read up to {duration_text(now_ms - now.lists_until * 1000)} ago"


def _queues(wiring: Wiring, now_ms: int) -> str:
    return (
        "; ".join(
            f"{one.name} {one.jobs} ({counted(one.workers, 'worker')})"
            for one in _readings(wiring, now_ms)
        )
        or "Redis is away; nothing is lost"
    )


def _readings(wiring: Wiring, now_ms: int) -> tuple[QueueReading, ...]:
    try:
        return read_queues(wiring.redis, now_ms)
    except RedisError:
        return ()


def _document(wiring: Wiring, now: StandingNow) -> dict[str, Any]:
    now_ms = wiring.clock.now_ms()
    return {
        "at_ms": now_ms,
        "mode": wiring.settings.redress_mode.value,
        "brake": now.stopped,
        "newest_row": now.newest_row,
        "events": asdict(now.inbox),
        "intents": dict(now.effects.intents),
        "held": dict(now.effects.held),
        "look_ups": now.effects.look_ups,
        "notices": asdict(now.notices),
        "cases": dict(now.cases),
        "refunded_24h": [
            {"currency": currency, "count": count, "amount_minor": amount}
            for currency, (count, amount) in now.refunded.items()
        ],
        "lists_until": now.lists_until,
        "queues": [asdict(one) for one in _readings(wiring, now_ms)],
    }
