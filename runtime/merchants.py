"""Further merchants of one installation (`REDRESS_MERCHANTS`): each one's settings, kept apart from all others'.

The environment's own settings are the first merchant's, whose name is "". The file has a table for each further one,
whose keys are settings by their names. A merchant has a data folder, ledger, queues and processes of its own, so that
no query, key, cap or brake can reach from one to another. What is inherited is short and listed here; whatever says
whose money it is, never is.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runtime.setting_values import is_merchant_name
from runtime.settings import Settings, SettingsError, load_settings

_ADDRESS: Final = (
    *("REDRESS_HOST", "REDRESS_WEB_PORT", "REDRESS_OPS_PORT"),
    *("REDRESS_SANDBOX_PORT", "REDRESS_METRICS_PORT"),
)

#: Taken from the environment where a merchant says nothing: how the machine is reached, where Stripe is, and limits.
INHERITED: Final = frozenset(
    {
        *_ADDRESS,
        *("STRIPE_API_BASE", "REDRESS_BACKFILL_SECONDS", "REDRESS_PAYLOAD_DAYS"),
        *("REDRESS_CAP_REFUND", "REDRESS_CAP_CUSTOMER_DAY", "REDRESS_CAP_DAY"),
        *("REDRESS_CAP_CUSTOMER_DAY_COUNT", "REDRESS_CAP_DAY_COUNT", "REDRESS_SECOND_PERSON"),
    }
)

#: Of the machine alone: one receiver and one dashboard serve all merchants.
_OF_THE_MACHINE: Final = frozenset(
    {
        *_ADDRESS,
        *("REDRESS_MERCHANTS", "REDRESS_MERCHANT", "STRIPE_CONNECT_WEBHOOK_SECRETS"),
        "REDRESS_DASHBOARD_URL",
    }
)

#: Never written into the file, which is kept with the code: there `$NAME` names the variable that holds it.
SECRET: Final = frozenset(
    {
        *("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS", "STRIPE_CONNECT_WEBHOOK_SECRETS"),
        *("REDRESS_SMTP_URL", "REDRESS_PRODUCT_WEBHOOK_SECRET"),
    }
)

_SETTINGS: Final = frozenset(field.upper() for field in Settings.model_fields)
_CONNECTED: Final = "STRIPE_CONNECTED_ACCOUNT"
_FOLDER: Final = "merchants"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """One table of the file, as it is written."""

    name: str
    values: Mapping[str, str]

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the environment that it names."""
        return frozenset(text[1:] for text in self.values.values() if text.startswith("$"))


def merchant_environ(environ: Mapping[str, str], name: str) -> Mapping[str, str]:
    """The environment with the settings of merchant `name` in place of the first one's; "" is the first.

    Variables that the file names for others are left out of it. Raises SettingsError.
    """
    if "REDRESS_MERCHANTS" not in environ:
        # A process that was started for a merchant has the settings of that one alone.
        if name != environ.get("REDRESS_MERCHANT", ""):
            raise SettingsError(
                [f"there is no merchant {name!r}; name the file in REDRESS_MERCHANTS."]
            )
        return environ
    if not name:
        return {key: text for key, text in environ.items() if key != "REDRESS_MERCHANT"}
    written = _written(environ)
    found = [one for one in written if one.name == name]
    if not found:
        known = ", ".join(one.name for one in written)
        raise SettingsError(
            [f"there is no merchant {name!r} in REDRESS_MERCHANTS; it has: {known}."]
        )
    return _overlaid(environ, written, found[0], _first(environ))


def sole_environ(environ: Mapping[str, str], name: str) -> Mapping[str, str]:
    """The environment of a process that serves this merchant and nobody else: without the others' secrets."""
    if name or "REDRESS_MERCHANTS" not in environ:
        return merchant_environ(environ, name)
    about_others = {"REDRESS_MERCHANTS", "REDRESS_MERCHANT", "STRIPE_CONNECT_WEBHOOK_SECRETS"}
    hidden = _variables(_written(environ)) - _SETTINGS | about_others
    return {key: text for key, text in environ.items() if key not in hidden}


def every_merchant(environ: Mapping[str, str]) -> dict[str, Settings]:
    """The settings of each further merchant by name, in the file's order; none without a file.

    Raises SettingsError, with a line for each problem: a table that cannot be used, or two merchants (the first one
    among them) that would share an account, a ledger, queues, a data folder or a secret.
    """
    if "REDRESS_MERCHANTS" not in environ:
        return {}
    first, written = _first(environ), _written(environ)
    further: dict[str, Settings] = {}
    problems: list[str] = []
    for one in written:
        try:
            further[one.name] = load_settings(_overlaid(environ, written, one, first))
        except SettingsError as error:
            problems += [_of(one.name, problem) for problem in error.problems]
    problems = problems or list(_shared({"": first, **further}))
    if problems:
        raise SettingsError(problems)
    return further


