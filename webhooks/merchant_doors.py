"""One receiver for several merchants: who a request is for stands in its path, `/merchants/NAME/…`.

Each further merchant has a front of its own over its own ledger, as if it were alone: its secrets, its queue of
commits, its threads. One whose database is away at the start keeps none of the others from being served: it answers
503, which Stripe repeats, and is tried again until its ledger is there.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ledger.ledger_owner import ForeignLedger
from runtime import limits, operator_limits
from runtime.settings import Settings
from webhooks import answers
from webhooks.front import Exchange, Front
from webhooks.receive import CONNECT_PATH, PATH, Destination

PREFIX: Final = "/merchants/"

_log = structlog.get_logger("webhooks.merchants")


def delivery_path(settings: Settings) -> str:
    """Where Stripe delivers a merchant's events; those of a connected account come to its platform's endpoint."""
    if settings.stripe_connected_account:
        return CONNECT_PATH
    merchant = settings.redress_merchant
    return f"{PREFIX}{merchant}{PATH}" if merchant else PATH


class LedgerNotReady(Exception):
    """The merchant's ledger cannot take events yet; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What serves one merchant. `close` stores what waits and gives everything back."""

    front: Front
    destination: Destination
    close: Callable[[], None]


class MerchantDoors:
    """The further merchants' sites by name, each opened as soon as its ledger answers; a thread tries."""

    def __init__(
        self, everyone: Mapping[str, Settings], open_site: Callable[[Settings], Site]
    ) -> None:
        """`open_site` raises SQLAlchemyError, LedgerNotReady or ForeignLedger."""
        self._everyone = everyone
        self._open_site = open_site
        self._sites: dict[str, Site] = {}
        #: Where events of connected accounts go, by `acct_…`; None until the ledger is open.
        self.connected: dict[str, Destination | None] = {
            settings.stripe_connected_account: None
            for settings in everyone.values()
            if settings.stripe_connected_account
        }
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_trying, name="merchants", daemon=True)

    def start(self) -> None:
        """Begin to open them."""
        self._thread.start()

    def close(self) -> None:
        """Stop trying, and close what is open."""
        self._stopping.set()
        self._thread.join(limits.STOP_SECONDS_MAX)
        for site in self._sites.values():
            site.close()

    def knows(self, name: str) -> bool:
        """Whether there is a merchant of that name."""
        return name in self._everyone

    def front_of(self, name: str) -> Front | None:
        """The merchant's front; None while its ledger is away."""
        site = self._sites.get(name)
        return None if site is None else site.front

    def open_missing(self) -> bool:
        """Try once to open what is not open yet; whether all are."""
        for name, settings in self._everyone.items():
            if name in self._sites:
                continue
            try:
                site = self._open_site(settings)
            except (SQLAlchemyError, OSError, LedgerNotReady, ForeignLedger) as error:
                _log.error("merchant.unavailable", merchant=name, error=_told(error))
                continue
            self._sites[name] = site
            if settings.stripe_connected_account:
                self.connected[settings.stripe_connected_account] = site.destination
            _log.info("merchant.serving", merchant=name)
        return len(self._sites) == len(self._everyone)

    def _keep_trying(self) -> None:
        while not self.open_missing():
            if self._stopping.wait(operator_limits.MERCHANT_RETRY_SECONDS):
                return


class Reception:
    """The RSGI application over all merchants: hands each request to the front of whom its path names."""

    def __init__(self, own: Front, doors: MerchantDoors) -> None:
        self._own = own
        self._doors = doors

    async def __rsgi__(self, scope: Any, exchange: Exchange) -> None:
        """Answer one request."""
        name, path = _split(scope.path)
        if not self._doors.knows(name):
            await self._own.__rsgi__(scope, exchange)
            return
        front = self._doors.front_of(name)
        if front is None:
            answer = answers.NOT_STORED
            exchange.response_bytes(answer.status, answer.headers, answer.body)
            return
        await front.__rsgi__(_Within(scope, path), exchange)


class _Within:
    """A request's scope as the merchant's own front sees it: with the path behind its name."""

    __slots__ = ("_scope", "path")

    def __init__(self, scope: Any, path: str) -> None:
        self._scope = scope
        self.path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scope, name)


def _split(path: str) -> tuple[str, str]:
    """The merchant that a path names, or "", and the path behind it."""
    if not path.startswith(PREFIX):
        return "", path
    name, slash, rest = path.removeprefix(PREFIX).partition("/")
    return name, slash + rest


def _told(error: Exception) -> str:
    """Our own words, or the name of somebody else's error, whose text may hold a login."""
    ours = isinstance(error, LedgerNotReady | ForeignLedger)
    return str(error) if ours else type(error).__name__
