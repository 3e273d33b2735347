"""What is set from outside: every environment variable, documented where it is declared.

`load_settings` reads the environment once, when a process starts, and refuses to start with one sentence per
problem. `docs/settings.md` is generated from what follows (`runtime/settings_page.py`).
"""

import difflib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, PlainValidator, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from runtime import setting_values as values
from runtime.email_addresses import Mailbox
from runtime.redis_socket import socket_url
from runtime.setting_conflicts import conflicts
from runtime.setting_values import Mode

Cap = Annotated[Mapping[str, int], PlainValidator(values.parse_cap)]
Port = Annotated[int, PlainValidator(values.parse_port)]
Count = Annotated[int, PlainValidator(values.parse_count)]
Days = Annotated[int, PlainValidator(values.parse_days)]
Seconds = Annotated[int, PlainValidator(values.parse_seconds)]

PREFIX: Final = "REDRESS_"


class SettingsError(Exception):
    """The settings are not usable; the text says, one line per problem, what to set."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _cap_field(default: str, description: str) -> Any:
    """A field whose default is text that `parse_cap` reads, like what is set from outside."""
    return Field(default=default, description=description)


class Settings(BaseSettings):
    """The settings of one process, checked and frozen. Secrets and URLs never show in its repr."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    redress_data: Annotated[Path, PlainValidator(values.parse_data_folder)] = Field(
        default=Path("var"),
        description="Folder for the embedded database, the embedded Redis server and their locks."
        " Created with mode 0700 when missing.",
    )
    stripe_api_key: Annotated[SecretStr, PlainValidator(values.parse_api_key)] | None = Field(
        default=None,
        description="Stripe's secret or restricted key. Decides between test and live mode. Without"
        " it, `redress up` starts its own sandbox and needs no Stripe account.",
    )
    stripe_webhook_secrets: Annotated[
        tuple[SecretStr, ...], PlainValidator(values.parse_webhook_secrets)
    ] = Field(
        default=(),
        description="The webhook endpoint's signing secrets (`whsec_…`), comma-separated, newest"
        " first. Several are accepted at once, so that a secret can be rotated without a gap.",
    )
    stripe_api_base: Annotated[str, PlainValidator(values.parse_http_address)] | None = Field(
        default=None,
        description="Address of a stand-in for Stripe's API. Refused beside a live key.",
    )
    stripe_account: Annotated[str, PlainValidator(values.parse_account)] | None = Field(
        default=None,
        description="The Stripe account (`acct_…`) whose events are acted on, besides events that"
        " name no account. Events of other accounts are kept and parked.",
    )
    stripe_connected_account: Annotated[str, PlainValidator(values.parse_account)] | None = Field(
        default=None,
        description="The connected account (`acct_…`) that is served: Stripe is called for it with its"
        " platform's key. Belongs into the file of REDRESS_MERCHANTS.",
    )
    stripe_connect_webhook_secrets: Annotated[
        tuple[SecretStr, ...], PlainValidator(values.parse_webhook_secrets)
    ] = Field(
        default=(),
        description="The signing secrets of the platform's endpoint for its connected accounts"
        " (`…/webhooks/stripe/connect`), comma-separated, newest first.",
    )
    redress_merchants: Annotated[Path, PlainValidator(values.parse_file)] | None = Field(
        default=None,
        description="TOML file of further merchants, each with a Stripe account, ledger, queues and terms of"
        " its own (docs/merchants.md).",
    )
    redress_merchant: Annotated[str, PlainValidator(values.parse_merchant)] = Field(
        default="",
        description="Whom of that file a command is about, as `redress --merchant NAME` says it.",
    )
    database_url: Annotated[str, PlainValidator(values.parse_database_url)] = Field(
        default_factory=lambda known: f"sqlite:///{known['redress_data']}/redress.db",
        repr=False,
        description="Where the ledger is: `postgresql://…` or `sqlite:///…`. By default SQLite in"
        " the data folder.",
    )
    redis_url: Annotated[str, PlainValidator(values.parse_redis_url)] = Field(
        default_factory=lambda known: socket_url(known["redress_data"]),
        repr=False,
        description="The Redis or Valkey server of the queues: `redis://…`, `rediss://…` or"
        " `unix://…`. By default the embedded server that `redress up` starts.",
    )
    redress_mode: Annotated[Mode, PlainValidator(values.parse_mode)] = Field(
        default_factory=lambda known: (
            Mode.OBSERVE if known["stripe_api_key"] is not None else Mode.ENFORCE
        ),
        description="`observe` decides and records but moves no money; `enforce` sends refunds. By"
        " default `observe` when STRIPE_API_KEY is set and `enforce` against the sandbox.",
    )
    redress_catalogue: Annotated[Path, PlainValidator(values.parse_file)] | None = Field(
        default=None,
        description="TOML file of what is sold: for each price or product whether it is a subscription"
        " or a credit pack, and the credits it brings (docs/catalogue.md). Prices can say it themselves.",
    )
    redress_terms: Annotated[Path, PlainValidator(values.parse_folder)] | None = Field(
        default=None,
        description="Folder of the refund terms, one TOML file for each version, instead of those that come"
        " with redress.",
    )
    redress_shadow_terms: Annotated[Path, PlainValidator(values.parse_file)] | None = Field(
        default=None,
        description="TOML file of terms that decide beside those in force, without any effect:"
        " `redress policy shadow` lists where they differ.",
    )
    redress_smtp_url: Annotated[SecretStr, PlainValidator(values.parse_smtp_url)] | None = Field(
        default=None,
        description="The mail server: `smtps://user:password@host` (TLS) or"
        " `smtp://user:password@host:587` (STARTTLS, which is demanded unless the host is this"
        " machine). Without it, e-mails are written to `outbox` in the data folder.",
    )
    redress_mail_from: Annotated[Mailbox, PlainValidator(values.parse_mail_from)] | None = Field(
        default=None,
        description="Whom e-mails are from, and where answers to them go:"
        " `Shop <refunds@shop.example>`. Needed with REDRESS_SMTP_URL.",
    )
    redress_product_webhook_url: (
        Annotated[str, PlainValidator(values.parse_product_webhook_url)] | None
    ) = Field(
        default=None,
        repr=False,
        description="The product's endpoint for our webhooks (Standard Webhooks). Without it, none"
        " are sent.",
    )
    redress_product_webhook_secret: (
        Annotated[SecretStr, PlainValidator(values.parse_standard_secret)] | None
    ) = Field(
        default=None,
        description="Signs our webhooks to the product: `whsec_` and 24 to 64 bytes in base64.",
    )
    redress_backfill_seconds: Seconds = Field(
        default=120, description="How often Stripe is asked for what it never delivered; 0: never."
    )
    redress_payload_days: Days = Field(
        default=0,
        description="Bodies of settled events are erased after so many days; what was decided from them stays."
        " 0: never.",
    )
    redress_host: Annotated[str, PlainValidator(values.parse_host)] = Field(
        default="127.0.0.1", description="Address that the servers bind to."
    )
    redress_web_port: Port = Field(
        default=8000, description="Port of the webhook receiver and the product API."
    )
    redress_ops_port: Port = Field(default=8001, description="Port of the dashboard.")
    redress_dashboard_url: Annotated[str, PlainValidator(values.parse_dashboard_url)] = Field(
        default_factory=lambda known: f"http://localhost:{known['redress_ops_port']}",
        description="The dashboard's address in people's browsers: `https://redress.shop.example`. Passkeys are"
        " bound to its host name, and requests for any other host are refused. By default this machine's own.",
    )
    redress_sandbox_port: Port = Field(default=8002, description="Port of the sandbox.")
    redress_metrics_port: Port = Field(default=8003, description="Port of Prometheus' metrics.")
    redress_cap_refund: Cap = _cap_field(
        "usd=50000,jpy=75000,*=50000",
        "Most that one automatic refund may move, per currency in minor units"
        " (`usd=50000` is 500 dollars, `jpy=75000` is 75,000 yen); `*` is every other currency.",
    )
    redress_cap_customer_day: Cap = _cap_field(
        "usd=100000,jpy=150000,*=100000",
        "Most that automatic refunds may move for one customer in 24 hours, per"
        " currency in minor units.",
    )
    redress_cap_day: Cap = _cap_field(
        "usd=1000000,jpy=1500000,*=1000000",
        "Most that automatic refunds may move altogether in 24 hours, per currency in minor units.",
    )
    redress_cap_customer_day_count: Count = Field(
        default=3, description="Most automatic refunds for one customer in 24 hours."
    )
    redress_cap_day_count: Count = Field(
        default=200, description="Most automatic refunds altogether in 24 hours."
    )

    redress_second_person: Cap = _cap_field(
        "usd=50000,jpy=75000,*=50000",
        "From this much on a person's approval needs a second person's, per currency in minor units.",
    )

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money; False without a key."""
        key = self.stripe_api_key.get_secret_value() if self.stripe_api_key else ""
        return key.startswith(("sk_live_", "rk_live_"))

    @property
    def served_account(self) -> str | None:
        """The Stripe account (`acct_…`) whose events are ours though they name one."""
        return self.stripe_connected_account or self.stripe_account

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 -- pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- pydantic-settings' signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- pydantic-settings' signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from `load_settings` only: a record built in a test has no second source."""
        return (init_settings,)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = list(conflicts(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from `environ` (the process's own by default), with the data folder made.

    Raises:
        SettingsError: a variable is blank, malformed or unknown, two contradict each other, or the
            data folder cannot be written to.
    """
    environ = os.environ if environ is None else environ
    given = {
        name: environ[name.upper()] for name in Settings.model_fields if name.upper() in environ
    }
    problems = [*_unknown_names(environ), *_blanks(given)]
    if problems:
        raise SettingsError(problems)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        # Without its cause, which holds the values that were refused.
        raise SettingsError(list(_sentences(error))) from None
    _make_data_folder(settings.redress_data)
    return settings


def _unknown_names(environ: Mapping[str, str]) -> Iterator[str]:
    known = [name.upper() for name in Settings.model_fields]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "remove it."
            yield f"{name} is not a setting; {hint}"


def _blanks(given: Mapping[str, str]) -> Iterator[str]:
    for name, text in given.items():
        if not text.strip():
            yield f"{name.upper()} is set but blank; give it a value or remove it."


def _sentences(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        if problem["type"] == "default_factory_not_called":
            continue  # Follows from another field's problem, which is told.
        text = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            yield f"{str(problem['loc'][0]).upper()} {text}."
        else:
            yield from text.splitlines()


def _make_data_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Permission bits do not tell of read-only disks or of root, so a file is really written.
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        problem = (
            f"REDRESS_DATA names {data}, which cannot be written to ({error.strerror}); set it to a"
            " folder that this user owns."
        )
        raise SettingsError([problem]) from None
