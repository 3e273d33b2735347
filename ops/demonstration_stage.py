"""Where a demonstration is played: the running processes, the sandbox in Stripe's place, and who watches."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from rich.console import Console

from ledger.api_tokens import create_token, revoke_token
from ledger.event_types import HANDLED
from ledger.summaries import day_progress
from ops.operator_audit import audit_act
from ops.sandbox.delivery_endpoints import register_endpoint
from ops.sandbox.keep_alive import HttpUnanswered, KeepAliveClient
from ops.sandbox.shop_product import ShopProduct
from runtime.clock import Clock
from runtime.limits import DEMONSTRATION_SETTLE_SECONDS_MAX
from runtime.settings import Settings
from runtime.wiring import Wiring

#: Looks in a row, a quarter of a second apart, that must find nothing under way.
_QUIET_LOOKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a day is played: the settings with the sandbox in Stripe's place, and who watches.

    `watch` is called a few times a second and keeps the processes running; `stop` ends the day.
    """

    settings: Settings
    console: Console
    watch: Callable[[], None]
    stop: threading.Event

    @property
    def sandbox(self) -> str:
        """The sandbox's address."""
        return str(self.settings.stripe_api_base)

    @property
    def product_address(self) -> str:
        """Where the shop's own product calls."""
        return f"http://{self.settings.redress_host}:{self.settings.redress_web_port}"

    @property
    def address(self) -> str:
        """Where the sandbox delivers its webhooks."""
        return f"{self.product_address}/webhooks/stripe"

    @property
    def api_key(self) -> str:
        """The key that the shop calls the sandbox with."""
        key = self.settings.stripe_api_key
        return "" if key is None else key.get_secret_value()

    def secrets(self) -> list[str]:
        """The signing secrets that the receiver accepts, newest first."""
        return [key.get_secret_value() for key in self.settings.stripe_webhook_secrets]


def meet_the_sandbox(stage: Stage, clock: Clock) -> None:
    """Register the receiver at the sandbox, as soon as that answers; raises HttpUnanswered if never."""
    keys = stage.secrets()
    ends = clock.monotonic() + DEMONSTRATION_SETTLE_SECONDS_MAX
    while not stage.stop.is_set():
        try:
            register_endpoint(stage.sandbox, stage.address, keys[-1:], sorted(HANDLED))
        except HttpUnanswered:
            if clock.monotonic() > ends:
                raise
            stage.watch()
            stage.stop.wait(0.1)
        else:
            return


@contextmanager
def played_product(stage: Stage, wiring: Wiring, name: str, reason: str) -> Iterator[ShopProduct]:
    """The shop's product with a token of its own (`name`), which opens nothing afterwards."""
    with wiring.store.write() as connection:
        now_ms = wiring.clock.now_ms()
        token = create_token(connection, name, now_ms)
        audit_act(connection, "tokens.create", f"token:{name}", now_ms=now_ms, detail=reason)
    try:
        yield ShopProduct(stage.product_address, token)
    finally:
        with wiring.store.write() as connection:
            now_ms = wiring.clock.now_ms()
            revoke_token(connection, name, now_ms)
            audit_act(connection, "tokens.revoke", f"token:{name}", now_ms=now_ms, detail=reason)


def wait_until_quiet(stage: Stage, wiring: Wiring) -> bool:
    """Wait until every delivery was made and no row has a step ahead; whether it was not stopped."""
    client = KeepAliveClient(5.0)
    ends = wiring.clock.monotonic() + DEMONSTRATION_SETTLE_SECONDS_MAX
    quiet = 0
    while not stage.stop.is_set() and wiring.clock.monotonic() < ends:
        with wiring.store.read() as connection:
            busy = day_progress(connection).open_rows
        answer = client.send("GET", f"{stage.sandbox}/sandbox/deliveries", b"", {})
        waiting = orjson.loads(answer.body)["waiting"]
        quiet = quiet + 1 if busy == 0 and waiting == 0 else 0
        if quiet > _QUIET_LOOKS:
            break
        stage.watch()
        stage.stop.wait(0.25)
    client.close()
    return not stage.stop.is_set()
