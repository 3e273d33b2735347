"""Form pairs to checked parameters: nesting, then the types of the installed `stripe/params`.

Pairs such as ("items[0][price]", "price_1") become {"items": [{"price": "price_1"}]}. The check is
stricter than Stripe's: an unknown name, a wrong type, a repeated name and an unknown enum member are
each a 400 that names the parameter. The TypedDicts in `stripe.params` are the newest
machine-readable definition of what each call accepts.
"""

import importlib
import re
import types
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stripe._request_options import RequestOptions
from typing_extensions import is_typeddict  # stripe defines its TypedDicts with these

from ops.sandbox.api_errors import ApiError, bad_parameter
from ops.sandbox.book_tables import Json

# Stripe's deepest parameter is seven names deep; a deeper one is a mistake or an attack.
_DEPTH_MAX = 10
_METADATA_KEYS_MAX = 50
_METADATA_VALUE_CHARS_MAX = 500
_NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_INTEGER = re.compile(r"^-?[0-9]{1,18}$")
_NUMBER = re.compile(r"^-?[0-9]{1,18}(\.[0-9]{1,12})?$")

Pairs = Iterable[tuple[str, str]]


def read_params(pairs: Pairs, definition: str, extra: tuple[str, ...] = ()) -> Json:
    """Return the parameters of one call, checked; raises ApiError (400) naming the first bad one.

    `definition` is "module.Class" inside `stripe.params`; `extra` are dotted names that Stripe
    documents in words only (such as `card.token`) and that are taken as text.
    """
    tree = nest(pairs)
    taken = {name: value for name in extra if (value := _take(tree, name.split("."))) is not None}
    checked = _mapping(tree, _definition(definition), "")
    for name, value in taken.items():
        _put(checked, name.split("."), value)
    return checked


def nest(pairs: Pairs) -> Json:
    """Turn bracketed names into nested dicts; list members are keyed "0", "1" …, in order."""
    tree: Json = {}
    for name, value in pairs:
        match = _NAME.match(name)
        if match is None:
            raise bad_parameter(f"Invalid parameter name: {name[:80]}", name[:80])
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(path) > _DEPTH_MAX:
            raise bad_parameter(f"Parameter nested too deeply: {name[:80]}", name[:80])
        _insert(tree, path, value, name)
    return tree


def _insert(tree: Json, path: list[str], value: str, name: str) -> None:
    node = tree
    for step in path[:-1]:
        node = node.setdefault(step or str(len(node)), {})
        if not isinstance(node, dict):
            raise bad_parameter(f"Parameter given twice: {name}", name)
    last = path[-1] or str(len(node))
    if last in node:
        raise bad_parameter(f"Parameter given twice: {name}", name)
    node[last] = value


def _take(tree: Json, path: list[str]) -> Any:
    for step in path[:-1]:
        tree = tree.get(step, {})
    return tree.pop(path[-1], None) if isinstance(tree, dict) else None


def _put(tree: Json, path: list[str], value: Any) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
    tree[path[-1]] = value


@cache
def _definition(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(f"stripe.params.{module}"), attribute)


@cache
def _hints(definition: Any) -> dict[str, Any]:
    """Return the types of a definition's own fields, nested names resolved."""
    # The legacy classes inherit the request options, which name types that only type checkers
    # import: they are left out before anything is resolved.
    own = {
        name: hint
        for name, hint in definition.__annotations__.items()
        if name not in RequestOptions.__annotations__
    }
    module = importlib.import_module(definition.__module__)
    return get_type_hints(type("Fields", (), {"__annotations__": own}), vars(module))


def _mapping(tree: Any, definition: Any, prefix: str) -> Json:
    if not isinstance(tree, dict):
        raise bad_parameter(f"Invalid object: {prefix}", prefix)
    hints = _hints(definition)
    checked: Json = {}
    for name, value in tree.items():
        full = f"{prefix}[{name}]" if prefix else name
        if name not in hints:
            raise bad_parameter(f"Received unknown parameter: {full}", full, "parameter_unknown")
        checked[name] = _value(value, hints[name], full)
    for name in definition.__required_keys__:
        if name in hints and name not in checked:
            full = f"{prefix}[{name}]" if prefix else name
            raise bad_parameter(f"Missing required param: {full}.", full, "parameter_missing")
    return checked


def _value(value: Any, hint: Any, name: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _one_of(value, _members(hint), name)
    if is_typeddict(hint):
        return _mapping(value, hint, name)
    if origin is list:
        return _sequence(value, get_args(hint)[0], name)
    if origin is dict:
        return _text_map(value, name)
    if not isinstance(value, str):
        raise bad_parameter(f"Invalid value for {name}", name)
    if origin is Literal:
        return _literal(value, get_args(hint), name)
    return _scalar(value, hint, name)


def _members(hint: Any) -> list[Any]:
    """Return the members of a union; an enum of names drops its open `str`, being stricter."""
    members = [m for m in get_args(hint) if get_origin(m) is not None or isinstance(m, type)]
    members = [m for m in members if not _is_stripe_object(m)]
    named = any(get_origin(m) is Literal and get_args(m) != ("",) for m in members)
    return [m for m in members if not (named and m is str)]


def _is_stripe_object(hint: Any) -> bool:
    return getattr(get_origin(hint), "__name__", "") == "UntypedStripeObject"


def _one_of(value: Any, members: list[Any], name: str) -> Any:
    refusal: ApiError | None = None
    for member in members:
        try:
            return _value(value, member, name)
        except ApiError as error:
            # The refusal that goes deepest tells most: prefer the one about a nested name.
            if refusal is None or is_typeddict(member):
                refusal = error
    raise refusal or bad_parameter(f"Invalid value for {name}", name)


def _sequence(value: Any, member: Any, name: str) -> list[Any]:
    if not isinstance(value, dict) or not all(key.isdecimal() for key in value):
        raise bad_parameter(f"Invalid array: {name}", name)
    ordered = sorted(value.items(), key=lambda item: int(item[0]))
    return [_value(item, member, f"{name}[{key}]") for key, item in ordered]


def _text_map(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise bad_parameter(f"Invalid object: {name}", name)
    if len(value) > _METADATA_KEYS_MAX:
        raise bad_parameter(f"{name} can have at most {_METADATA_KEYS_MAX} keys", name)
    if any(len(text) > _METADATA_VALUE_CHARS_MAX for text in value.values()):
        raise bad_parameter(
            f"{name} values can have at most {_METADATA_VALUE_CHARS_MAX} characters", name
        )
    return value


def _literal(value: str, names: tuple[Any, ...], name: str) -> Any:
    for known in names:
        if value == (str(known).lower() if isinstance(known, bool) else str(known)):
            return known
    raise bad_parameter(f"Invalid {name}: must be one of {', '.join(map(str, names))}", name)


def _scalar(value: str, hint: Any, name: str) -> Any:
    if hint is bool:
        return _literal(value, (True, False), name)
    if hint is int:
        if not _INTEGER.match(value):
            code = "parameter_invalid_integer"
            raise bad_parameter(f"Invalid integer: {value[:80]}", name, code)
        return int(value)
    if hint in (float, Decimal) and not _NUMBER.match(value):
        raise bad_parameter(f"Invalid decimal: {value[:80]}", name)
    # Decimals stay text: the sandbox keeps money in integers and only hands decimals back.
    return value
