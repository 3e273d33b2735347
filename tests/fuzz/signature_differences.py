"""Where our signature check and stripe-python's answer differently: each kind, and why it is meant so.

Of a blank secret, which older releases of stripe-python took, and of capital hex digits both say no:
those are no differences (checked with stripe-python 16.1).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from runtime import limits
from tests.fuzz.signature_grammar import NOW, SignedCase

_DIGITS = re.compile(r"[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One kind of delivery that only one of the two accepts."""

    name: str
    reason: str
    ours_accepts: bool
    applies: Callable[[SignedCase], bool]


def difference(case: SignedCase, *, ours_accepts: bool) -> Difference | None:
    """The first listed kind that a disagreement is of; None when it is of none."""
    return next(
        (
            listed
            for listed in DIFFERENCES
            if listed.ours_accepts is ours_accepts and listed.applies(case)
        ),
        None,
    )


def _stricter(name: str, reason: str, applies: Callable[[SignedCase], bool]) -> Difference:
    return Difference(name=name, reason=reason, ours_accepts=False, applies=applies)


def _wider(name: str, reason: str, applies: Callable[[SignedCase], bool]) -> Difference:
    return Difference(name=name, reason=reason, ours_accepts=True, applies=applies)


def _time(case: SignedCase) -> str:
    """The first timestamp as stripe-python cuts it out."""
    return case.times[0].split("=")[0]


def _is_no_utf8(case: SignedCase) -> bool:
    try:
        case.body.decode()
    except UnicodeDecodeError:
        return True
    return False


DIFFERENCES = (
    _stricter(
        "a secret under 16 characters",
        "somebody could guess it; the check is not even built",
        lambda case: any(len(secret) < limits.WEBHOOK_SECRET_CHARS_MIN for secret in case.secrets),
    ),
    _stricter(
        "a header over 2,048 characters",
        "Stripe's are under 1,200; a longer one costs work for nothing",
        lambda case: len(case.header) > limits.SIGNATURE_HEADER_CHARS_MAX,
    ),
    _stricter(
        "more than 16 signatures",
        "Stripe signs once per live secret; each costs a comparison",
        lambda case: len(case.signatures) > limits.SIGNATURES_MAX,
    ),
    _stricter(
        "several timestamps",
        "which of them was signed must not be a matter of taste",
        lambda case: sum(item.partition("=")[0] == "t" for item in case.header.split(",")) > 1,
    ),
    _stricter(
        "more behind a second equals sign",
        "stripe-python cuts it off; nobody signed it and nobody sends it",
        lambda case: any("=" in value for value in (*case.times, *case.signatures)),
    ),
    _stricter(
        "a timestamp with leading zeros",
        "the number has one spelling, so that what was signed can be rebuilt from it",
        lambda case: _DIGITS.fullmatch(_time(case)) is not None and _time(case).startswith("0"),
    ),
    _stricter(
        "a timestamp with a plus sign", "as above", lambda case: _time(case).strip().startswith("+")
    ),
    _stricter(
        "blanks around a timestamp", "as above", lambda case: _time(case) != _time(case).strip()
    ),
    _stricter("underscores in a timestamp", "as above", lambda case: "_" in _time(case)),
    _stricter(
        "a timestamp in digits of another script",
        "as above",
        lambda case: not _time(case).isascii(),
    ),
    _stricter(
        "a timestamp ahead of our clock",
        "it would stay open to replay for as long as it is ahead (stripe-python tests one side)",
        lambda case: int(_time(case)) > NOW + limits.SIGNATURE_AGE_SECONDS_MAX,
    ),
    _wider(
        "signed with an older secret",
        "all configured secrets count while one is rotated; stripe-python is asked with the newest",
        lambda case: any(secret in case.secrets[1:] for secret, _, _ in case.signed),
    ),
    _wider(
        "a body that is no UTF-8",
        "signed bytes are bytes: it is kept and parked, where stripe-python raises UnicodeDecodeError",
        _is_no_utf8,
    ),
    _wider(
        "an item v1 without a value",
        "an item that is not understood is passed over; stripe-python gives the header up",
        lambda case: "v1" in case.header.split(","),
    ),
    _wider(
        "a signature with other than ASCII beside a good one",
        "as above; stripe-python raises TypeError",
        lambda case: any(not value.isascii() for value in case.signatures),
    ),
    _wider(
        "a secret of blanks",
        "settings refuse it before: a secret begins with whsec_",
        lambda case: any(not secret.strip() for secret in case.secrets),
    ),
)
