"""JSON in one form only: sorted keys, no spaces, no floats, no repeated keys.

Two equal values always give the same bytes, so decisions can be hashed, compared and told apart by
their text. Floats are refused in both directions: an amount that passed through one is not exact.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from policy.checks import MalformedFactError

JsonScalar: TypeAlias = bool | int | str | None
Json: TypeAlias = "JsonScalar | Sequence[Json] | Mapping[str, Json]"


def dump_canonical(value: Json) -> str:
    """The canonical text of `value`; MalformedFactError when it holds anything that `Json` does not."""
    require_json("value", value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load_strict(text: str) -> Json:
    """The value of a JSON text; MalformedFactError for floats, NaN, repeated keys or broken JSON."""
    loaded: Json = json.loads(
        text,
        parse_float=_refuse_number,
        parse_constant=_refuse_number,
        object_pairs_hook=_object_without_repeats,
    )
    return loaded


def exact_keys(value: Json, where: str, names: Sequence[str]) -> dict[str, Any]:
    """The object `value` as a dict when it has the keys `names`, all of them and no other.

    The values are untyped here because the record that is built from them checks them at birth.
    """
    if not isinstance(value, Mapping):
        raise MalformedFactError(f"{where} must be an object, not {value!r}")
    unknown = sorted(set(value) - set(names))
    missing = sorted(set(names) - set(value))
    if unknown:
        raise MalformedFactError(f"{where} has unknown keys: {', '.join(unknown)}")
    if missing:
        raise MalformedFactError(f"{where} lacks keys: {', '.join(missing)}")
    return dict(value)


def array(value: Json, where: str) -> list[Any]:
    """`value` as a list, its items unchecked; MalformedFactError when it is anything else, a text included."""
    if not isinstance(value, list):
        raise MalformedFactError(f"{where} must be a list, not {value!r}")
    return value


def require_json(where: str, value: object) -> None:
    """Refuse values that do not survive a round trip: floats, tuples, sets, keys that are no text.

    Raises MalformedFactError naming the place, such as `facts.payment.created`.
    """
    if value is None or isinstance(value, bool | int | str):
        return
    if isinstance(value, list):
        for position, item in enumerate(value):
            require_json(f"{where}[{position}]", item)
        return
    if not isinstance(value, dict):
        raise MalformedFactError(f"{where} holds {value!r}, which is not exact JSON")
    for key, item in value.items():
        if not isinstance(key, str):
            raise MalformedFactError(f"{where} has the key {key!r}, which is no text")
        require_json(f"{where}.{key}", item)


def _refuse_number(text: str) -> NoReturn:
    raise MalformedFactError(f"the number {text} is not exact; only whole numbers are read")


def _object_without_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedFactError("an object repeats one of its keys")
    return fields
