"""What may be logged: an allow-list of field names, then a scrub by pattern as the second net.

A field that is not on the list is dropped and counted, so a new leak needs a new line here. Texts
(messages, allowed fields, exception texts, also from libraries) then lose whatever looks like a key,
a signature, an e-mail address, a card number or a password in a URL.
"""

import re
from collections.abc import Mapping
from typing import Final

from runtime import limits

JSON = bool | int | float | str | None | list["JSON"] | dict[str, "JSON"]

# Added by the pipeline itself.
_LINE_FIELDS: Final = frozenset({"at", "level", "logger", "message", "pid", "exception", "dropped"})

ALLOWED_FIELDS: Final = _LINE_FIELDS | frozenset(
    {
        # which thing: Stripe's ids and our own, which say nothing about a person by themselves
        *(
            "account",
            "case_id",
            "charge_id",
            "customer_id",
            "decision_id",
            "event_id",
            "event_type",
        ),
        *("intent_id", "invoice_id", "job", "job_id", "lane", "merchant", "object_id"),
        *("operator_id",),
        *("payment_intent_id", "queue", "refund_id", "request_id", "row_id", "run_id", "worker"),
        *("subscription_id",),
        # what happened to it
        *("api_version", "attempt", "cause", "clause", "from_state", "kind", "livemode", "mode"),
        *(
            "note",
            "outcome",
            "reason",
            "scenario",
            "sha256",
            "source",
            "state",
            "terms_version",
            "to_state",
        ),
        *("verdict",),
        # money, exact
        *("amount_minor", "cap_minor", "currency"),
        # how much, how long
        *("age_ms", "age_seconds", "attempts", "bytes", "count", "delay_seconds", "depth"),
        *("duration_ms", "events", "fence", "lease_ms", "limit", "rows"),
        # where
        *(
            "address",
            "dialect",
            "host",
            "method",
            "path",
            "port",
            "process",
            "route",
            "signal",
            "status",
        ),
        # why it failed: names and codes; texts pass the scrub
        *("error", "error_code", "error_type"),
    }
)

_KEY: Final = r"(?:[srp]k_(?:org_)?(?:live|test)_|whsec_|_secret_|rdk_)[A-Za-z0-9_+/=\-]+"
_AUTHORIZATION: Final = r"authorization[\"']?\s*[:=]\s*[^,;\r\n}]+"
_SCHEME: Final = r"\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=\-]+"
_SIGNATURE: Final = r"\bv[01]=[0-9a-f]{32,}"
_URL_LOGIN: Final = r"(?<=://)[^/\s@]{1,256}@"
_EMAIL: Final = (
    r"[A-Za-z0-9._%+'\-]{1,64}(?:@|%40)[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,8}"
)
_SECRETS: Final = re.compile(
    f"(?P<key>{_KEY})|(?P<authorization>{_AUTHORIZATION}|{_SCHEME})|(?P<signature>{_SIGNATURE})"
    f"|(?P<login>{_URL_LOGIN})|(?P<email>{_EMAIL})",
    re.IGNORECASE,
)
# Card numbers in one run or in their printed groups, each judged by its own check digit, so that a
# number beside it does not hide it. They begin with 2 to 6; unix milliseconds begin with 1 and stay.
_CARD: Final = re.compile(
    r"(?<![0-9])(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}(?:[ \-][0-9]{4}){3}|3[0-9]{3}[ \-][0-9]{6}[ \-][0-9]{5})"
    r"(?![0-9])"
)
# Control characters but newline and tab: they could forge or hide lines on a terminal.
_CONTROL: Final = {
    code: None for code in [*range(32), 127, *range(128, 160)] if code not in {9, 10}
}


def redact(fields: Mapping[str, object]) -> dict[str, JSON]:
    """The fields that may be logged, scrubbed; `dropped` counts those that may not, if any."""
    allowed = {name: _clean(value) for name, value in fields.items() if name in ALLOWED_FIELDS}
    dropped = len(fields) - len(allowed)
    return {**allowed, "dropped": dropped} if dropped else allowed


def scrub_text(text: str) -> str:
    """`text` without secrets and control characters, encodable, of bounded length."""
    # Bounded before the patterns run over it, with room for what they take out.
    text = text[: 4 * limits.LOG_STRING_CHARS_MAX]
    text = text.encode("utf-8", "replace").decode().translate(_CONTROL)
    text = _SECRETS.sub(lambda found: f"[{found.lastgroup}]", text)
    text = _CARD.sub(_mask_card, text)
    cut = len(text) - limits.LOG_STRING_CHARS_MAX
    return f"{text[: limits.LOG_STRING_CHARS_MAX]}[{cut} more]" if cut > 0 else text


def without_cards(text: str) -> str:
    """`text` with every card number taken out, and nothing else."""
    return _CARD.sub(_mask_card, text)


def _mask_card(found: re.Match[str]) -> str:
    digits = [int(char) for char in found[0] if char.isdigit()]
    return "[card]" if _luhn(digits) else found[0]


def _luhn(digits: list[int]) -> bool:
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _clean(value: object, levels: int = 6) -> JSON:
    """`value` as scrubbed JSON; objects that are no JSON are named by type, never by their repr."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return _clean_number(value)
    if isinstance(value, str):
        return scrub_text(value)
    if levels and isinstance(value, Mapping):
        return {scrub_text(str(name)): _clean(item, levels - 1) for name, item in value.items()}
    if levels and isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, levels - 1) for item in value]
    return f"<{type(value).__name__}>"


def _clean_number(number: int) -> JSON:
    # As text where the renderer would refuse it (no 64-bit number) or it looks like a card's; unnamed
    # where Python itself refuses to write it out.
    if abs(number) >= 10**30:
        return "<int>"
    text = scrub_text(str(number))
    return number if text == str(number) and abs(number) < 2**63 else text
