"""A verified body becomes one row for the inbox, within bounds, whatever is in it.

The signature says who sent the bytes, not that they can be worked with: 2^64 becomes a float, a NUL
breaks PostgreSQL, a repeated key means two things. Whatever the workers could trip over is parked
here with its raw bytes and the reason, and answered 200, because sending it again cannot help.

Measured with orjson 3.13: it refuses NaN, lone surrogates, raw control characters, bad UTF-8, byte
order marks, numbers beyond a double and more than 1,024 levels; it keeps the last of repeated keys,
turns integers from 2^64 on into floats and lets an escaped NUL pass. Those three are checked here,
and integers from 2^63 on, which no database column holds.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import orjson

from ledger.event_types import HANDLED
from ledger.events import NewEvent
from ledger.states import EventState
from runtime import limits
from runtime.settings import Settings


class Unreadable(Exception):
    """The sender is verified, but the body is no event that we can store by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Whose events this process serves: Stripe's mode, and the account besides our own ("")."""

    livemode: bool
    account: str | None

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """What these settings serve."""
        return cls(livemode=settings.livemode, account=settings.served_account)


def parse_event(body: bytes, expected: Expected, source: str = "delivery") -> NewEvent:
    """The row for a verified `body`: new, ignored (type not handled) or parked. Never raises.

    `source` is delivery, poll or import.
    """
    try:
        return _event(body, _load(body), expected, source)
    except Unreadable as error:
        return unreadable_event(body, source, str(error))
    except Exception as error:  # noqa: BLE001 -- an unforeseen body must be kept, not retried for days
        return unreadable_event(body, source, f"the parser failed: {type(error).__name__}")


def unreadable_event(body: bytes, source: str, note: str) -> NewEvent:
    """The row that keeps a verified body which is no event: parked under the hash of its bytes."""
    sha256 = hashlib.sha256(body).hexdigest()
    return NewEvent(
        event_id=f"unreadable:{sha256}",
        account="",
        livemode=False,
        type="",
        kind="unreadable",
        api_version=None,
        object_id=None,
        lane=f"unreadable:{sha256}",
        created=0,
        payload=body,
        sha256=sha256,
        source=source,
        state=EventState.PARKED,
        note=note,
    )


def _event(body: bytes, fields: dict[str, Any], expected: Expected, source: str) -> NewEvent:
    thin = fields.get("object") == "v2.core.event"
    event_id = _text(fields, "id", _EVENT_ID)
    event_type = _text(fields, "type", _NAME)
    livemode = fields.get("livemode")
    if not isinstance(livemode, bool):
        raise Unreadable("livemode is neither true nor false")
    foreign = _account(fields, expected)
    about = _related(fields) if thin else _object(fields)
    object_id = _optional_text(about, "id", _NAME)
    state, note = _standing(event_type, thin, livemode, foreign, expected)
    return NewEvent(
        event_id=event_id,
        account=foreign,
        livemode=livemode,
        type=event_type,
        kind="thin" if thin else "snapshot",
        api_version=_optional_text(fields, "api_version", _NAME),
        object_id=object_id,
        lane=_lane(about) or object_id or event_id,
        created=_created(fields.get("created"), thin),
        payload=body,
        sha256=hashlib.sha256(body).hexdigest(),
        source=source,
        state=state,
        note=note,
    )


def _standing(
    event_type: str, thin: bool, livemode: bool, foreign: str, expected: Expected
) -> tuple[EventState, str | None]:
    """Whether the workers should see the event, and if not, why."""
    if livemode is not expected.livemode:
        modes = {True: "live", False: "test"}
        return EventState.PARKED, (
            f"the event is of {modes[livemode]} mode, this process serves"
            f" {modes[expected.livemode]} mode"
        )
    if foreign:
        own = expected.account or "no other account"
        return EventState.PARKED, f"the event is of account {foreign}, this process serves {own}"
    if thin:
        return EventState.PARKED, "thin events are kept until they are handled"
    if event_type not in HANDLED:
        return EventState.IGNORED, f"events of type {event_type} are not handled"
    return EventState.NEW, None


def _account(fields: dict[str, Any], expected: Expected) -> str:
    """The account an event is of, "" for ours: Connect names it `account`, Organizations `context`."""
    for name in ("account", "context"):
        account = _optional_text(fields, name, _NAME)
        if account and account != expected.account:
            return account
    return ""


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    data = fields.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    if not isinstance(about, dict):
        raise Unreadable("data.object is not an object")
    return about


def _related(fields: dict[str, Any]) -> dict[str, Any]:
    related = fields.get("related_object")
    return related if isinstance(related, dict) else {}  # some thin events are about nothing


