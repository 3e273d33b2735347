"""The commands of the Procfile: each runs one process until SIGTERM or SIGINT, logging JSON lines."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ledger.ledger_owner import claim_ledger
from ledger.schema_revision import schema_problem
from ops.operator_context import OperatorContext
from runtime.logs import configure_logs
from runtime.meter_files import begin_metering
from runtime.queues import EFFECTS, EVENTS, NOTICES
from runtime.settings import Settings
from runtime.wiring import Wiring, open_redis, open_wiring


@click.command(epilog="Example: DATABASE_URL=postgresql://… redress migrate")
@click.pass_obj
def migrate(operator: OperatorContext) -> None:
    """Bring the database to the schema that this version needs."""
    from ledger.schema import migrate as migrate_schema  # noqa: PLC0415 - loads Alembic

    with open_wiring(operator.settings()) as wiring:
        click.echo(f"the database is at schema {migrate_schema(wiring.store)}")


@click.command(epilog="Example: redress web")
@click.pass_obj
def web(operator: OperatorContext) -> None:
    """Receive Stripe's webhooks on REDRESS_WEB_PORT, for every merchant."""
    from runtime.merchants import every_merchant  # noqa: PLC0415 - the others serve one merchant
    from webhooks.server import serve  # noqa: PLC0415 - the other commands need no server

    settings = _settings_of_a_process(operator, "web")
    if settings.redress_merchant:
        # On one port the kernel would hand it the others' deliveries, which it would refuse.
        raise click.ClickException(
            "One `redress web` receives for all merchants; start it without --merchant."
        )
    merchants = every_merchant(operator.surroundings())
    with _current_schema(settings):
        pass
    serve(settings, merchants)


@click.command(epilog="Example: redress worker")
@click.pass_obj
def worker(operator: OperatorContext) -> None:
    """Judge the events of the inbox, rung for by the queue `events`."""
    _work_on(operator, EVENTS, "worker")


@click.command(epilog="Example: redress effects")
@click.pass_obj
def effects(operator: OperatorContext) -> None:
    """Send refunds to Stripe, rung for by the queue `effects`."""
    _work_on(operator, EFFECTS, "effects")


@click.command(epilog="Example: redress notifier")
@click.pass_obj
def notifier(operator: OperatorContext) -> None:
    """Send e-mails to customers and webhooks to the product, rung for by the queue `notices`."""
    _work_on(operator, NOTICES, "notifier")


@click.command(epilog="Example: redress sweeper")
@click.pass_obj
def sweeper(operator: OperatorContext) -> None:
    """Find whatever is due and has nobody on it, every few seconds."""
    from workers.sweeper import run_sweeper  # noqa: PLC0415 - the other commands need no Stripe

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with _current_schema(_settings_of_a_process(operator, "sweeper")) as wiring:
        run_sweeper(_worker_context(wiring), stopped.wait)


@click.command(epilog="Example: redress sandbox --repeats 0.1 --delays 0.2")
@click.option("--repeats", default=0.0, show_default=True, help="Share of repeated deliveries.")
@click.option("--delays", default=0.0, show_default=True, help="Share of delayed deliveries.")
@click.option("--seed", type=int, help="Fixes all ids and habits, for a day that can be replayed.")
@click.pass_obj
def sandbox(operator: OperatorContext, repeats: float, delays: float, seed: int | None) -> None:
    """Stand in for Stripe's API on REDRESS_SANDBOX_PORT and deliver its webhooks."""
    from ops.sandbox.deliveries import DeliveryHabits  # noqa: PLC0415 - only this command plays
    from ops.sandbox.sandbox_process import run_sandbox  # noqa: PLC0415 - only this command plays

    settings = operator.settings()
    configure_logs("info")
    habits = DeliveryHabits(repeat_share=repeats, delay_share=delays, speed=60.0)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    run_sandbox(settings, seed, habits, stopped)


def _work_on(operator: OperatorContext, queue_name: str, process: str) -> None:
    from workers import jobs  # noqa: PLC0415 - loads Stripe's SDK, before any fork
    from workers.rq_process import run_worker  # noqa: PLC0415 - loads RQ

    with _current_schema(_settings_of_a_process(operator, process)) as wiring:
        jobs.use_context(_worker_context(wiring))
        # A client of its own: RQ blocks on it for longer than a wake-up may take.
        run_worker(open_redis(wiring.settings.redis_url), queue_name)


def _worker_context(wiring: Wiring) -> Any:
    from ops.stripe_at_hand import context_at_hand  # noqa: PLC0415 - loads Stripe's SDK
    from workers.shadow_terms import load_shadow  # noqa: PLC0415 - loads the policy

    return context_at_hand(wiring, load_shadow(wiring.settings.redress_shadow_terms))


def _settings_of_a_process(operator: OperatorContext, process: str) -> Settings:
    settings = operator.settings()
    configure_logs("info", merchant=settings.redress_merchant)
    begin_metering(settings.redress_data, process)
    return settings


@contextmanager
def _current_schema(settings: Settings) -> Iterator[Wiring]:
    """The process's parts, if the database is at the schema that this version of the code needs."""
    with open_wiring(settings) as wiring:
        problem = schema_problem(wiring.store)
        if problem is not None:
            raise click.ClickException(f"the database is {problem}: run `redress migrate`")
        claim_ledger(wiring.store, settings.redress_merchant)
        yield wiring
