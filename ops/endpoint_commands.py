"""`redress endpoint`: the webhook endpoint at Stripe is made, checked, and its secret changed without a lost delivery."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import click

from ledger.event_types import HANDLED
from ops.diagnosis import Level
from ops.endpoint_care import (
    Aim,
    Endpoint,
    change_endpoint,
    delete_endpoint,
    endpoint_findings,
    new_endpoint,
    own_endpoints,
    undelivered,
)
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.stripe_at_hand import open_gateway, stripe_sentence
from ops.terminal import json_option, print_json, print_table, say, show_secret
from runtime.merchants import every_merchant
from runtime.settings import Settings
from runtime.wiring import Wiring
from webhooks.receive import CONNECT_PATH, PATH
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError

_CONNECT: Final = click.option(
    "--connect", is_flag=True, help="The platform's endpoint for its connected accounts."
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@click.group(epilog="Example: redress endpoint check")
def endpoint() -> None:
    """Make, check and rotate the webhook endpoint at Stripe."""


@endpoint.command(
    "create",
    epilog="Example: redress endpoint create --url https://pay.example.com/webhooks/stripe",
)
@click.option(
    "--url",
    required=True,
    help=f"Where Stripe reaches the receiver; ends with {PATH} (with --connect: {CONNECT_PATH}).",
)
@_CONNECT
@json_option
@click.pass_obj
def create_command(operator: OperatorContext, url: str, *, connect: bool, as_json: bool) -> None:
    """Make an endpoint of exactly the event types that are handled, and show its secret this once."""
    aim = _aim(operator.settings(), connect=connect)
    _require_url(url, aim, livemode=operator.settings().livemode)
    with operator.wiring() as wiring:
        gateway = open_gateway(wiring.settings)
        present = [one for one in _asked(lambda: own_endpoints(gateway, aim)) if one.url == url]
        if present:
            raise click.ClickException(
                f"{present[0].endpoint_id} has this address already. `{aim.command('check')}` looks at it;"
                f" `{aim.command('rotate')}` changes its secret."
            )
        _audit(wiring, "endpoint.create", url, f"{len(HANDLED)} types")
        made = _asked(lambda: new_endpoint(gateway, aim, url, disabled=False))
    _show_made(made, f"Set {aim.variable} to it and restart `redress web`.", as_json=as_json)


@endpoint.command("check", epilog="Example: redress endpoint check --mend --reason 'new version'")
@click.option("--mend", is_flag=True, help="Set the types and switch it on, where that is wrong.")
@_CONNECT
@REASON_OPTION
@json_option
@click.pass_context
def check_command(
    ctx: click.Context, reason: str | None, *, mend: bool, connect: bool, as_json: bool
) -> None:
    """Check types, version, address and secrets. Exit code 1 if deliveries fail or events are missed."""
    operator = ctx.ensure_object(OperatorContext)
    given = require_reason(reason) if mend else ""
    aim = _aim(operator.settings(), connect=connect)
    with operator.wiring() as wiring:
        gateway = open_gateway(wiring.settings)
        endpoints = _asked(lambda: own_endpoints(gateway, aim))
        if mend and endpoints:
            _audit(wiring, "endpoint.mend", endpoints[0].endpoint_id, given)
            changes = {"enabled_events": sorted(HANDLED)}
            if len(endpoints) == 1:
                changes |= {"disabled": False}  # type: ignore[dict-item]  # a form of texts and flags
            _asked(lambda: change_endpoint(gateway, endpoints[0].endpoint_id, changes))
            endpoints = _asked(lambda: own_endpoints(gateway, aim))
        found = list(endpoint_findings(endpoints, aim, livemode=wiring.settings.livemode))
    if as_json:
        print_json(
            {
                "endpoints": [_document(one) for one in endpoints],
                "findings": [{**asdict(one), "level": one.level.value} for one in found],
            }
        )
    else:
        _print(endpoints)
        for one in found:
            say(
                f"{one.level.value}: {one.sentence}"
                + (f". Next: `{one.command}`" if one.command else "")
            )
    ctx.exit(1 if any(one.level is Level.FAIL for one in found) else 0)


@endpoint.command("rotate", epilog="Example: redress endpoint rotate --reason 'yearly rotation'")
@_CONNECT
@REASON_OPTION
@json_option
@click.pass_obj
def rotate_command(
    operator: OperatorContext, reason: str | None, *, connect: bool, as_json: bool
) -> None:
    """Do the next step of changing the secret, or the version that events are rendered in.

    Call it three times. First it makes a second endpoint, switched off, and shows its secret: put it before
    the old one in STRIPE_WEBHOOK_SECRETS and restart the receiver. Then it switches the new one on. When
    nothing waits to be delivered any more, it deletes the old one: take its secret away.
    """
    given = require_reason(reason)
    aim = _aim(operator.settings(), connect=connect)
    with operator.wiring() as wiring:
        gateway = open_gateway(wiring.settings)
        endpoints = _asked(lambda: own_endpoints(gateway, aim))
        if not endpoints:
            raise click.ClickException(
                f"There is no endpoint yet: `{aim.command('create --url …')}`."
            )
        newest = endpoints[0]
        if len(endpoints) == 1:
            _audit(wiring, "endpoint.rotate", newest.endpoint_id, f"a second one: {given}")
            made = _asked(lambda: new_endpoint(gateway, aim, newest.url, disabled=True))
            _show_made(
                made,
                f"Put it first in {aim.variable}, the old one after it, and restart `redress web`."
                f" Then call `{aim.command('rotate')}` again: it switches the new one on.",
                as_json=as_json,
            )
            return
        told = _next_step(wiring, aim, endpoints, _senders(operator, gateway, aim), given)
    if as_json:
        print_json({"done": told})
    else:
        say(told)


def _next_step(
    wiring: Wiring,
    aim: Aim,
    endpoints: Sequence[Endpoint],
    senders: Sequence[StripeGateway],
    reason: str,
) -> str:
    gateway = open_gateway(wiring.settings)
    newest, olds = endpoints[0], endpoints[1:]
    if not newest.enabled:
        if aim.secrets < len(endpoints):
            raise click.ClickException(
                f"{aim.variable} has one secret still: put the new one first, the old one after it,"
                " restart `redress web`, and call this again with the same variable."
            )
        _audit(wiring, "endpoint.rotate", newest.endpoint_id, f"switched on: {reason}")
        _asked(lambda: change_endpoint(gateway, newest.endpoint_id, {"disabled": False}))
        return (
            f"{newest.endpoint_id} is on; both deliver now, and each event is stored once."
            " Call this again in some minutes: it deletes the old one."
        )
    since = min(one.created for one in olds)
    if any(_asked(partial(undelivered, sender, since)) for sender in senders):
        raise click.ClickException(
            "Events wait to be delivered still, and a deleted endpoint gets no more tries."
            f" Look at `{aim.command('check')}`, and call this again when they are through."
        )
    for old in olds:
        _audit(wiring, "endpoint.rotate", old.endpoint_id, f"deleted: {reason}")
        _asked(partial(delete_endpoint, gateway, old.endpoint_id))
    return f"The old endpoint is gone: take its secret out of {aim.variable} and restart `redress web`."


def _senders(
    operator: OperatorContext, gateway: StripeGateway, aim: Aim
) -> Sequence[StripeGateway]:
    """Each account whose events come to the endpoint: a platform's own list does not have those of the connected."""
    if not aim.connect:
        return [gateway]
    merchants = every_merchant(operator.surroundings()).values()
    return [StripeGateway(one) for one in merchants if one.stripe_connected_account]


