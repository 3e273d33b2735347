"""Planted bugs: single-line defects, put into a copy of the program one at a time, that the simulator must find.

A checker that never fails proves nothing. Each defect here is a mistake that somebody could make in one
line, and that no other line makes good. `python -m tests.simulation.plant` applies them.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("ledger", "ops", "policy", "runtime", "webhooks", "workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """`old` (one line or a part of one, once in `file`) becomes `new`. `invariant` is what it should break.

    `missing` says what the simulator lacks to see it; None for every bug that it must find.
    """

    name: str
    file: str
    old: str
    new: str
    breaks: str
    invariant: str
    missing: str | None = None

    def planted(self, source):
        """The source of the file with the defect in it; ValueError when the list no longer fits it."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: {self.file} holds its line {found} times, not once")
        return source.replace(self.old, self.new)
