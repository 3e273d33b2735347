"""What every record of the policy checks when it is born.

A record that holds a wrong type would not fail where it was made but much later, inside a rule, as
a wrong comparison. Each function raises MalformedFactError with one sentence that names the field.
"""

import re


class MalformedFactError(ValueError):
    """A value given to the policy has not the shape that its record demands."""


_CURRENCY = re.compile(r"[a-z]{3}")


def require_text(name: str, value: object, *, optional: bool = False) -> None:
    """A non-empty string; with `optional` also None, which means "not known or not there"."""
    if value is None and optional:
        return
    if not isinstance(value, str) or not value:
        raise MalformedFactError(f"{name} must be a non-empty text, not {value!r}")


#: What a database's 64 bits hold; Stripe's own amounts stay far below it.
COUNT_MAX = 2**63 - 1


def require_count(name: str, value: object, *, optional: bool = False) -> None:
    """An integer from zero to COUNT_MAX (minor units, seconds, counts); True and False are refused."""
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MalformedFactError(f"{name} must be a whole number of zero or more, not {value!r}")
    if value > COUNT_MAX:
        raise MalformedFactError(f"{name} is larger than any count or amount can be")


def require_flag(name: str, value: object) -> None:
    """True or False, nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise MalformedFactError(f"{name} must be true or false, not {value!r}")


def require_currency(name: str, value: object) -> None:
    """Three lower-case letters, the form in which Stripe sends currencies."""
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise MalformedFactError(
            f"{name} must be a currency of three lower-case letters, not {value!r}"
        )


def require_member(name: str, value: object, kind: type) -> None:
    """An instance of `kind`: an enum's member or another record of the policy."""
    if not isinstance(value, kind):
        raise MalformedFactError(f"{name} must be a {kind.__name__}, not {value!r}")
