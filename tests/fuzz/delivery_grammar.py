"""Deliveries as an attacker, a broken proxy or a strange Stripe would send them.

`delivery` reads one out of bytes: an event of a real shape with changes in its structure, or with
changed bytes, or bytes as they are; signed honestly or not. Two kinds take the bytes as they come, so
that a coverage-guided mutator can work on the JSON itself.
"""

import copy
import json
from dataclasses import dataclass

from tests.fuzz.byte_mutations import mutated
from tests.fuzz.choices import Choices
from tests.fuzz.hostile_values import CURRENCIES, NUMBERS, RAW, TEXTS, hostile
from tests.webhooks.signed_events import FOREIGN_SECRET, OLD_SECRET, SECRET, sign

#: What the first byte of an input names; `SIGNED_BYTES` and `ANY_BYTES` take the rest as it is.
KINDS = ("event", "event", "event", "event", "event bytes", "signed bytes", "header", "any bytes")
SIGNED_BYTES = bytes([KINDS.index("signed bytes")])
ANY_BYTES = bytes([KINDS.index("any bytes")])

_API_VERSIONS = (
    *("2026-10-28.endive", "2025-03-31.basil", "2024-06-20", "2011-01-01", "2031-01-01.zebra"),
    *("2026-10-28.endive.preview", ".", "..", "x.acacia", None, "", 3, "2026-10-28.endive\n"),
)
_TYPES = ("v2.core.account[requirements].updated", "charge.*", "charge.unheard_of", "", None, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One delivery; `honest` if its header is by one of our secrets, over these bytes, just now."""

    body: bytes
    header: str
    honest: bool


def delivery(data: bytes, shapes: dict[str, dict], now: int) -> Sent:
    """The delivery that `data` stands for."""
    choices = Choices(data)
    kind = choices.pick(KINDS)
    if kind == "any bytes":
        header, _, body = choices.rest().partition(b"\n")
        return Sent(body=body, header=header.decode("latin-1"), honest=False)
    if kind == "signed bytes":
        return _signed(choices.rest(), now)
    body = written(choices, changed_event(choices, shapes))
    if kind == "event bytes":
        return _signed(mutated(choices, body, 1 + choices.below(4)), now)
    if kind == "header":
        return Sent(body=body, header=_strange_header(choices, body, now), honest=False)
    return _signed(body, now)


def changed_event(choices: Choices, shapes: dict[str, dict]) -> dict:
    """A real event, new to the ledger, with up to three changes in its structure."""
    charges = [shape for name, shape in shapes.items() if name.startswith("charge.")]
    # Half of them about charges: those are compared, and money hangs on them.
    shape = choices.pick((choices.pick(charges), choices.pick(tuple(shapes.values()))))
    event = copy.deepcopy(shape) | {"id": "evt_hostile"}
    event["created"] += choices.pick((5, 5, 5, 0, -5))  # newer than what is known, as new, or late
    ids = _ids(shapes)
    for _ in range(choices.below(4)):
        choices.pick(_CHANGES)(choices, event, ids)
    return event


def written(choices: Choices, event: object) -> bytes:
    """The event as JSON, indented as Stripe's or otherwise, with its raw places filled in."""
    style = choices.below(4)
    text = json.dumps(
        event,
        indent=2 if style in (0, 1) else None,
        separators=(",", ":") if style == 2 else None,
        ensure_ascii=style != 3,
    )
    body = text.encode("utf-8", "surrogatepass")
    for mark, raw in RAW.items():
        body = body.replace(f'"{mark}"'.encode(), raw)
    return body.replace(b'"@again-', b'"')  # a key that stands twice


def _signed(body: bytes, now: int) -> Sent:
    return Sent(body=body, header=sign(body, now), honest=True)


def _strange_header(choices: Choices, body: bytes, now: int) -> str:
    at = now + choices.pick((0, 1, -299, 300, 301, -301, 3600, 94_608_000))
    secrets = choices.pick(
        ((SECRET,), (OLD_SECRET,), (FOREIGN_SECRET,), (FOREIGN_SECRET, SECRET), (SECRET,) * 17)
    )
    header = sign(mutated(choices, body, choices.below(2)), at, *secrets)
    respelt = choices.pick(
        (
            header,
            header.replace("v1=", "v0="),
            header.replace("t=", "t=0"),
            header.replace("t=", f"t={now},t="),
            header.upper(),
            "",
            header + "," * 3000,
            header.replace(",", ", "),
        )
    )
    return mutated(choices, respelt.encode(), choices.below(3)).decode("latin-1")


def _ids(shapes: dict[str, dict]) -> tuple[str, ...]:
    """The ids of every object that the shapes show."""
    found = {event["data"]["object"]["id"] for event in shapes.values()}
    found |= {event["id"] for event in shapes.values()}
    return tuple(sorted(found))


def _place(choices: Choices, event: dict) -> tuple[dict | list, object]:
    """A container in the event and one of its keys, more often near the object's top."""
    holder: dict | list = event
    if choices.below(8) and isinstance(event.get("data"), dict):
        holder = event["data"].get("object") or event
    if not isinstance(holder, dict | list) or not holder:
        holder = event
    while True:
        keys = tuple(holder) if isinstance(holder, dict) else tuple(range(len(holder)))
        key = choices.pick(keys)
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or not choices.below(2):
            return holder, key
        holder = inner


def _set_value(choices: Choices, event: dict, _ids: tuple[str, ...]) -> None:
    holder, key = _place(choices, event)
    holder[key] = hostile(choices)


def _take_out(choices: Choices, event: dict, _ids: tuple[str, ...]) -> None:
    holder, key = _place(choices, event)
    if len(event) > 1:
        del holder[key]


def _set_number(choices: Choices, event: dict, _ids: tuple[str, ...]) -> None:
    holder, key = _place(choices, event)
    for _ in range(8):  # look for one: most fields are no numbers
        if isinstance(holder[key], int) and not isinstance(holder[key], bool):
            break
        holder, key = _place(choices, event)
    holder[key] = choices.pick(NUMBERS)


def _set_id(choices: Choices, event: dict, ids: tuple[str, ...]) -> None:
    holder, key = _place(choices, event)
    for _ in range(8):
        if isinstance(holder[key], str) and "_" in holder[key]:
            break
        holder, key = _place(choices, event)
    known = choices.pick(ids)
    holder[key] = choices.pick((known, {"id": known}, known + "é", known.upper(), " " + known))


def _add(choices: Choices, event: dict, _ids: tuple[str, ...]) -> None:
    holder, _ = _place(choices, event)
    if isinstance(holder, dict):
        holder[choices.pick(TEXTS)] = hostile(choices)
    else:
        holder.append(hostile(choices))


def _repeat(choices: Choices, event: dict, _ids: tuple[str, ...]) -> None:
    holder, key = _place(choices, event)
    if isinstance(holder, dict):
        holder[f"@again-{key}"] = choices.pick((holder[key], hostile(choices)))


def _envelope(choices: Choices, event: dict, ids: tuple[str, ...]) -> None:
    name, values = choices.pick(
        (
            ("api_version", _API_VERSIONS),
            ("type", _TYPES),
            ("created", NUMBERS),
            ("livemode", (True, None, 0, "false")),
            ("account", TEXTS),
            ("context", TEXTS),
            ("id", (*TEXTS, *ids)),
            ("object", ("v2.core.event", "charge", None, 1)),
            ("data", (None, [], {}, {"object": None}, {"object": []}, {"object": {}}, "x", 7)),
        )
    )
    event[name] = choices.pick(values)


def _thin(choices: Choices, event: dict, _ids: tuple[str, ...]) -> None:
    about = event.pop("data", None)
    event |= {
        "object": "v2.core.event",
        "created": choices.pick(("2026-01-01T12:00:00Z", "2026-13-01T12:00:00Z", 7, "x")),
        "related_object": choices.pick(({"id": "ch_1"}, None, {"id": 7}, [], about)),
    }


def _money(choices: Choices, event: dict, _ids: tuple[str, ...]) -> None:
    data = event.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    if isinstance(about, dict):
        name, values = choices.pick(
            (("currency", CURRENCIES), ("amount", NUMBERS), ("created", NUMBERS), ("status", TEXTS))
        )
        about[name] = choices.pick(values)


_CHANGES = (
    *(_set_value, _set_value, _set_value, _set_number, _set_number, _set_id, _set_id, _set_id),
    *(_take_out, _money, _money, _money, _add, _repeat, _envelope, _thin),
)
