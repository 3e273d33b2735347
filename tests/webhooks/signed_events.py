"""Events and deliveries as Stripe makes them, for the receiver's tests."""

import hashlib
import hmac
import itertools
import json
import time

from webhooks.receive import Delivery

SECRET = "whsec_0123456789abcdef0123456789abcdef"
OLD_SECRET = "whsec_fedcba9876543210fedcba9876543210"
FOREIGN_SECRET = "whsec_anotherendpointssecret0123456789"
JSON_TYPE = "application/json; charset=utf-8"

_numbers = itertools.count(1)


def new_id():
    """An event id that no other test uses."""
    return f"evt_{time.time_ns():x}{next(_numbers)}"


def event_fields(**changes):
    """A charge.succeeded event; a change to None stays as null."""
    charge = {"id": "ch_1", "object": "charge", "amount": 1999, "customer": "cus_1"}
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_767_268_790,
        "livemode": False,
        "type": "charge.succeeded",
        "data": {"object": charge},
        **changes,
    }


def event_body(**changes):
    """The same as bytes, indented as Stripe indents."""
    return json.dumps(event_fields(**changes), indent=2).encode()


def sign(body, at_seconds, *secrets):
    """A Stripe-Signature header with one v1 signature per secret."""
    signatures = [
        hmac.new(secret.encode(), b"%d.%b" % (at_seconds, body), hashlib.sha256).hexdigest()
        for secret in secrets or (SECRET,)
    ]
    return ",".join([f"t={at_seconds}", *(f"v1={signature}" for signature in signatures)])


def delivery(body, at_seconds, **changes):
    """A well-made delivery of `body`, but for `changes`."""
    fields = {
        "method": "POST",
        "content_type": JSON_TYPE,
        "content_encoding": "",
        "signature": sign(body, at_seconds),
        "body": body,
    }
    return Delivery(**{**fields, **changes})


def http_request(body, *, signature=None, path="/webhooks/stripe", headers=()):
    """The raw bytes of one POST, signed now."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: redress.test",
        f"Content-Type: {JSON_TYPE}",
        f"Content-Length: {len(body)}",
        f"Stripe-Signature: {signature or sign(body, int(time.time()))}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
