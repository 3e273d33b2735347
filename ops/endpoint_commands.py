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
from runtime.wiring import Wiring
from webhooks.receive import PATH
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@click.group(epilog="Example: redress endpoint check")
def endpoint() -> None:
    """Make, check and rotate the webhook endpoint at Stripe."""


@endpoint.command(
    "create",
    epilog="Example: redress endpoint create --url https://pay.example.com/webhooks/stripe",
)
@click.option("--url", required=True, help=f"Where Stripe reaches the receiver; ends with {PATH}.")
@json_option
@click.pass_obj
def create_command(operator: OperatorContext, url: str, *, as_json: bool) -> None:
    """Make an endpoint of exactly the event types that are handled, and show its secret this once."""
    _require_url(url, livemode=operator.settings().livemode)
    with operator.wiring() as wiring:
        gateway = open_gateway(wiring.settings)
        present = [one for one in _asked(lambda: own_endpoints(gateway)) if one.url == url]
        if present:
            raise click.ClickException(
                f"{present[0].endpoint_id} has this address already. `redress endpoint check` looks at it;"
                " `redress endpoint rotate` changes its secret."
            )
        _audit(wiring, "endpoint.create", url, f"{len(HANDLED)} types")
        made = _asked(lambda: new_endpoint(gateway, url, disabled=False))
    _show_made(made, "Set STRIPE_WEBHOOK_SECRETS to it and restart `redress web`.", as_json=as_json)


@endpoint.command("check", epilog="Example: redress endpoint check --mend --reason 'new version'")
@click.option("--mend", is_flag=True, help="Set the types and switch it on, where that is wrong.")
@REASON_OPTION
@json_option
@click.pass_context
def check_command(ctx: click.Context, reason: str | None, *, mend: bool, as_json: bool) -> None:
    """Check types, version, address and secrets. Exit code 1 if deliveries fail or events are missed."""
    operator = ctx.ensure_object(OperatorContext)
    given = require_reason(reason) if mend else ""
    with operator.wiring() as wiring:
        gateway = open_gateway(wiring.settings)
        endpoints = _asked(lambda: own_endpoints(gateway))
        if mend and endpoints:
            _audit(wiring, "endpoint.mend", endpoints[0].endpoint_id, given)
            changes = {"enabled_events": sorted(HANDLED)}
            if len(endpoints) == 1:
                changes |= {"disabled": False}  # type: ignore[dict-item]  # a form of texts and flags
            _asked(lambda: change_endpoint(gateway, endpoints[0].endpoint_id, changes))
            endpoints = _asked(lambda: own_endpoints(gateway))
        settings = wiring.settings
        secrets = len(settings.stripe_webhook_secrets)
        found = list(endpoint_findings(endpoints, secrets, livemode=settings.livemode))
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
@REASON_OPTION
@json_option
@click.pass_obj
def rotate_command(operator: OperatorContext, reason: str | None, *, as_json: bool) -> None:
    """Do the next step of changing the secret, or the version that events are rendered in.

    Call it three times. First it makes a second endpoint, switched off, and shows its secret: put it before
    the old one in STRIPE_WEBHOOK_SECRETS and restart the receiver. Then it switches the new one on. When
    nothing waits to be delivered any more, it deletes the old one: take its secret away.
    """
    given = require_reason(reason)
    with operator.wiring() as wiring:
        gateway = open_gateway(wiring.settings)
        endpoints = _asked(lambda: own_endpoints(gateway))
        if not endpoints:
            raise click.ClickException(
                "There is no endpoint yet: `redress endpoint create --url …`."
            )
        newest = endpoints[0]
        if len(endpoints) == 1:
            _audit(wiring, "endpoint.rotate", newest.endpoint_id, f"a second one: {given}")
            made = _asked(lambda: new_endpoint(gateway, newest.url, disabled=True))
            _show_made(
                made,
                "Put it first in STRIPE_WEBHOOK_SECRETS, the old one after it, and restart `redress web`."
                " Then call `redress endpoint rotate` again: it switches the new one on.",
                as_json=as_json,
            )
            return
        told = _next_step(wiring, gateway, endpoints, given)
    if as_json:
        print_json({"done": told})
    else:
        say(told)


def _next_step(
    wiring: Wiring, gateway: StripeGateway, endpoints: Sequence[Endpoint], reason: str
) -> str:
    newest, olds = endpoints[0], endpoints[1:]
    if not newest.enabled:
        if len(wiring.settings.stripe_webhook_secrets) < len(endpoints):
            raise click.ClickException(
                "STRIPE_WEBHOOK_SECRETS has one secret still: put the new one first, the old one after it,"
                " restart `redress web`, and call this again with the same variable."
            )
        _audit(wiring, "endpoint.rotate", newest.endpoint_id, f"switched on: {reason}")
        _asked(lambda: change_endpoint(gateway, newest.endpoint_id, {"disabled": False}))
        return (
            f"{newest.endpoint_id} is on; both deliver now, and each event is stored once."
            " Call this again in some minutes: it deletes the old one."
        )
    if _asked(lambda: undelivered(gateway, min(one.created for one in olds))):
        raise click.ClickException(
            "Events wait to be delivered still, and a deleted endpoint gets no more tries."
            " Look at `redress endpoint check`, and call this again when they are through."
        )
    for old in olds:
        _audit(wiring, "endpoint.rotate", old.endpoint_id, f"deleted: {reason}")
        _asked(partial(delete_endpoint, gateway, old.endpoint_id))
    return "The old endpoint is gone: take its secret out of STRIPE_WEBHOOK_SECRETS and restart `redress web`."


def _asked(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except GatewayError as error:
        raise click.ClickException(stripe_sentence(error)) from error


def _audit(wiring: Wiring, action: str, object_id: str, detail: str) -> None:
    with wiring.store.write() as connection:
        audit_act(connection, action, object_id, now_ms=wiring.clock.now_ms(), detail=detail)


def _require_url(url: str, *, livemode: bool) -> None:
    parts = urlsplit(url)
    plain = parts.scheme == "http" and not livemode and parts.hostname in _LOOPBACK
    if not (parts.hostname and (parts.scheme == "https" or plain)) or parts.path != PATH:
        raise click.UsageError(
            f"--url must be https://HOST{PATH}: Stripe delivers by HTTPS, and the receiver has that one path."
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
