"""Registering a webhook endpoint with secrets that the receiver already knows, and rolling them.

Stripe invents an endpoint's secret and shows it once. `redress up` has to know it before the
receiver starts, so the sandbox takes one through two control endpoints of its own:

    POST /sandbox/webhook_endpoints           {"url", "secrets": ["whsec_…", …], "enabled_events": […],
                                               "connect": false}
    POST /sandbox/webhook_endpoints/rotate    {"url", "secret": "whsec_…", "overlap_seconds": 86400}

Both answer the endpoint as /v1 would show it.
"""

import contextlib
import secrets as randomness
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from ops.sandbox.api_call import API_VERSION, public
from ops.sandbox.api_errors import bad_parameter
from ops.sandbox.api_events import PLATFORM
from ops.sandbox.book import Book, Json
from ops.sandbox.keep_alive import KeepAliveClient
from runtime.clock import Clock

# Stripe lets a rolled secret live on for at most a day.
OVERLAP_SECONDS_MAX = 24 * 3600


class EndpointRefused(Exception):
    """The sandbox did not register the endpoint; the sentence says which field to change."""


def register_endpoint(
    base_url: str,
    url: str,
    secrets: Sequence[str],
    enabled_events: Sequence[str],
    *,
    connect: bool = False,
) -> Json:
    """Have the sandbox at `base_url` deliver `enabled_events` to `url`, signed with `secrets`.

    `secrets` are newest first, each `whsec_…`; every one of them signs. An endpoint of the same
    url is overwritten, so starting again adds none. With `connect` it gets the events of connected accounts
    instead of the account's own. Returns the endpoint; raises EndpointRefused
    or HttpUnanswered.
    """
    body = {
        "url": url,
        "secrets": list(secrets),
        "enabled_events": list(enabled_events),
        "connect": connect,
    }
    return _post(f"{base_url}/sandbox/webhook_endpoints", body)


def rotate_secret(
    base_url: str, url: str, secret: str, overlap_seconds: int = OVERLAP_SECONDS_MAX
) -> Json:
    """Make `secret` the endpoint's newest; the ones before it sign on for `overlap_seconds`."""
    body = {"url": url, "secret": secret, "overlap_seconds": overlap_seconds}
    return _post(f"{base_url}/sandbox/webhook_endpoints/rotate", body)


def endpoint_controls(book: Book, clock: Clock) -> dict[tuple[str, str], Callable[[Json], Json]]:
    """Return the two control endpoints for `SandboxServer(controls=…)`.

    Their handlers raise ApiError with a sentence for a field that is missing or wrong.
    """
    return {
        ("POST", "/sandbox/webhook_endpoints"): lambda body: _register(book, clock, body),
        ("POST", "/sandbox/webhook_endpoints/rotate"): lambda body: _rotate(book, clock, body),
    }


def _register(book: Book, clock: Clock, body: Json) -> Json:
    secrets = _secrets(body.get("secrets"))
    url, events = body.get("url"), body.get("enabled_events")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise bad_parameter("`url` must begin with http:// or https://", "url")
    if not isinstance(events, list) or not events:
        raise bad_parameter('`enabled_events` must name event types, or "*"', "enabled_events")
    now_seconds = clock.now_ms() // 1000
    with book.transaction():
        known = _by_url(book, url) or {
            "id": f"we_{randomness.token_hex(12)}",
            "created": now_seconds,
        }
        until = now_seconds + OVERLAP_SECONDS_MAX
        endpoint = {
            **known,
            "object": "webhook_endpoint",
            "api_version": API_VERSION,
            "application": PLATFORM if body.get("connect") else None,
            "description": None,
            "enabled_events": events,
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            "url": url,
            "_secret": secrets[0],
            "_previous_secrets": [{"secret": old, "until": until} for old in secrets[1:]],
        }
        return public(book.put("webhook_endpoints", endpoint))


def _rotate(book: Book, clock: Clock, body: Json) -> Json:
    secret = _secrets([body.get("secret")])[0]
    overlap_seconds = body.get("overlap_seconds")
    if not isinstance(overlap_seconds, int) or not 0 <= overlap_seconds <= OVERLAP_SECONDS_MAX:
        raise bad_parameter(
            f"`overlap_seconds` must be 0 to {OVERLAP_SECONDS_MAX}", "overlap_seconds"
        )
    now_seconds = clock.now_ms() // 1000
    until = now_seconds + overlap_seconds
    with book.transaction():
        endpoint = _by_url(book, str(body.get("url")))
        if endpoint is None:
            raise bad_parameter(
                "`url` is not registered: POST /sandbox/webhook_endpoints first", "url"
            )
        rolled = [{"secret": endpoint["_secret"], "until": until}]
        rolled += [
            {**entry, "until": min(entry["until"], until)}
            for entry in endpoint.get("_previous_secrets") or ()
        ]
        endpoint.update(_secret=secret, _previous_secrets=rolled)
        return public(book.put("webhook_endpoints", endpoint))


def _by_url(book: Book, url: str) -> Json | None:
    found = (made for made in book.newest_first("webhook_endpoints") if made["url"] == url)
    return next(found, None)


def _secrets(given: Any) -> list[str]:
    if not isinstance(given, list) or not given:
        raise bad_parameter("`secrets` must hold at least one whsec_… string", "secrets")
    if not all(isinstance(secret, str) and secret.startswith("whsec_") for secret in given):
        raise bad_parameter("each of `secrets` must begin with whsec_", "secrets")
    return given


def _post(url: str, body: Json) -> Json:
    client = KeepAliveClient(timeout_seconds=10)
    with contextlib.closing(client):
        answer = client.send("POST", url, orjson.dumps(body), {"Content-Type": "application/json"})
    shown: Json = orjson.loads(answer.body)
    if answer.status != 200:  # noqa: PLR2004 - HTTP's word for done
        raise EndpointRefused(shown.get("error", {}).get("message", f"HTTP {answer.status}"))
    return shown
