"""What `redress up` holds and starts for each merchant: a data folder, a queue server, a ledger, processes."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from ledger.schema import migrate
from ops.supervisor import Supervisor, child_environ
from runtime.data_lock import DataFolderLock
from runtime.embedded_redis import EmbeddedRedis
from runtime.merchants import sole_environ
from runtime.redis_socket import socket_url
from runtime.settings import Settings
from runtime.wiring import open_wiring
from webhooks.merchant_doors import delivery_path

#: One of each serves every merchant.
SHARED: Final = ("web", "metrics", "dashboard")


def held_parts(held: ExitStack, settings: Settings) -> list[EmbeddedRedis]:
    """Take a further merchant's data folder, then as `own_parts`. Raises DataFolderInUse or EmbeddedRedisFailed."""
    held.enter_context(DataFolderLock(settings.redress_data))
    return own_parts(held, settings)


def own_parts(held: ExitStack, settings: Settings) -> list[EmbeddedRedis]:
    """Start the queue server, unless REDIS_URL names another one, and bring the ledger up to date."""
    servers = []
    if settings.redis_url == socket_url(settings.redress_data):
        servers.append(held.enter_context(EmbeddedRedis(settings.redress_data)))
    with open_wiring(settings) as wiring:
        migrate(wiring.store)
    return servers


def add_processes(
    supervisor: Supervisor,
    commands: Mapping[str, str],
    merchant: str,
    environ: Mapping[str, str],
) -> None:
    """Add the processes that work for `merchant` alone; they get no other merchant's secrets."""
    theirs = child_environ({}, sole_environ(environ, merchant))
    for name, command in commands.items():
        if name not in SHARED:
            supervisor.add(f"{merchant}.{name}" if merchant else name, command, theirs)


def introduce_merchants(
    merchants: Mapping[str, Settings], own: Settings, told: Callable[[str], None]
) -> None:
    """Say of each further merchant what it does, and where its webhooks are received."""
    host = f"http://{own.redress_host}:{own.redress_web_port}"
    for name, settings in merchants.items():
        path = delivery_path(settings)
        kind = "live" if settings.livemode else "test"
        told(f"merchant {name}: {kind}, {settings.redress_mode}, receives at {host}{path}")
