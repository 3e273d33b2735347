"""Stripe's webhook signature: one check over the raw bytes, with every configured secret.

The header is `t=<unix seconds>,v1=<64 hex digits>[,v1=…][,v0=…]`; the signature is HMAC-SHA256 over
`<t>.<raw body>`, keyed with the whole `whsec_…` string (docs.stripe.com/webhooks#verify-manually).
Only `v1` counts: `v0` exists for test events, and accepting it would be a downgrade. stripe-python's
own check is not used because it takes one secret at a time, lets timestamps from the future pass, and
costs 14 MB of imports; tests/fuzz/signature_differences.py lists every way in which the two differ.
"""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runtime import limits


class Refusal(StrEnum):
    """Why a signature was not accepted; a label for counters and logs, never told to the sender."""

    MISSING = "missing"  # no Stripe-Signature header
    TOO_LONG = "too_long"  # longer, or with more v1 signatures, than Stripe ever sends
    MALFORMED = "malformed"  # not ASCII, no single plain timestamp, or no well-formed v1
    MISMATCH = "mismatch"  # no v1 signature was made with one of our secrets over these bytes
    TOO_OLD = "too_old"  # made with our secret, but outside the window: a replay or a stopped clock
    FROM_FUTURE = (
        "from_future"  # made with our secret, but ahead of our clock by more than the window
    )


class SignatureRefused(Exception):
    """A delivery does not prove that Stripe sent these bytes just now."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(f"signature refused: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A signature that holds: by which secret (index, newest first) and when (unix seconds) made."""

    secret_index: int
    signed_at: int


class SignatureCheck:
    """Verifies deliveries against `secrets`, newest first; several are live while one is rotated."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raise ValueError for no secret, or for one so short that somebody could guess it."""
        if not secrets or any(len(secret) < limits.WEBHOOK_SECRET_CHARS_MIN for secret in secrets):
            raise ValueError(
                "STRIPE_WEBHOOK_SECRETS: each secret needs at least"
                f" {limits.WEBHOOK_SECRET_CHARS_MIN} characters; copy it whole from Stripe"
            )
        self._keys = tuple(secret.encode() for secret in secrets)

    def verify(self, body: bytes, header: str | None, now_seconds: int) -> Verified:
        """Which secret signed `body`, within the window around `now_seconds`; else SignatureRefused."""
        signed_at, signatures = _parse(header)
        signed = b"%d.%b" % (signed_at, body)
        for index, key in enumerate(self._keys):
            expected = hmac.digest(key, signed, "sha256").hex()
            if any(hmac.compare_digest(expected, signature) for signature in signatures):
                _require_recent(signed_at, now_seconds)
                return Verified(secret_index=index, signed_at=signed_at)
        raise SignatureRefused(Refusal.MISMATCH)


def _require_recent(signed_at: int, now_seconds: int) -> None:
    age_seconds = now_seconds - signed_at
    if age_seconds > limits.SIGNATURE_AGE_SECONDS_MAX:
        raise SignatureRefused(Refusal.TOO_OLD)
    if age_seconds < -limits.SIGNATURE_AGE_SECONDS_MAX:
        raise SignatureRefused(Refusal.FROM_FUTURE)


# ASCII digits only: int() would also take signs, blanks, underscores and the digits of other scripts.
# No leading zero, so that the number has one spelling and the signed text can be rebuilt from it.
_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_V1: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _parse(header: str | None) -> tuple[int, list[str]]:
    """The timestamp and the well-formed v1 signatures of a header; raises SignatureRefused."""
    if not header:
        raise SignatureRefused(Refusal.MISSING)
    if len(header) > limits.SIGNATURE_HEADER_CHARS_MAX:
        raise SignatureRefused(Refusal.TOO_LONG)
    times: list[str] = []
    signatures: list[str] = []
    for item in header.split(","):
        name, _, value = item.partition("=")
        if name == "t":
            times.append(value)
        elif name == "v1" and _V1.fullmatch(value):
            signatures.append(value)
    if len(signatures) > limits.SIGNATURES_MAX:
        raise SignatureRefused(Refusal.TOO_LONG)
    if len(times) != 1 or not signatures or not _TIMESTAMP.fullmatch(times[0]):
        raise SignatureRefused(Refusal.MALFORMED)
    return int(times[0]), signatures
