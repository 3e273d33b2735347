"""What one check of `redress doctor` came to."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # works, but somebody should know
    FAIL = "fail"  # does not work, or money is at stake


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One check: about what, how bad, what was found, and the command or step that mends it."""

    subject: str
    level: Level
    found: str
    mend: str = ""

    def document(self) -> dict[str, str]:
        """The same as JSON."""
        return {
            "subject": self.subject,
            "level": self.level.value,
            "found": self.found,
            "mend": self.mend,
        }
