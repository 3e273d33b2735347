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
_MERCHANT = "REDRESS_MERCHANT"
_TERMS = "REDRESS_TERMS"


class NoLedgerYet(Exception):
    """There is no database yet: start `redress up` once, which makes it."""


class NoTermsFolder(Exception):
    """REDRESS_TERMS names no folder; the text says so."""


@dataclass(slots=True, kw_only=True)
class OperatorContext:
    """One run of `redress`. Nothing is read or opened before a command asks for it."""

    environ: Mapping[str, str] | None = None  # the process's own unless given
    clock: Clock = field(default_factory=SystemClock)
    debug: bool = False
    merchant: str | None = None  # whom `--merchant` names; None: whom the environment does
    _settings: "Settings | None" = None

    def surroundings(self) -> Mapping[str, str]:
        """The environment of the merchant that the command is about. Raises SettingsError for an unknown one."""
        from runtime.merchants import merchant_environ  # noqa: PLC0415 -- loads pydantic

        environ = os.environ if self.environ is None else self.environ
        named = self.merchant
        return merchant_environ(environ, environ.get(_MERCHANT, "") if named is None else named)

    def settings(self) -> "Settings":
        """The settings, read once. Raises SettingsError, whose text says what to set."""
        # Imported late: pydantic and SQLAlchemy cost more than `redress --help` may take.
        from runtime.settings import load_settings  # noqa: PLC0415 -- see above

        if self._settings is None:
            self._settings = load_settings(self.surroundings())
        return self._settings

    def everyone(self) -> "dict[str, Settings]":
        """The settings of every merchant by name, or of the one that is named. Raises SettingsError."""
        from runtime.merchants import every_merchant  # noqa: PLC0415 -- loads pydantic

        own = self.settings()
        return {own.redress_merchant: own, **every_merchant(self.surroundings())}

    def about(self, merchant: str) -> "OperatorContext":
        """The same command about one of them."""
        return OperatorContext(environ=self.environ, clock=self.clock, merchant=merchant)

    def terms_folder(self) -> Path | None:
        """Where the terms are; None: those that come with redress. It needs no other setting to be usable."""
        from runtime.setting_values import parse_folder  # noqa: PLC0415 -- loads pydantic

        named = self.surroundings().get(_TERMS)
        if named is None:
            return None
        try:
            return parse_folder(named)
        except ValueError as error:
            raise NoTermsFolder(f"{_TERMS} {error}.") from None

    @contextmanager
    def wiring(self) -> Iterator["Wiring"]:
        """The store, Redis and the bell, closed afterwards.

        Raises NoLedgerYet before the first start, ForeignLedger when the database is another merchant's.
        """
        from ledger.ledger_owner import require_own_ledger  # noqa: PLC0415 -- as above
        from runtime.wiring import open_wiring  # noqa: PLC0415 -- as above

        settings = self.settings()
        path = settings.database_url.removeprefix(_SQLITE)
        # Opening a file that is missing would make an empty database, which then looks broken.
        if path != settings.database_url and not Path(path).exists():
            raise NoLedgerYet(f"There is no database at {path} yet; start `redress up` once.")
        with open_wiring(settings, self.clock) as wiring:
            require_own_ledger(wiring.store, settings.redress_merchant)
            yield wiring


def current_actor() -> str:
    """The operating system's user, whom the audit log names; variables do not change it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
