"""What the door answers: a status, a small JSON body, and the same protective headers every time."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import orjson

from runtime import call_limits, limits

#: On every answer. Nothing here is a page, so nothing may be framed, run, sniffed, stored or referred.
PROTECTION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=31536000; includeSubDomains",
        "x-content-type-options": "nosniff",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer with all its headers (names in lower case) but the length and the date."""

    status: int
    body: bytes
    headers: list[tuple[str, str]]


def json_answer(status: int, content: object, **extra: str) -> Answer:
    """`content` as JSON under the protective headers; `extra` become further headers."""
    return Answer(
        status=status,
        body=orjson.dumps(content),
        headers=[
            ("content-type", "application/json"),
            *PROTECTION.items(),
            *((name.replace("_", "-"), value) for name, value in extra.items()),
        ],
    )


def accepted(outcome: str) -> Answer:
    """200: the event is in the ledger. `outcome` is stored, known, ignored or parked."""
    return _ACCEPTED[outcome]


_ACCEPTED: Final = {
    outcome: json_answer(200, {"status": outcome})
    for outcome in ("stored", "known", "ignored", "parked")
}


def refused(status: int, code: str, message: str, **extra: str) -> Answer:
    """An error with a code for programs and one sentence for people; `extra` become headers."""
    return json_answer(status, {"error": {"code": code, "message": message}}, **extra)


def try_later(code: str, message: str) -> Answer:
    """503 with Retry-After: the sender is right and we cannot take it now."""
    return refused(503, code, message, retry_after=str(limits.RETRY_AFTER_SECONDS))


BODY_TOO_LARGE: Final = refused(
    413, "body_too_large", f"Send at most {limits.BODY_BYTES_MAX} bytes; no event is larger."
)


def call_too_large(bytes_max: int) -> Answer:
    """413: the body of a call of the product API has more than `bytes_max`."""
    return refused(
        413, "body_too_large", f"Send at most {bytes_max} bytes; split the batch, if it is one."
    )


API_BODY_TOO_LARGE: Final = call_too_large(call_limits.API_BODY_BYTES_MAX)
BODY_TOO_SLOW: Final = refused(
    408,
    "body_too_slow",
    f"Send the whole body within {limits.BODY_SECONDS_MAX} seconds.",
    connection="close",
)
BODY_BROKEN_OFF: Final = refused(400, "body_broken_off", "The body ended before its declared end.")
NOT_STORED: Final = try_later("not_stored", "The event could not be stored now; send it again.")
FAILED: Final = try_later("failed", "Something went wrong here; send it again later.")
