"""What a record of facts is made of, read from its own fields, so that nobody writes it down twice."""

from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True, kw_only=True)
class FactField:
    """One field of a record.

    `kind` is a plain type, an enum or another record; of a list (`many`) that of its items.
    `optional`: null stands for "not known, or not there".
    """

    name: str
    kind: type
    optional: bool
    many: bool


def fact_fields(record: type) -> tuple[FactField, ...]:
    """The fields of a record of the policy, in their order."""
    hints = get_type_hints(record)
    return tuple(_field(field.name, hints[field.name]) for field in fields(record))


def _field(name: str, hint: object) -> FactField:
    arms = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    [kept] = [arm for arm in arms if arm is not NoneType]
    many = get_origin(kept) is tuple
    kind = get_args(kept)[0] if many else get_origin(kept) or kept
    return FactField(name=name, kind=kind, optional=NoneType in arms, many=many)
