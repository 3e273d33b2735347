"""The `Stripe-Signature` header and the body it covers, made as Stripe makes them.

Source: docs.stripe.com/webhooks, "Verify webhook signatures manually". The header is
`t=<unix seconds>,v1=<hex>[,v1=<hex>…],v0=<hex>`: HMAC-SHA256 over `{t}.{raw body}`, keyed with the
whole `whsec_…` string, one `v1` per secret that is active at that moment.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import orjson


def signature_header(body: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """Return the header for `body` signed at `timestamp` (unix seconds) with each of `secrets`.

    Stripe adds a `v0` to test events; receivers must ignore it. Here it is a valid digest under
    another key, so a receiver that took it for a `v1` would refuse honest deliveries.
    """
    signed = b"%d.%s" % (timestamp, body)
    parts = [f"t={timestamp}"]
    parts += [f"v1={_digest(secret, signed)}" for secret in secrets]
    parts.append(f"v0={_digest('v0', signed)}")
    return ",".join(parts)


def active_secrets(endpoint: dict[str, Any], now_seconds: int) -> tuple[str, ...]:
    """Return an endpoint's secrets that sign now: the current one, then rolled ones not yet over."""
    previous = endpoint.get("_previous_secrets") or ()
    rolled = (entry["secret"] for entry in previous if entry["until"] > now_seconds)
    return (endpoint["_secret"], *rolled)


def event_body(event: dict[str, Any], pending_webhooks: int) -> bytes:
    """Render an event as the bytes that are delivered: UTF-8 JSON, indented by two spaces.

    `pending_webhooks` is the count when the event was made, so that every attempt and every
    repeated delivery carries the same bytes.
    """
    return orjson.dumps({**event, "pending_webhooks": pending_webhooks}, option=orjson.OPT_INDENT_2)


def _digest(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
