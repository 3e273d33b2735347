"""The accounts that are connected to the sandbox's own: each with a book, and with couriers for its events.

A call with the header `Stripe-Account: acct_…` is about that account, with the platform's key (docs.stripe.com/connect/
authentication). Its events name it in `account` and go to the platform's endpoints for Connect.

    POST   /sandbox/accounts           {"id": "acct_…"}    connect it; it is connected already: nothing happens
    POST   /sandbox/accounts/revoke    {"id": "acct_…"}    it takes its access back: calls for it are answered 403
"""

import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from ops.sandbox import api_errors
from ops.sandbox.api_answers import Answer, header, headers_of
from ops.sandbox.book import Book
from ops.sandbox.book_tables import Json
from ops.sandbox.deliveries import Deliveries, DeliveryHabits
from ops.sandbox.delivery_couriers import Couriers
from ops.sandbox.stripe_stand_in import Control, SandboxStripe
from runtime.clock import Clock

_SHAPE: Final = re.compile(r"acct_[A-Za-z0-9]+", re.ASCII)
_FILE: Final = "sandbox-{account}.db"

#: A random source for one purpose of one book.
Source = Callable[[Book, str], random.Random]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    sandbox: SandboxStripe
    deliveries: Deliveries
    couriers: Couriers


class ConnectedAccounts:
    """The connected accounts by id. `folder` None keeps them in memory; else a restart finds them again."""

    def __init__(
        self,
        platform: Book,
        folder: Path | None,
        clock: Clock,
        source: Source,
        habits: DeliveryHabits | None = None,
    ) -> None:
        self._platform = platform
        self._folder = folder
        self._clock = clock
        self._source = source
        self._habits = habits
        self._lock = threading.Lock()
        self._made: dict[str, _Account] = {}
        self._revoked: set[str] = set()
        for path in () if folder is None else sorted(folder.glob(_FILE.format(account="acct_*"))):
            self._connect(path.stem.removeprefix("sandbox-"))

    def controls(self) -> dict[tuple[str, str], Control]:
        """Return the control endpoints for `SandboxServer(controls=…)`."""
        return {
            ("POST", "/sandbox/accounts"): lambda body: self._connect(str(body.get("id"))),
            ("POST", "/sandbox/accounts/revoke"): lambda body: self._revoke(str(body.get("id"))),
        }

    def sandbox_for(self, own: SandboxStripe, headers: Mapping[str, str]) -> SandboxStripe | Answer:
        """The stand-in that a request is about; the 403 for an account that is not connected."""
        account = header(headers, "stripe-account")
        if account is None:
            return own
        found = self._made.get(account)
        if found is None or account in self._revoked:
            refusal = api_errors.no_access(account)
            return Answer(
                status=refusal.status, headers=headers_of(""), body=orjson.dumps(refusal.body)
            )
        return found.sandbox

    def every_sandbox(self) -> list[SandboxStripe]:
        """The stand-ins of all of them."""
        return [one.sandbox for one in self._every()]

    def stop(self) -> None:
        """Let deliveries under way finish, and close the books."""
        for one in self._every():
            one.couriers.stop()
            one.deliveries.close()
            one.sandbox.book.close()

    def _every(self) -> list[_Account]:
        with self._lock:
            return list(self._made.values())

    def _connect(self, account: str) -> Json:
        if not _SHAPE.fullmatch(account):
            raise api_errors.bad_parameter("`id` must be an account's id, such as acct_1A", "id")
        with self._lock:
            self._revoked.discard(account)
            if account not in self._made:
                self._made[account] = self._new(account)
        return {"id": account, "object": "account"}

    def _new(self, account: str) -> _Account:
        path = None
        if self._folder is not None:
            path = self._folder / _FILE.format(account=account)
        book = Book(path, account=account, platform=self._platform)
        chance = self._source(book, f"deliveries-{account}")
        deliveries = Deliveries(book, self._clock, chance, self._habits, path)
        couriers = Couriers(book, deliveries, self._clock)
        sandbox = SandboxStripe(book, self._clock, self._source(book, f"ids-{account}"))
        sandbox.controls.update(couriers.controls())
        couriers.start()
        return _Account(sandbox=sandbox, deliveries=deliveries, couriers=couriers)

    def _revoke(self, account: str) -> Json:
        self._revoked.add(account)
        return {"id": account, "object": "account", "deleted": True}