def _asked(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except GatewayError as error:
        raise click.ClickException(stripe_sentence(error)) from error


def _audit(wiring: Wiring, action: str, object_id: str, detail: str) -> None:
    with wiring.store.write() as connection:
        audit_act(connection, action, object_id, now_ms=wiring.clock.now_ms(), detail=detail)


def _aim(settings: Settings, *, connect: bool) -> Aim:
    """The endpoint that is meant. Raises a ClickException where there can be none."""
    if settings.stripe_connected_account:
        raise click.ClickException(
            "Events of a connected account come to its platform's endpoint: `redress endpoint check --connect`,"
            " without --merchant."
        )
    if connect and settings.redress_merchant:
        raise click.ClickException(
            "Connected accounts are served with the environment's own key; leave --merchant away."
        )
    return Aim.by(settings, connect=connect)


def _require_url(url: str, aim: Aim, *, livemode: bool) -> None:
    parts = urlsplit(url)
    plain = parts.scheme == "http" and not livemode and parts.hostname in _LOOPBACK
    if not (parts.hostname and (parts.scheme == "https" or plain)) or parts.path != aim.path:
        raise click.UsageError(
            f"--url must be https://HOST{aim.path}: Stripe delivers by HTTPS, and the receiver has that one path."
        )


def _show_made(made: tuple[str, str], next_step: str, *, as_json: bool) -> None:
    endpoint_id, secret = made
    if as_json:
        print_json({"endpoint": endpoint_id, "secret": secret})
        return
    say(f"Made {endpoint_id}. Its secret is shown this once:")
    show_secret(secret)
    say(next_step)


def _print(endpoints: Sequence[Endpoint]) -> None:
    if not endpoints:
        return
    print_table(
        ("endpoint", "", "types", "rendered in", "address"),
        [
            (
                one.endpoint_id,
                "on" if one.enabled else "off",
                str(len(one.events)),
                one.api_version or "account default",
                one.url,
            )
            for one in endpoints
        ],
        right=("types",),
    )


def _document(one: Endpoint) -> dict[str, Any]:
    return {**asdict(one), "events": sorted(one.events)}