def _lane(about: dict[str, Any]) -> str | None:
    for name in ("customer", "payment_intent", "charge"):
        value = about.get(name)
        if isinstance(value, dict):  # an expanded object stands where its id would
            value = value.get("id")
        if (
            isinstance(value, str)
            and len(value) <= limits.EVENT_ID_CHARS_MAX  # longer ones break PostgreSQL's index
            and _NAME.fullmatch(value)
        ):
            return value
    return None


_ISO_SECONDS: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


def _created(value: object, thin: bool) -> int:
    """Unix seconds: an integer in snapshot events, an ISO text in thin ones."""
    if thin and isinstance(value, str) and _ISO_SECONDS.fullmatch(value):
        value = int(datetime.fromisoformat(value).timestamp())
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _SECONDS_MAX:
        raise Unreadable("created is not a number of seconds between 0 and 2^53")
    return value


# Beyond this a double no longer holds every integer, so a reader in another language would err.
_SECONDS_MAX: Final = 2**53
_EVENT_ID: Final = re.compile(r"evt_[A-Za-z0-9_]+", re.ASCII)
# Printable ASCII without blanks: ids, types (v2 ones have brackets) and API versions.
_NAME: Final = re.compile(r"[!-~]+", re.ASCII)


def _text(fields: dict[str, Any], name: str, shape: re.Pattern[str]) -> str:
    value = fields.get(name)
    if (
        isinstance(value, str)
        and len(value) <= limits.EVENT_ID_CHARS_MAX
        and shape.fullmatch(value)
    ):
        return value
    raise Unreadable(f"{name} is missing or not of the shape that Stripe gives it")


def _optional_text(fields: dict[str, Any], name: str, shape: re.Pattern[str]) -> str | None:
    return None if fields.get(name) is None else _text(fields, name, shape)


def _load(body: bytes) -> dict[str, Any]:
    """The body's top-level object; raises Unreadable for what must not reach the workers."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON that we accept: {error.msg}") from None
    if not isinstance(fields, dict):
        raise Unreadable("the body is not a JSON object")
    _require_shallow(body, fields)
    if b"\\u0000" in body and any("\x00" in text for text in _texts(fields)):
        raise Unreadable("a text holds a NUL character, which PostgreSQL cannot store")
    if not _survives_round_trip(body, fields):
        _require_exact(body)
    return fields


def _require_shallow(body: bytes, fields: dict[str, Any]) -> None:
    if body.count(b"{") + body.count(b"[") <= limits.JSON_DEPTH_MAX:
        return  # fewer brackets than levels: no need to walk
    level: list[Any] = [fields]
    for _ in range(limits.JSON_DEPTH_MAX):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise Unreadable(f"nested deeper than {limits.JSON_DEPTH_MAX} levels")


def _children(parent: Any) -> Iterator[Any]:
    members = parent.values() if isinstance(parent, dict) else parent
    return (member for member in members if isinstance(member, dict | list))


def _texts(parent: Any) -> Iterator[str]:
    """Every text of a document whose depth is known to be bounded, keys included."""
    if isinstance(parent, str):
        yield parent
    elif isinstance(parent, dict):
        for key, value in parent.items():
            yield key
            yield from _texts(value)
    elif isinstance(parent, list):
        for member in parent:
            yield from _texts(member)


def _survives_round_trip(body: bytes, fields: dict[str, Any]) -> bool:
    """Whether writing what was read gives the same text again, blanks aside.

    Then no repeated key was dropped and no number was rounded, on any level, for 5 µs instead of the
    60 µs of a parser with hooks. Bodies with escapes or numbers like 1.10 fail this without fault.
    """
    # Stripe indents by two, our sandbox may not; 53 bits are enough to be sure of an integer.
    indent = orjson.OPT_INDENT_2 if body.startswith(b"{\n") else 0
    try:
        written = orjson.dumps(fields, option=orjson.OPT_STRICT_INTEGER | indent)
    except orjson.JSONEncodeError:
        return False
    return written == body or written.translate(None, _BLANKS) == body.translate(None, _BLANKS)


_BLANKS: Final = b" \t\r\n"


def _require_exact(body: bytes) -> None:
    """Raise Unreadable for a repeated key or an integer of more than 64 bits, by a slower reading."""

    def members(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) != len(pairs):
            raise Unreadable("a key is repeated within one object")

    def integer(digits: str) -> None:
        if len(digits) > _INT64_CHARS_MAX or not -(2**63) <= int(digits) < 2**63:
            raise Unreadable("a number does not fit 64 bits")

    json.loads(body, object_pairs_hook=members, parse_int=integer)


_INT64_CHARS_MAX: Final = 20
