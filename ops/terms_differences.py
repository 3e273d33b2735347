"""What differs between two versions of the terms, key by key as their files write them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeAlias

from ops.terms_account import effective_day
from policy.terms_file import Terms

Entry: TypeAlias = bool | int | str | tuple[str, ...]

#: Stands for a word or currency that one of the files has and the other has not.
NOT_THERE: Final = "-"
#: A field of the terms → its key in the file, where the two differ.
_KEYS: Final[Mapping[str, str]] = {"clause_titles": "clauses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One key of both files with its two values."""

    key: str
    one: Entry
    other: Entry


def differences(one: Terms, other: Terms) -> tuple[Difference, ...]:
    """Every key whose values differ, in the order of the file. The versions' names are no difference."""
    # Both have every key of the file's form; words and currencies are each file's own.
    ours, theirs = dict(_terms_entries(one)), dict(_terms_entries(other))
    return tuple(
        Difference(key=key, one=ours.get(key, NOT_THERE), other=theirs.get(key, NOT_THERE))
        for key in {**ours, **theirs}
        if ours.get(key, NOT_THERE) != theirs.get(key, NOT_THERE)
    )


def _terms_entries(terms: Terms) -> Iterator[tuple[str, Entry]]:
    yield "effective", effective_day(terms)
    for field in fields(Terms):
        if field.name not in ("version", "effective"):
            value = getattr(terms, field.name)
            yield from _entries(_KEYS.get(field.name, field.name), value)


def _entries(key: str, value: Any) -> Iterator[tuple[str, Entry]]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _entries(f"{key}.{field.name}", getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _entries(f"{key}.{name}", item)
    else:
        yield key, value
