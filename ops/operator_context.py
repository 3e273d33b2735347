"""What every command works with: the settings, the clock, the wiring, and who gives the order."""

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    from runtime.settings import Settings
    from runtime.wiring import Wiring

#: The door named in audit entries.
ORIGIN = "cli"

_SQLITE = "sqlite:///"


class NoLedgerYet(Exception):
    """There is no database yet: start `redress up` once, which makes it."""


@dataclass(slots=True, kw_only=True)
class OperatorContext:
    """One run of `redress`. Nothing is read or opened before a command asks for it."""

    environ: Mapping[str, str] | None = None  # the process's own unless given
    clock: Clock = field(default_factory=SystemClock)
    debug: bool = False
    _settings: "Settings | None" = None

    def settings(self) -> "Settings":
        """The settings, read once. Raises SettingsError, whose text says what to set."""
        # Imported late: pydantic and SQLAlchemy cost more than `redress --help` may take.
        from runtime.settings import load_settings  # noqa: PLC0415 -- see above

        if self._settings is None:
            self._settings = load_settings(self.environ)
        return self._settings

    @contextmanager
    def wiring(self) -> Iterator["Wiring"]:
        """The store, Redis and the bell, closed afterwards. Raises NoLedgerYet before the first start."""
        from runtime.wiring import open_wiring  # noqa: PLC0415 -- as above

        settings = self.settings()
        path = settings.database_url.removeprefix(_SQLITE)
        # Opening a file that is missing would make an empty database, which then looks broken.
        if path != settings.database_url and not Path(path).exists():
            raise NoLedgerYet(f"There is no database at {path} yet; start `redress up` once.")
        with open_wiring(settings, self.clock) as wiring:
            yield wiring


def current_actor() -> str:
    """The operating system's user, whom the audit log names; variables do not change it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
