"""Answers of the sandbox's API: their headers, who may have them, and how faults spoil them."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ops.sandbox import api_errors
from ops.sandbox import faults as faulting
from ops.sandbox.faults import Fault

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer: status, headers, JSON body as bytes.

    `validation` marks a refusal before execution began, which no idempotency key remembers.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    validation: bool = False

    def json(self) -> Any:
        """Return the body as JSON."""
        return orjson.loads(self.body)


def check_authorization(headers: Mapping[str, str]) -> None:
    """Raise a 401 unless an sk_test_… key comes as Bearer or as the user of Basic."""
    given = header(headers, "authorization") or ""
    scheme, _, value = given.partition(" ")
    key = value.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode("ascii").partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if key.startswith(("sk_live_", "rk_live_")):
        raise api_errors.unauthorized("A live key was given to the sandbox: use an sk_test_ key.")
    if not key.startswith(("sk_test_", "rk_test_")):
        raise api_errors.unauthorized(
            "You did not provide an API key: use 'Authorization: Bearer sk_test_…'."
        )


def lose_early(fault: Fault | None) -> None:
    """Raise the exception of a fault that loses the request before anything is done."""
    if fault is None:
        return
    if fault.kind == "reset" and not fault.executed:
        raise faulting.ConnectionBroken
    if fault.kind == "timeout_before":
        raise faulting.TimedOutBefore(fault.seconds)


def refuse_early(fault: Fault | None, key: str | None) -> None:
    """Raise the error of a fault that strikes before execution."""
    if fault is None:
        return
    if fault.kind == "429":
        raise api_errors.rate_limited()
    if fault.kind in ("500", "503"):
        raise api_errors.server_error(int(fault.kind))
    if fault.kind == "409":
        raise api_errors.key_in_use(str(key))


def spoil(answer: Answer, fault: Fault | None) -> Answer:
    """Return the answer as a fault leaves it, or raise the exception of an answer that never comes."""
    if fault is None:
        return answer
    if fault.kind == "timeout_after":
        raise faulting.TimedOutAfter(fault.seconds)
    if fault.kind == "reset":
        raise faulting.ConnectionBroken
    if fault.kind == "stall_seconds":
        raise faulting.StalledAnswer(fault.seconds, answer)
    if fault.kind == "truncated_json":
        half = answer.body[: len(answer.body) // 2]
        return Answer(status=answer.status, headers=answer.headers, body=half)
    if fault.kind == "other_currency" and answer.status == 200:  # noqa: PLR2004 - HTTP's own number
        body = answer.json()
        if "currency" in body:
            body["currency"] = "jpy" if body["currency"] != "jpy" else "usd"
        return Answer(status=200, headers=answer.headers, body=orjson.dumps(body))
    return answer


def fingerprint_of(method: str, path: str, pairs: Pairs) -> str:
    """Return a hash of what an idempotency key was used for: method, path and sorted parameters."""
    text = orjson.dumps([method, path, sorted(map(list, pairs))])
    return hashlib.sha256(text).hexdigest()


def headers_of(request_id: str) -> dict[str, str]:
    """Return the headers of an answer; controls have no request id."""
    headers = {"Content-Type": "application/json"}
    return headers | {"Request-Id": request_id} if request_id else headers


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header by its lower-case name, however the caller spelt it."""
    direct = headers.get(name)
    if direct is not None:
        return direct
    return next((value for key, value in headers.items() if key.lower() == name), None)
