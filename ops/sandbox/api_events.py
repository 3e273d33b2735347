"""The event list and the webhook endpoints (https://docs.stripe.com/api/events, …/webhook_endpoints)."""

import string
from collections.abc import Iterator

from ops.sandbox.api_call import API_VERSION, Call, merged_metadata, public
from ops.sandbox.api_errors import bad_parameter, missing
from ops.sandbox.api_lists import created_range, list_objects, page
from ops.sandbox.book_tables import Json

#: The platform's own id, which an endpoint for its connected accounts bears.
PLATFORM = "ca_SandboxPlatform"

_TYPES_MAX = 20
_AGE_SECONDS_MAX = 30 * 86400
_ENDPOINTS_MAX = 16


def retrieve_event(call: Call) -> Json:
    """Return one event; those older than 30 days are gone, as at Stripe."""
    event = call.book.event(call.path_ids[0])
    if event is None or event["created"] < call.now - _AGE_SECONDS_MAX:
        raise missing("event", call.path_ids[0], "id")
    return event


def list_events(call: Call) -> Json:
    """List events of the last 30 days; filters: type or types, created, delivery_success."""
    given = call.params
    types = given.get("types", [given["type"]] if "type" in given else [])
    if len(types) > _TYPES_MAX:
        raise bad_parameter(f"types can have at most {_TYPES_MAX} members.", "types")
    success = given.get("delivery_success")
    first, last = created_range(given)
    span = (max(first, call.now - _AGE_SECONDS_MAX), last)

    def scan(cursor: str | None, ascending: bool) -> Iterator[Json]:
        return call.book.events_newest_first(types, span, cursor_id=cursor, ascending=ascending)

    def keep(event: Json) -> bool:
        return success is None or (event["pending_webhooks"] == 0) == success

    return page(call, scan, keep)


def create_endpoint(call: Call) -> Json:
    """Register an endpoint; its secret is in this answer and never again."""
    given = call.params
    if sum(1 for _ in call.book.newest_first("webhook_endpoints")) >= _ENDPOINTS_MAX:
        raise bad_parameter(f"An account has at most {_ENDPOINTS_MAX} endpoints.", "url")
    _check_url(given["url"])
    secret = "whsec_" + "".join(call.rng.choices(string.ascii_letters + string.digits, k=32))
    endpoint: Json = {
        "id": call.new_id("we"),
        "object": "webhook_endpoint",
        "api_version": given.get("api_version", API_VERSION),
        "application": PLATFORM if given.get("connect") else None,
        "created": call.now,
        "description": given.get("description") or None,
        "enabled_events": given["enabled_events"],
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "status": "enabled",
        "url": given["url"],
        "_secret": secret,
        "_previous_secrets": [],
    }
    call.save("webhook_endpoints", endpoint)
    return public(endpoint) | {"secret": secret}


def retrieve_endpoint(call: Call) -> Json:
    """Return one endpoint, without its secret."""
    return call.fetch("webhook_endpoints")


def list_endpoints(call: Call) -> Json:
    """List the endpoints."""
    return list_objects(call, "webhook_endpoints")


def update_endpoint(call: Call) -> Json:
    """Change url, enabled_events, description, metadata, or switch it off and on."""
    endpoint = call.fetch("webhook_endpoints")
    given = call.params
    if "url" in given:
        _check_url(given["url"])
    names = ("url", "enabled_events", "description")
    endpoint |= {name: given[name] for name in names if name in given}
    endpoint["metadata"] = merged_metadata(endpoint["metadata"], given.get("metadata"))
    if "disabled" in given:
        endpoint["status"] = "disabled" if given["disabled"] else "enabled"
    return call.save("webhook_endpoints", endpoint)


def delete_endpoint(call: Call) -> Json:
    """Delete an endpoint."""
    endpoint = call.fetch("webhook_endpoints")
    call.book.remove("webhook_endpoints", endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise bad_parameter("Invalid URL: it must begin with http:// or https://.", "url")
