"""The web process: builds its parts, serves until it is told to stop, and lets nothing waiting fall.

granian runs embedded in this one process, rather than as a parent with workers of its own: a killed
web process then leaves no worker behind that still holds the port, and memory is paid for once. For
more cores run several web processes; each listens on the same port and the kernel spreads connections.
"""

import asyncio
import resource
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from redis.exceptions import RedisError

from ledger.inbox import store_events
from ledger.ledger_owner import claim_ledger
from ledger.parsing import Expected
from ledger.schema_revision import schema_problem
from runtime import limits
from runtime.settings import Settings
from runtime.wiring import Wiring, open_wiring
from webhooks.app import create_app
from webhooks.committer import Committer
from webhooks.front import Front
from webhooks.health import Readiness
from webhooks.merchant_doors import LedgerNotReady, MerchantDoors, Reception, Site
from webhooks.product_api import ProductApi
from webhooks.receive import CONNECT_PATH, PATH, Destination, Receiver
from webhooks.signature import SignatureCheck

_log = structlog.get_logger("webhooks.server")


def serve(settings: Settings, merchants: Mapping[str, Settings] | None = None) -> None:
    """Receive deliveries on `redress_host:redress_web_port` until SIGTERM or SIGINT.

    `merchants` are the further ones by name, each served from a ledger of its own. Raises ValueError when no webhook
    secret is set.
    """
    doors = MerchantDoors(merchants or {}, _open_site)
    with open_wiring(settings) as wiring, ExitStack() as held:
        front, _ = _serving(wiring, held, doors.connected)
        if merchants:
            doors.start()
            held.callback(doors.close)
        serve_front(Reception(front, doors) if merchants else front, settings)


def serve_front(front: Front | Reception, settings: Settings, port: int | None = None) -> None:
    """Have `front` answer on `redress_host` until SIGTERM or SIGINT; on `redress_web_port` unless told otherwise."""
    asyncio.run(_run(front, settings, settings.redress_web_port if port is None else port))


def build_committer(wiring: Wiring) -> Committer:
    """Who writes what comes into the ledger of `wiring`; its threads start with the first event."""
    merchant = wiring.settings.redress_merchant
    return Committer(wiring.store, store_events, wiring.wakeups, wiring.clock, merchant=merchant)


def build_receivers(
    wiring: Wiring,
    committer: Committer,
    connected: Mapping[str, Destination | None] | None = None,
) -> dict[str, Receiver]:
    """The receivers over `wiring` by path; nothing is started or connected before the first delivery.

    One takes the account's own endpoint, one that of its connected accounts if it has secrets; a connected account
    itself has none. `connected` is where events of connected accounts go. Raises ValueError when no secret is set.
    """
    settings = wiring.settings
    secrets = {}
    if not settings.stripe_connected_account:
        secrets[PATH] = settings.stripe_webhook_secrets
    if settings.stripe_connect_webhook_secrets:
        secrets[CONNECT_PATH] = settings.stripe_connect_webhook_secrets
    return {
        path: Receiver(
            check=SignatureCheck([key.get_secret_value() for key in keys]),
            expected=Expected.by(settings),
            committer=committer,
            clock=wiring.clock,
            merchant=settings.redress_merchant,
            connected=connected,
        )
        for path, keys in secrets.items()
    }


def _serving(
    wiring: Wiring, held: ExitStack, connected: Mapping[str, Destination | None] | None = None
) -> tuple[Front, Committer]:
    """What serves one merchant; `held` closes both, what waits being stored first."""
    api = ProductApi(
        store=wiring.store,
        clock=wiring.clock,
        wakeups=wiring.wakeups,
        livemode=wiring.settings.livemode,
    )
    committer = build_committer(wiring)
    receivers = build_receivers(wiring, committer, connected)
    app = create_app(receivers, build_readiness(wiring), api)
    front = Front(receivers, app, wiring.settings.redress_merchant)
    held.callback(front.close)
    held.callback(committer.close)
    return front, committer


def _open_site(settings: Settings) -> Site:
    """A further merchant's site. Raises SQLAlchemyError, LedgerNotReady or ForeignLedger."""
    with ExitStack() as held:
        wiring = held.enter_context(open_wiring(settings))
        problem = schema_problem(wiring.store)
        if problem is not None:
            raise LedgerNotReady(f"its database is {problem}")
        claim_ledger(wiring.store, settings.redress_merchant)
        front, committer = _serving(wiring, held)
        return Site(
            front=front,
            destination=Destination(expected=Expected.by(settings), committer=committer),
            close=held.pop_all().close,
        )


def build_readiness(wiring: Wiring) -> Readiness:
    """The readiness of this process over its database and Redis."""

    def redis_answers() -> bool:
        try:
            return bool(wiring.redis.ping())
        except (RedisError, OSError):
            return False

    return Readiness(
        store=wiring.store,
        schema_problem=partial(schema_problem, wiring.store),
        redis_answers=redis_answers,
        clock=wiring.clock,
    )


async def _run(front: Front | Reception, settings: Settings, port: int) -> None:
    server = Server(
        front,
        address=settings.redress_host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=limits.CONNECTIONS_WAITING_MAX,
        backpressure=_connections_max(),
        http1_settings=HTTP1Settings(
            header_read_timeout=limits.HEADER_SECONDS_MAX * 1000,
            max_buffer_size=limits.HEADER_BYTES_MAX,
        ),
        log_level=LogLevels.error,
        log_dictconfig=_KEEP_OUR_LOGS,
    )
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    serving = asyncio.create_task(server.serve())
    _log.info("web.serving", host=settings.redress_host, port=port)
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.stop()  # type: ignore[no-untyped-call]  # granian's embedded server has no types
    # Requests under way are answered; a client that will not end its own is not waited for longer.
    await asyncio.wait({serving}, timeout=limits.STOP_SECONDS_MAX)
    stopping.cancel()
    if serving.done():
        serving.result()
    _log.info("web.stopped")


#: Changes levels only. Without it granian would put its own handlers beside our one pipeline.
_KEEP_OUR_LOGS: Final = {"incremental": True, "handlers": {}, "loggers": {"_granian": {}}}

_FILES_OF_OUR_OWN: Final = 256  # database, Redis, libraries: ample beside the connections


def _connections_max() -> int:
    """How many connections this process can hold, once its limit on open files is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.CONNECTIONS_MAX + _FILES_OF_OUR_OWN
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    available = limits.CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else soft
    return max(1, min(limits.CONNECTIONS_MAX, available - _FILES_OF_OUR_OWN))
