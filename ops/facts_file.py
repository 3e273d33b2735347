"""A file of facts for one decision: read within bounds, and completed where a fact may be unknown.

Every error is one sentence that names the file, the key and what to do about it.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast

from ops.fact_fields import FactField, fact_fields
from policy.canonical_json import Json, exact_keys
from policy.checks import MalformedFactError
from policy.duplicate_findings import Finding
from policy.fraud_scores import score_facts_from_json
from policy.fraud_signals import CATEGORIES, COUNTS
from policy.fraud_warnings import WarningFacts, warning_from_json
from policy.payments import Payment, payment_from_json
from policy.request_facts import IntakeField, RequestFacts, request_from_json
from runtime.limits import FACT_NUMBER_MAX, FACTS_FILE_BYTES_MAX, JSON_DEPTH_MAX

#: A value that is refused is told in its error up to this length.
_SHOWN_CHARS_MAX: Final = 80
_SENTENCE_CHARS_MAX: Final = 400

#: What a key that was left out stands for, where null does not.
_ASSUMED: Final[Mapping[tuple[type, str], tuple[str, ...]]] = {
    (RequestFacts, "named"): tuple(field.value for field in IntakeField),
    (RequestFacts, "reasons"): (),
    (Finding, "doubts"): (),
}


class FactsRefused(ValueError):
    """A file of facts cannot be judged; the text names the file, the key and what to do."""


class _Inexact(str):
    """A number that was written with a point, an exponent or a name such as NaN."""

    __slots__ = ()


def read_facts(name: str) -> tuple[dict[str, Json], int]:
    """The facts of the file `name` (`-`: standard input), and when the purchase was made.

    The facts have the form that decisions carry: `{"request": …}`, `{"warning": …}`, `{"fraud": …}` or
    `{"finding": …, "payment": …}`; a file may also hold the request alone. The moment is in unix seconds (UTC). Raises FactsRefused.
    """
    shown = "standard input" if name == "-" else name
    text = _text(name, shown)
    try:
        loaded = _exact(text)
        facts = _completed_facts(loaded)
        return facts, _purchased_at(facts)
    except MalformedFactError as wrong:
        raise FactsRefused(refusal(name, wrong)) from wrong


def refusal(name: str, wrong: MalformedFactError) -> str:
    """The sentence about facts of the file `name` that the policy could not take."""
    shown = "standard input" if name == "-" else name
    sentence = str(wrong)
    if len(sentence) > _SENTENCE_CHARS_MAX:
        sentence = f"{sentence[:_SENTENCE_CHARS_MAX]}…"
    return f"{shown}: {sentence}; `redress policy schema` says what each key of a request holds"


def _text(name: str, shown: str) -> str:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(FACTS_FILE_BYTES_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(FACTS_FILE_BYTES_MAX + 1)
    except OSError as unreadable:
        raise FactsRefused(f"{shown} cannot be read: {unreadable.strerror}") from unreadable
    except ValueError as no_path:
        raise FactsRefused("the name of the file holds a null character") from no_path
    if len(content) > FACTS_FILE_BYTES_MAX:
        raise FactsRefused(
            f"{shown} is larger than {FACTS_FILE_BYTES_MAX} bytes, which no facts of one case are"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as undecodable:
        raise FactsRefused(f"{shown} is no UTF-8 text; save it as UTF-8") from undecodable


def _exact(text: str) -> Any:
    """The value of a JSON text in which every number is whole and every key stands once."""
    try:
        loaded = json.loads(
            text,
            parse_float=_Inexact,
            parse_constant=_Inexact,
            object_pairs_hook=_without_repeats,
        )
    except json.JSONDecodeError as broken:
        raise MalformedFactError(f"it is not JSON: {broken}") from broken
    except RecursionError as nested:
        raise MalformedFactError("it is nested too deeply") from nested
    except MalformedFactError:
        raise
    except ValueError as too_long:  # Python does not read numbers of thousands of digits
        raise MalformedFactError("it holds a number of thousands of digits") from too_long
    _require_bounded("", loaded, JSON_DEPTH_MAX)
    return loaded


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise MalformedFactError(f"the key {key} stands twice; leave one of them out")
        found[key] = value
    return found


def _require_bounded(where: str, value: Any, levels: int) -> None:
    """Refuse, with its place, what is nested deeper than `levels` or cannot be taken exactly."""
    if levels == 0:
        raise MalformedFactError(f"{where} is nested too deeply")
    if isinstance(value, dict):
        inside = [(f"{where}.{key}" if where else key, item) for key, item in value.items()]
    elif isinstance(value, list):
        inside = [(f"{where}[{place}]", item) for place, item in enumerate(value)]
    else:
        _require_exact(where or "it", value)
        return
    for place, item in inside:
        _require_bounded(place, item, levels - 1)


def _require_exact(where: str, value: Any) -> None:
    if isinstance(value, _Inexact):
        raise MalformedFactError(f"{where} is {value}; write a whole number")
    if isinstance(value, int) and abs(value) > FACT_NUMBER_MAX:
        raise MalformedFactError(f"{where} is too large; the most is {FACT_NUMBER_MAX}")
    if isinstance(value, str) and not _is_text(value):
        raise MalformedFactError(f"{where} is no text: it holds half a character")


def _is_text(value: str) -> bool:
    """Whether it can be written out: JSON may name one half of a character that needs two."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _completed_facts(loaded: Any) -> dict[str, Json]:
    if not isinstance(loaded, dict):
        raise MalformedFactError("it must hold a JSON object")
    if "finding" in loaded:
        facts = exact_keys(loaded, "the file", ("finding", "payment"))
        return {
            "finding": _completed(facts["finding"], Finding, "finding"),
            "payment": _completed(facts["payment"], Payment, "payment"),
        }
    if "warning" in loaded:
        facts = exact_keys(loaded, "the file", ("warning",))
        return {"warning": _completed(facts["warning"], WarningFacts, "warning")}
    if "fraud" in loaded:
        facts = exact_keys(loaded, "the file", ("fraud",))
        return {"fraud": _completed_fraud(facts["fraud"])}
    request = loaded
    if "request" in loaded:
        request = exact_keys(loaded, "the file", ("request",))["request"]
    return {"request": _completed(request, RequestFacts, "request")}


