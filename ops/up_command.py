"""`redress up`: everything on one machine, with one command.

Without a Stripe key it starts the sandbox too and plays a shop's day, month and year, so that a newcomer sees
duplicate charges and refund requests being decided and paid; with a key it serves that Stripe.
"""

import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console

import ops
from ledger.operator_tables import Role
from ledger.operators import OperatorRefused, invite_operator, nobody_came_in
from ops.demonstration import play_demonstration
from ops.demonstration_stage import Stage, meet_the_sandbox
from ops.machine_parts import SHARED, add_processes, held_parts, introduce_merchants, own_parts
from ops.operator_context import OperatorContext
from ops.supervisor import Supervisor, child_environ, procfile_commands
from runtime.clock import Clock, SystemClock
from runtime.data_lock import DataFolderInUse, DataFolderLock
from runtime.embedded_redis import EmbeddedRedis, EmbeddedRedisFailed
from runtime.limits import RESTART_PAUSE_SECONDS_MAX
from runtime.merchants import every_merchant
from runtime.setting_values import Mode
from runtime.settings import Settings, load_settings
from runtime.wiring import open_wiring

#: The sandbox takes any test key; this one says in every log what it is.
SANDBOX_KEY = "sk_test_sandbox"

#: What whoever comes in first is called, until they let others in by their names.
_FIRST_ONE = "admin"

#: How unruly the demonstration's deliveries are: repeated and reordered as on Stripe's worst days.
_SANDBOX_COMMAND = "redress sandbox --repeats 0.08 --delays 0.15"


@click.command(epilog="Example: redress up --seconds 30")
@click.option("--seconds", default=60.0, show_default=True, help="How long the shop's day takes.")
@click.option(
    "--no-demo",
    is_flag=True,
    help="Serve the sandbox without playing a shop's day, month and year.",
)
@click.option(
    "--once",
    is_flag=True,
    help="End after the day and the month; exit code 1 if anything went wrong.",
)
@click.pass_obj
def up(operator: OperatorContext, seconds: float, *, no_demo: bool, once: bool) -> None:
    """Run every process on this machine, with an embedded queue server and database.

    With REDRESS_MERCHANTS it runs those of every merchant, and one receiver for all of them.
    """
    console = Console()
    settings = operator.settings()
    if settings.redress_merchant:
        raise click.ClickException(
            "`redress up` serves all merchants; start it without --merchant."
        )
    merchants = every_merchant(operator.surroundings())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    as_expected: bool | None = None
    with ExitStack() as held:
        try:
            held.enter_context(DataFolderLock(settings.redress_data))
            machine = held.enter_context(_everything(settings, merchants, console))
        except (DataFolderInUse, EmbeddedRedisFailed, _PortTaken) as refused:
            raise click.ClickException(str(refused)) from None
        _introduce(settings, console)
        introduce_merchants(merchants, settings, console.print)
        if settings.stripe_api_key is None:
            stage = Stage(
                settings=load_settings(_served_environ(settings)),
                console=console,
                watch=machine.watch,
                stop=stop,
            )
            meet_the_sandbox(stage, machine.clock)
            as_expected = None if no_demo else play_demonstration(stage, seconds)
        if not once:
            _stay(machine, console, stop)
        console.print("stopping: every process finishes what it is at")
    if as_expected is False:
        raise SystemExit(1)


class _PortTaken(Exception):
    """A port is in use; the text names the variable to set."""


@dataclass(slots=True, kw_only=True)
class _Machine:
    """Everything that runs here; `queue_servers` are one for each merchant whose REDIS_URL names no other."""

    clock: Clock
    supervisor: Supervisor
    queue_servers: Sequence[EmbeddedRedis]
    told: Callable[[str], None]
    _next_start: dict[int, float] = field(default_factory=dict)

    def watch(self) -> None:
        """Look once at everything and start again what has died; from the main thread."""
        for place, server in enumerate(self.queue_servers):
            if server.pid is None:
                self._start_redis(place, server)
        self.supervisor.watch()

    def _start_redis(self, place: int, server: EmbeddedRedis) -> None:
        now = self.clock.monotonic()
        if now < self._next_start.get(place, now):
            return
        self.told("the embedded Redis server ended; starting it again")
        try:
            server.start()
        except (DataFolderInUse, EmbeddedRedisFailed) as refused:
            self.told(str(refused))
            self._next_start[place] = self.clock.monotonic() + RESTART_PAUSE_SECONDS_MAX