def _first(environ: Mapping[str, str]) -> Settings:
    return load_settings(merchant_environ(environ, ""))


def _variables(written: Iterable[_Written]) -> set[str]:
    """Every variable that the file names, for whomever."""
    return {variable for one in written for variable in one.variables}


def _overlaid(
    environ: Mapping[str, str], written: Sequence[_Written], one: _Written, first: Settings
) -> Mapping[str, str]:
    """The environment with one merchant's settings in place of the first one's."""
    left_out = (_SETTINGS | _variables(written)) - INHERITED
    kept = {variable: text for variable, text in environ.items() if variable not in left_out}
    data = first.redress_data / _FOLDER / one.name
    own = _own(one, environ)
    return {**kept, "REDRESS_DATA": str(data), **own, "REDRESS_MERCHANT": one.name}


def _of(name: str, problem: str) -> str:
    named = f"merchant {name}: "
    return problem if problem.startswith(named) else named + problem


def _written(environ: Mapping[str, str]) -> list[_Written]:
    path = Path(environ["REDRESS_MERCHANTS"]).expanduser()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            [f"REDRESS_MERCHANTS names {path}, which cannot be read ({error.strerror})."]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"REDRESS_MERCHANTS: {path.name} is no TOML: {error}."]) from None
    if problems := list(_mistakes(tables)):
        raise SettingsError(problems)
    return [
        _Written(name=name, values={key: str(value) for key, value in table.items()})
        for name, table in tables.items()
    ]


def _mistakes(tables: Mapping[str, Any]) -> Iterator[str]:
    """What no table may be or hold, a sentence each."""
    if not tables:
        yield "REDRESS_MERCHANTS: the file names no merchant; remove the variable, or add a table such as [studio-eu]."
    for name, table in tables.items():
        if not is_merchant_name(name) or not isinstance(table, dict):
            yield (
                f"REDRESS_MERCHANTS: {name!r} is no table with a merchant's name (small letters, digits and hyphens,"
                " 32 at most)."
            )
            continue
        for key, value in table.items():
            if problem := _mistake(key, value):
                yield f"merchant {name}: {key} {problem}."


def _mistake(key: str, value: object) -> str | None:
    if key not in _SETTINGS:
        return "is not a setting; docs/settings.md lists them"
    if key in _OF_THE_MACHINE:
        return "is one for all merchants; set it in the environment"
    if not isinstance(value, str | int) or isinstance(value, bool):
        return "must be a text or a whole number"
    if key in SECRET and not str(value).startswith("$"):
        return 'is a secret; write "$NAME" and set the variable NAME to it'
    return None


def _own(one: _Written, environ: Mapping[str, str]) -> dict[str, str]:
    """The merchant's own settings, with the variables that it names looked up."""
    missing = sorted(variable for variable in one.variables if not environ.get(variable))
    if missing:
        raise SettingsError(
            [f"merchant {one.name}: ${variable} is not set." for variable in missing]
        )
    own = {
        key: environ[text[1:]] if text.startswith("$") else text for key, text in one.values.items()
    }
    if _CONNECTED not in own and "STRIPE_API_KEY" not in own:
        sentence = (
            f"merchant {one.name}: STRIPE_API_KEY is missing; set it to that Stripe account's key, or set"
            f" {_CONNECTED} to a connected account's id."
        )
        raise SettingsError([sentence])
    if _CONNECTED in own and "STRIPE_API_KEY" in own:
        sentence = (
            f"merchant {one.name}: STRIPE_API_KEY is set beside {_CONNECTED}; remove it: a connected account is"
            " served with its platform's key, which is the environment's."
        )
        raise SettingsError([sentence])
    if _CONNECTED in own:
        own["STRIPE_API_KEY"] = environ.get("STRIPE_API_KEY", "")
    return own


def _shared(everyone: Mapping[str, Settings]) -> Iterator[str]:
    """What two merchants have in common and must not."""
    seen: dict[tuple[str, str], str] = {}
    for name, settings in everyone.items():
        for what, value in _marks(settings):
            first = seen.setdefault((what, value), name)
            if first != name:
                other = first or "the environment"
                yield (
                    f"merchant {name}: {what} is that of {other}; each merchant needs its own, or one would pay for"
                    " the other."
                )


def _marks(settings: Settings) -> Iterator[tuple[str, str]]:
    """What tells a merchant from all others."""
    key = settings.stripe_api_key.get_secret_value() if settings.stripe_api_key else ""
    account = settings.served_account
    if account:
        yield "the Stripe account", account
    if not settings.stripe_connected_account:
        yield "STRIPE_API_KEY", key
    secrets = [*settings.stripe_webhook_secrets, *settings.stripe_connect_webhook_secrets]
    for secret in secrets:
        yield "a secret of STRIPE_WEBHOOK_SECRETS", secret.get_secret_value()
    yield "REDRESS_DATA", str(settings.redress_data.resolve())
    yield "DATABASE_URL", settings.database_url
    yield "REDIS_URL", settings.redis_url