def _completed_fraud(value: Any) -> Any:
    """Signals that were left out are not known, and weigh nothing."""
    if not isinstance(value, dict):
        return value
    full = {"exempt": None, **value}
    if isinstance(signals := full.get("signals"), dict):
        full["signals"] = {**dict.fromkeys((*CATEGORIES, *COUNTS)), **signals}
    if "payment" in full:
        full["payment"] = _completed(full["payment"], Payment, "fraud.payment")
    return full


def _completed(value: Any, record: type, where: str) -> Any:
    """`value` with every key that may be left out; anything but an object as it is."""
    if not isinstance(value, dict):
        return value
    full = dict(value)
    for part in fact_fields(record):
        if (record, part.name) in _ASSUMED:
            full.setdefault(part.name, list(_ASSUMED[record, part.name]))
        elif part.optional:
            full.setdefault(part.name, None)
        if part.name not in full:
            continue
        place = f"{where}.{part.name}"
        if issubclass(part.kind, Enum):
            _require_members(full[part.name], part, place)
        elif is_dataclass(part.kind):
            full[part.name] = _completed(full[part.name], part.kind, place)
    return full


def _require_members(value: Any, part: FactField, where: str) -> None:
    """Refuse what is no member of the field's enum, and say what could stand there."""
    if value is None and part.optional:
        return
    members = [member.value for member in cast("type[Enum]", part.kind)]
    for item in value if part.many and isinstance(value, list) else [value]:
        if item not in members:
            raise MalformedFactError(
                f"{where} is {_shown(item)}, but must be one of: {', '.join(members)}"
            )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:_SHOWN_CHARS_MAX]}…"


def _purchased_at(facts: Mapping[str, Json]) -> int:
    if "request" in facts:
        return request_from_json(facts["request"]).payment.created
    if "fraud" in facts:
        return score_facts_from_json(facts["fraud"]).payment.created
    if "warning" in facts:
        return warning_from_json(facts["warning"]).payment.created
    return payment_from_json(facts["payment"]).created
