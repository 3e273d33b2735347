"""The webhook endpoint at Stripe: which is ours, what is wrong with it, and how its secret is changed without loss.

An endpoint's secret and the version it renders in are fixed when it is made (docs.stripe.com/webhooks/versioning), so
both are changed by a second endpoint of the same address: made switched off, switched on once the receiver knows its
secret, and the first one deleted when nothing waits on it. Meanwhile each event comes twice and is stored once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

from ledger.event_types import HANDLED
from ops.diagnosis import Level
from runtime.operator_limits import LIST_PAGE_ROWS
from runtime.settings import Settings
from webhooks.merchant_doors import delivery_path
from webhooks.receive import CONNECT_PATH
from workers.gateway import API_VERSION, StripeGateway

MARK: Final = "redress_endpoint"
_SHOWN_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Which endpoint is meant: that of a merchant's own events, or a platform's for its connected accounts."""

    path: str
    connect: bool
    merchant: str
    secrets: int  # how many the receiver knows for it

    @classmethod
    def by(cls, settings: Settings, *, connect: bool) -> Self:
        """The endpoint of these settings."""
        return cls(
            path=CONNECT_PATH if connect else delivery_path(settings),
            connect=connect,
            merchant=settings.redress_merchant,
            secrets=len(
                settings.stripe_connect_webhook_secrets
                if connect
                else settings.stripe_webhook_secrets
            ),
        )

    @property
    def variable(self) -> str:
        """Where its secrets are set."""
        return "STRIPE_CONNECT_WEBHOOK_SECRETS" if self.connect else "STRIPE_WEBHOOK_SECRETS"

    @property
    def mark(self) -> str:
        """What its metadata says, so that the one is not taken for the other."""
        return "connect" if self.connect else "1"

    def command(self, words: str) -> str:
        """A command about this endpoint, in full."""
        whom = f"--merchant {self.merchant} " if self.merchant else ""
        name, _, rest = words.partition(" ")
        connect = " --connect" if self.connect else ""
        return f"redress {whom}endpoint {name}{connect} {rest}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One of ours. `events` are the types that Stripe sends it; `created` is unix seconds."""

    endpoint_id: str
    url: str
    enabled: bool
    events: frozenset[str]
    api_version: str | None
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFinding:
    """One thing about the endpoints, and the command for it; `mendable` ones are put right by `check --mend`."""

    level: Level
    sentence: str
    command: str = ""
    mendable: bool = False


def own_endpoints(gateway: StripeGateway, aim: Aim) -> list[Endpoint]:
    """The endpoints of this key's account that are ours and meant, newest first. Raises GatewayError."""
    page = gateway.list_page("webhook_endpoints", {"limit": LIST_PAGE_ROWS})
    found = [_endpoint(one) for one in page.data if _is_meant(one, aim)]
    # Stripe lists the newest first; of one second its order is kept.
    return sorted(found, key=lambda one: one.created, reverse=True)


def new_endpoint(gateway: StripeGateway, aim: Aim, url: str, *, disabled: bool) -> tuple[str, str]:
    """Make an endpoint of exactly the types that are handled, in our version; its id and its secret."""
    made = gateway.send(
        "post",
        "webhook_endpoints",
        {
            "url": url,
            "enabled_events": sorted(HANDLED),
            "api_version": API_VERSION,
            "description": "redress",
            "metadata": {MARK: aim.mark},
            **({"connect": True} if aim.connect else {}),
        },
    )
    if disabled:
        change_endpoint(gateway, str(made["id"]), {"disabled": True})
    return str(made["id"]), str(made["secret"])


def change_endpoint(gateway: StripeGateway, endpoint_id: str, params: Mapping[str, Any]) -> None:
    """Change an endpoint's types, or switch it on or off."""
    gateway.send("post", f"webhook_endpoints/{endpoint_id}", params)


def delete_endpoint(gateway: StripeGateway, endpoint_id: str) -> None:
    """Delete an endpoint; what waits to be delivered to it is not delivered any more."""
    gateway.send("delete", f"webhook_endpoints/{endpoint_id}", {})


