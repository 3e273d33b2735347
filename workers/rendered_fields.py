"""Reads typed fields out of one of Stripe's JSON objects, or says which field cannot be read."""

import re
from collections.abc import Mapping
from typing import Any

from runtime.limits import STRIPE_TEXT_CHARS_MAX

#: 2^53: past it Stripe's own JSON is no exact whole number any more.
WHOLE_NUMBER_MAX = 2**53
_CURRENCY = re.compile(r"[A-Za-z]{3}")


class UnreadableRendering(Exception):
    """A rendering of one of Stripe's objects lacks a field that is read, or holds another type."""


class RenderedFields:
    """One JSON object of Stripe's. Each method reads one field; `where` names the object in errors."""

    def __init__(self, rendered: object, where: str) -> None:
        if not isinstance(rendered, Mapping):
            raise UnreadableRendering(f"{where} must be an object")
        self._rendered: Mapping[str, Any] = rendered
        self._where = where

    def text(self, name: str) -> str:
        """A text that must be there and not be empty."""
        found = self.text_or_none(name)
        if found is None:
            raise self._error(name, "must be a text")
        return found

    def text_or_none(self, name: str) -> str | None:
        """A text; None when it is missing, null or empty."""
        found = self._rendered.get(name)
        if found is None or found == "":
            return None
        if not isinstance(found, str) or "\x00" in found:
            raise self._error(name, "must be a text or null")
        if len(found) > STRIPE_TEXT_CHARS_MAX:
            raise self._error(name, f"must have at most {STRIPE_TEXT_CHARS_MAX} characters")
        return found

    def reference(self, name: str) -> str | None:
        """The id of another object, whether it stands here as an id or expanded; None when missing."""
        found = self._rendered.get(name)
        if isinstance(found, Mapping):
            return RenderedFields(found, f"{self._where}.{name}").text("id")
        return self.text_or_none(name)

    def amount(self, name: str) -> int:
        """Money in minor units: a whole number, zero or more."""
        return self.whole(name)

    def amount_or(self, name: str, otherwise: int) -> int:
        """Money in minor units, or `otherwise` when it is missing or null."""
        return otherwise if self._rendered.get(name) is None else self.amount(name)

    def currency(self, name: str) -> str:
        """A currency in lower case: what is stored must be fit for the policy, which takes no other."""
        found = self.text(name)
        if not _CURRENCY.fullmatch(found):
            raise self._error(name, "must be a currency of three letters")
        return found.lower()

    def whole(self, name: str) -> int:
        """A whole number, zero or more: Stripe's times and quantities are never negative."""
        found = self._rendered.get(name)
        if not isinstance(found, int) or isinstance(found, bool):
            raise self._error(name, "must be a whole number")
        if not 0 <= found <= WHOLE_NUMBER_MAX:
            raise self._error(name, "must be a whole number from 0 to 2^53")
        return found

    def signed(self, name: str) -> int:
        """Money in minor units that may stand on either side: a line's amount, a total, a balance."""
        found = self._rendered.get(name)
        if not isinstance(found, int) or isinstance(found, bool):
            raise self._error(name, "must be a whole number")
        if abs(found) > WHOLE_NUMBER_MAX:
            raise self._error(name, "must be a whole number from -2^53 to 2^53")
        return found

    def whole_or_none(self, name: str) -> int | None:
        """A whole number; None when it is missing or null."""
        return None if self._rendered.get(name) is None else self.whole(name)

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        """A truth value; `otherwise` when it is missing or null."""
        found = self._rendered.get(name)
        if found is None:
            return otherwise
        if not isinstance(found, bool):
            raise self._error(name, "must be true or false")
        return found

    def part(self, name: str) -> "RenderedFields":
        """A nested object; an empty one when it is missing or null."""
        return RenderedFields(self._rendered.get(name) or {}, f"{self._where}.{name}")

    def parts(self, name: str) -> list["RenderedFields"]:
        """A list of nested objects; empty when it is missing or null."""
        found = self._rendered.get(name) or []
        if not isinstance(found, list):
            raise self._error(name, "must be a list")
        return [
            RenderedFields(part, f"{self._where}.{name}[{position}]")
            for position, part in enumerate(found)
        ]

    def raw(self, name: str) -> object:
        """What stands in the field, as it is; None when it is missing."""
        return self._rendered.get(name)

    def first_text(self, names: tuple[str, ...]) -> str | None:
        """The first of these fields that holds a text, in their order."""
        return next((text for name in names if (text := self.text_or_none(name))), None)

    def __contains__(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._rendered.get(name) is not None

    def _error(self, name: str, reason: str) -> UnreadableRendering:
        return UnreadableRendering(f"{self._where}.{name} {reason}")