@contextmanager
def _everything(
    settings: Settings, merchants: Mapping[str, Settings], console: Console
) -> Iterator[_Machine]:
    """The queue servers, the migrated databases and all processes, stopped in order on leaving."""
    sandbox = settings.stripe_api_key is None
    _require_free_ports(settings, sandbox=sandbox)
    environ = _served_environ(settings)
    clock = SystemClock()

    def told(sentence: str) -> None:
        console.print(f"[yellow]{sentence}[/yellow]")

    supervisor = Supervisor(
        clock=clock,
        environ=child_environ(environ, os.environ),
        log_folder=settings.redress_data / "logs",
        told=told,
    )
    commands = procfile_commands(_procfile())
    with ExitStack() as held:
        servers = own_parts(held, load_settings(environ))
        for one in merchants.values():
            servers += held_parts(held, one)
        for name in SHARED:
            supervisor.add(name, commands[name])
        for merchant in ("", *merchants):
            add_processes(supervisor, commands, merchant, {**os.environ, **environ})
        if sandbox:
            supervisor.add("sandbox", _SANDBOX_COMMAND)
        held.callback(supervisor.stop)
        supervisor.start()
        yield _Machine(clock=clock, supervisor=supervisor, queue_servers=servers, told=told)


def _stay(machine: _Machine, console: Console, stop: threading.Event) -> None:
    if not stop.is_set():
        console.print("serving; press Ctrl-C to stop")
    while not stop.wait(0.5):
        machine.watch()


def _introduce(settings: Settings, console: Console) -> None:
    address = f"http://{settings.redress_host}:{settings.redress_web_port}/webhooks/stripe"
    console.print(f"[bold]redress[/bold] receives webhooks at {address}")
    console.print(f"logs: {settings.redress_data / 'logs'}", highlight=False)
    metrics = f"http://{settings.redress_host}:{settings.redress_metrics_port}/metrics"
    console.print(f"metrics: {metrics}", highlight=False)
    console.print(f"dashboard: {settings.redress_dashboard_url}", highlight=False)
    _let_the_first_one_in(settings, console)
    if settings.stripe_api_key is None:
        return
    kind = "live" if settings.livemode else "test"
    moves = {
        Mode.OBSERVE: "decides and records, moves no money (REDRESS_MODE=enforce to refund)",
        Mode.ENFORCE: "refunds at Stripe",
    }
    console.print(f"mode: {kind}, {settings.redress_mode}: {moves[settings.redress_mode]}")
    if settings.stripe_api_base is None:
        console.print(f"to forward events here: stripe listen --forward-to {address}")


def _let_the_first_one_in(settings: Settings, console: Console) -> None:
    """While nobody has ever come in, print a new link that lets one person in as admin; the one before is void."""
    with open_wiring(settings) as wiring, wiring.store.write() as connection:
        if not nobody_came_in(connection):
            return
        try:
            secret = invite_operator(connection, _FIRST_ONE, Role.ADMIN, wiring.clock.now_ms())
        except OperatorRefused:
            return  # somebody is being let in by `redress operators` already
    link = f"{settings.redress_dashboard_url}/welcome/{secret}"
    console.print("nobody has come into the dashboard yet; this link lets one person in, once:")
    console.print(link, highlight=False, soft_wrap=True)


def _served_environ(settings: Settings) -> dict[str, str]:
    """The settings as environment variables for every process, the sandbox in Stripe's place if need be."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name.lower() in Settings.model_fields and value
    }
    given |= {
        "REDRESS_DATA": str(settings.redress_data.resolve()),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "REDRESS_MODE": settings.redress_mode.value,
    }
    if settings.stripe_api_key is None:
        host, port = settings.redress_host, settings.redress_sandbox_port
        sold = Path(ops.__file__).parent / "sandbox" / "catalogue.toml"
        given.setdefault("REDRESS_CATALOGUE", str(sold))
        given |= {
            "STRIPE_API_KEY": SANDBOX_KEY,
            "STRIPE_API_BASE": f"http://{host}:{port}",
            "STRIPE_WEBHOOK_SECRETS": _sandbox_secrets(settings.redress_data),
        }
    return given


def _sandbox_secrets(data: Path) -> str:
    """Two signing secrets, newest first: the day begins with the older one and rolls at noon."""
    kept = data / "sandbox-webhook-secrets"
    if not kept.exists():
        kept.touch(mode=0o600)
        made = ",".join(f"whsec_{secrets.token_hex(24)}" for _ in range(2))
        kept.write_text(made, encoding="ascii")
    return kept.read_text(encoding="ascii")


def _require_free_ports(settings: Settings, *, sandbox: bool) -> None:
    wanted = {
        "REDRESS_WEB_PORT": settings.redress_web_port,
        "REDRESS_METRICS_PORT": settings.redress_metrics_port,
        "REDRESS_OPS_PORT": settings.redress_ops_port,
    }
    if sandbox:
        wanted["REDRESS_SANDBOX_PORT"] = settings.redress_sandbox_port
    for variable, port in wanted.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.redress_host, port))
            except OSError:
                raise _PortTaken(
                    f"port {port} is in use; set {variable} to a free one, or stop what uses it"
                ) from None


def _procfile() -> Path:
    """The Procfile of a checkout, or the copy inside an installed package."""
    package = Path(ops.__file__).parent
    beside = package.parent / "Procfile"
    return beside if beside.exists() else package / "Procfile"
