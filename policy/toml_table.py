"""One table of a TOML file: every entry is checked where it is read, and every error says where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

#: An entry that is refused is told in its error up to this length.
SHOWN_CHARS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlTable:
    """A table that knows where it stands, so that errors, of the type `refused`, can say it."""

    file: str
    path: str
    entries: Mapping[str, Any]
    refused: type[ValueError]

    def error(self, key: str, reason: str) -> ValueError:
        """The error about one entry, to be raised."""
        return self.refused(f"{self.file}: {self.path}{key}: {reason}")

    def require_keys(self, names: set[str]) -> None:
        """Refuse unknown and missing keys."""
        for key in sorted(set(self.entries) - names):
            raise self.error(key, "is not known here")
        for key in sorted(names - set(self.entries)):
            raise self.error(key, "is missing")

    def table(self, key: str) -> "TomlTable":
        """A table within this one."""
        entries = self._typed(key, dict, "a table")
        return TomlTable(
            file=self.file, path=f"{self.path}{key}.", entries=entries, refused=self.refused
        )

    def text(self, key: str) -> str:
        """A text that is not blank."""
        found: str = self._typed(key, str, "a text")
        if not found.strip():
            raise self.error(key, "is empty")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """One or more texts that are not empty."""
        found = self._typed(key, list, "a list of texts")
        if not found or not all(isinstance(item, str) and item for item in found):
            raise self.error(key, f"must be a list of one or more texts, not {_shown(found)}")
        return tuple(found)

    def choice(self, key: str, members: tuple[str, ...]) -> str:
        """One of a few texts."""
        if key not in self.entries:
            raise self.error(key, "is missing")
        found = self.text(key)
        if found not in members:
            raise self.error(key, f"is {_shown(found)}, but must be one of: {', '.join(members)}")
        return found

    def day(self, key: str) -> date:
        """A day without a time."""
        found: date = self._typed(key, date, "a day such as 2025-09-14")
        return found

    def flag(self, key: str) -> bool:
        """True or false."""
        found: bool = self._typed(key, bool, "true or false")
        return found

    def number(self, key: str, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        found: int = self._typed(key, int, "a whole number")
        if not least <= found <= most:
            raise self.error(key, f"is {_shown(found)}, but must lie between {least} and {most}")
        return found

    def _typed(self, key: str, kind: type, wanted: str) -> Any:
        found = self.entries[key]
        # The exact type: a bool is no number here, and a date with a time is no day.
        if type(found) is not kind:
            raise self.error(key, f"must be {wanted}, not {_shown(found)}")
        return found


def _shown(found: object) -> str:
    """An entry as it can be told in a sentence."""
    try:
        text = repr(found)
    except ValueError:  # Python does not write out numbers of thousands of digits
        return "a value too large to be shown"
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"