def undelivered(gateway: StripeGateway, since: int) -> bool:
    """Whether an event made since then (unix seconds) waits for some endpoint still."""
    query = {"delivery_success": False, "created": {"gte": since}, "limit": 1}
    return bool(gateway.list_page("events", query).data)


def endpoint_findings(
    endpoints: Sequence[Endpoint], aim: Aim, *, livemode: bool
) -> Iterator[EndpointFinding]:
    """What is to be said of our endpoints; one sentence that all is well if nothing else."""
    if not endpoints:
        yield EndpointFinding(
            level=Level.FAIL,
            sentence=f"no webhook endpoint of this account points to {aim.path}",
            command=aim.command(f"create --url https://YOUR-HOST{aim.path}"),
        )
        return
    newest = endpoints[0]
    found = [*_about_number(endpoints, aim), *_about_one(newest, len(endpoints), aim, livemode)]
    yield from found or [
        EndpointFinding(
            level=Level.OK,
            sentence=f"{newest.endpoint_id} sends {len(newest.events)} types, rendered in {newest.api_version}",
        )
    ]


def _about_number(endpoints: Sequence[Endpoint], aim: Aim) -> Iterator[EndpointFinding]:
    if len(endpoints) > 1:
        on = sum(one.enabled for one in endpoints)
        yield EndpointFinding(
            level=Level.WARN,
            sentence=f"{len(endpoints)} endpoints of ours, {on} switched on: a rotation is under way",
            command=aim.command("rotate --reason TEXT"),
        )
        if on > aim.secrets:
            yield EndpointFinding(
                level=Level.FAIL,
                sentence=f"{on} of them are on and {aim.variable} has {aim.secrets}: some are refused",
                command=f"set {aim.variable} to the secrets of all, newest first",
            )
    elif not endpoints[0].enabled:
        yield EndpointFinding(
            level=Level.FAIL,
            sentence=f"{endpoints[0].endpoint_id} is switched off: nothing is delivered",
            command=aim.command("check --mend --reason TEXT"),
            mendable=True,
        )


def _about_one(
    newest: Endpoint, number: int, aim: Aim, livemode: bool
) -> Iterator[EndpointFinding]:
    missing, needless = sorted(HANDLED - newest.events), sorted(newest.events - HANDLED)
    if "*" in newest.events:
        missing = []
    if missing:
        yield EndpointFinding(
            level=Level.FAIL,
            sentence=f"{newest.endpoint_id} does not send {_some(missing)}",
            command=aim.command("check --mend --reason TEXT"),
            mendable=True,
        )
    if needless:
        yield EndpointFinding(
            level=Level.WARN,
            sentence=f"{newest.endpoint_id} sends what nothing here handles: {_some(needless)}",
            command=aim.command("check --mend --reason TEXT"),
            mendable=True,
        )
    if newest.api_version != API_VERSION and number == 1:
        yield EndpointFinding(
            level=Level.WARN,
            sentence=f"{newest.endpoint_id} renders in {newest.api_version or 'the account default'},"
            f" this version of redress is made for {API_VERSION}",
            command=aim.command("rotate --reason TEXT"),
        )
    if livemode and not newest.url.startswith("https://"):
        yield EndpointFinding(
            level=Level.FAIL,
            sentence=f"{newest.endpoint_id} is not reached by HTTPS",
            command=aim.command(f"create --url https://YOUR-HOST{aim.path}"),
        )


def _some(types: Sequence[str]) -> str:
    shown = ", ".join(types[:_SHOWN_MAX])
    return shown if len(types) <= _SHOWN_MAX else f"{shown} and {len(types) - _SHOWN_MAX} more"


def _is_meant(rendered: Mapping[str, Any], aim: Aim) -> bool:
    mark = (rendered.get("metadata") or {}).get(MARK)
    if mark is not None:
        return bool(mark == aim.mark)
    return urlsplit(str(rendered["url"])).path.rstrip("/") == aim.path


def _endpoint(rendered: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        endpoint_id=str(rendered["id"]),
        url=str(rendered["url"]),
        enabled=rendered["status"] == "enabled",
        events=frozenset(rendered["enabled_events"]),
        api_version=rendered.get("api_version"),
        created=int(rendered["created"]),
    )
