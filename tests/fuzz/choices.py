"""Every input of every target is bytes, and a grammar reads its choices out of them.

So hypothesis shrinks them, atheris mutates them by coverage, chance makes them from a seed, and one that
was found is a file. Where the bytes end each further choice is the first one: the usual, harmless one.
"""

from collections.abc import Sequence
from typing import TypeVar

Option = TypeVar("Option")


class Choices:
    """Reads choices from the front of `data`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, count: int) -> int:
        """A number from 0 up to `count` - 1."""
        width = 1 if count <= 256 else 3
        chunk = self._data[self._at : self._at + width]
        self._at += width
        return int.from_bytes(chunk, "big") % count

    def pick(self, options: Sequence[Option]) -> Option:
        """One of the options; the first when the bytes have ended."""
        return options[self.below(len(options))]

    def rest(self) -> bytes:
        """All bytes that are left."""
        left = self._data[self._at :]
        self._at = len(self._data)
        return left
