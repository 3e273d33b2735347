"""How the text of one variable becomes a value: bounded, checked, never echoed.

Each function takes the text as set and returns the value, or raises ValueError with the rest of a
sentence that begins with the variable's name ("must be …"). Texts are never repeated in errors,
because people paste secrets into the wrong variable.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from runtime import limits
from runtime.email_addresses import Mailbox, parse_mailbox

_STANDARD_SECRET_BYTES = (24, 64)  # https://www.standardwebhooks.com, "Signature scheme"


class Mode(StrEnum):
    """Whether money moves."""

    OBSERVE = "observe"  # decides and records, moves nothing
    ENFORCE = "enforce"  # sends refunds, within the caps


def parse_mode(text: object) -> Mode:
    """`observe` or `enforce`."""
    try:
        return Mode(str(text))
    except ValueError:
        raise ValueError("must be observe (moves no money) or enforce (sends refunds)") from None


def parse_api_key(text: object) -> SecretStr:
    """A secret or restricted key of one Stripe account, test or live."""
    key = text.get_secret_value() if isinstance(text, SecretStr) else str(text)
    if not re.fullmatch(r"[sr]k_(test|live)_[A-Za-z0-9_]+", key):
        raise ValueError(
            "must be a Stripe secret or restricted key: it starts with sk_test_, rk_test_, sk_live_"
            " or rk_live_ (dashboard.stripe.com/apikeys)"
        )
    return SecretStr(key)


def parse_webhook_secrets(text: str | Sequence[str | SecretStr]) -> tuple[SecretStr, ...]:
    """One or more signing secrets, comma-separated, the newest first."""
    parts = text.split(",") if isinstance(text, str) else text
    secrets = [
        part.get_secret_value() if isinstance(part, SecretStr) else part.strip() for part in parts
    ]
    for place, secret in enumerate(secrets, start=1):
        if not secret:
            raise ValueError(f"has a blank entry (number {place}); remove it")
        if not secret.startswith("whsec_") or len(secret) < limits.WEBHOOK_SECRET_CHARS_MIN:
            raise ValueError(
                f"must list signing secrets that start with whsec_ and have at least"
                f" {limits.WEBHOOK_SECRET_CHARS_MIN} characters; entry {place} does not"
            )
    return tuple(SecretStr(secret) for secret in secrets)


def parse_http_address(text: object) -> str:
    """`http(s)://host[:port]`, without a path."""
    parts = urlsplit(str(text))
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError("must be an address such as http://127.0.0.1:8002, without a path")
    return str(text).rstrip("/")


def parse_dashboard_url(text: object) -> str:
    """`https://host[:port]`, or http for this machine's own `localhost`; passkeys are bound to no bare address."""
    url = str(text).rstrip("/").lower()
    # Browsers leave the usual port out when they say where a form comes from.
    url = url.removesuffix(":443") if url.startswith("https:") else url.removesuffix(":80")
    parts = _url_parts(url)
    host = "" if parts is None else parts.hostname or ""
    bare = host.replace(".", "").isdigit() or ":" in host
    if parts is None or bare or url != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError("must be an address such as https://redress.shop.example, without a path")
    if parts.scheme != "https" and (parts.scheme, host) != ("http", "localhost"):
        raise ValueError("must begin with https://, because passkeys work over nothing else")
    return url


def parse_account(text: object) -> str:
    """A Stripe account's id."""
    if not re.fullmatch(r"acct_[A-Za-z0-9]+", str(text)):
        raise ValueError("must be a Stripe account's id, such as acct_1NfT2b2eZvKYlo2C")
    return str(text)


def parse_database_url(text: object) -> str:
    """SQLite in a file, or PostgreSQL (always through psycopg 3)."""
    url = str(text)
    path = url.removeprefix("sqlite:///")
    if path != url and path and not path.startswith((":memory:", "file:")):
        return url
    scheme, _, rest = url.partition("://")
    if scheme in {"postgresql", "postgres", "postgresql+psycopg"} and rest:
        return f"postgresql+psycopg://{rest}"
    raise ValueError("must be postgresql://user@host/name or sqlite:///path/to/redress.db")


def parse_redis_url(text: object) -> str:
    """One Redis-compatible server, over TCP, TLS or a unix socket."""
    parts = urlsplit(str(text))
    if parts.scheme in {"redis", "rediss"} and parts.hostname:
        return str(text)
    if parts.scheme == "unix" and parts.path:
        return str(text)
    raise ValueError(
        "must be redis://host:6379/0, rediss://host:6379/0 or unix:///path/to/redis.sock"
        " (lists of Sentinel or Cluster nodes are not supported: name the primary's address)"
    )


def parse_smtp_url(text: object) -> SecretStr:
    """A mail server with its login: `smtps://` is TLS from the start, `smtp://` STARTTLS."""
    url = text.get_secret_value() if isinstance(text, SecretStr) else str(text)
    parts = _url_parts(url)
    if (
        parts is None
        or parts.scheme not in {"smtp", "smtps"}
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ValueError("must be smtps://user:password@host or smtp://user:password@host:587")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("must name both the user and the password, or neither")
    return SecretStr(url)


def parse_mail_from(text: object) -> Mailbox:
    """Whom e-mails are from."""
    return text if isinstance(text, Mailbox) else parse_mailbox(str(text))


def parse_product_webhook_url(text: object) -> str:
    """The product's own endpoint: over TLS, unless it is on this machine."""
    url = str(text)
    parts = _url_parts(url)
    if (
        parts is None
        or parts.scheme not in {"http", "https"}
        or parts.username is not None
        or parts.fragment
    ):
        raise ValueError("must be an address such as https://product.example/webhooks/redress")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://, because it leaves this machine")
    return url


def parse_standard_secret(text: object) -> SecretStr:
    """A signing secret as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in base64."""
    secret = text.get_secret_value() if isinstance(text, SecretStr) else str(text)
    least, most = _STANDARD_SECRET_BYTES
    try:
        size = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not secret.startswith("whsec_") or not least <= size <= most:
        raise ValueError(
            f"must be whsec_ followed by {least} to {most} random bytes in base64: make one by"
            " `echo whsec_$(openssl rand -base64 32)`"
        )
    return SecretStr(secret)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_data_folder(text: object) -> Path:
    """An absolute path, so that every process means the same folder."""
    if "?" in str(text):
        raise ValueError("must not contain a question mark, which ends a path in a database URL")
    return Path(str(text)).expanduser().absolute()


def parse_file(text: object) -> Path:
    """An absolute path of a file that is there."""
    path = Path(str(text)).expanduser().absolute()
    if not path.is_file():
        raise ValueError("must name a file that is there")
    return path


def parse_folder(text: object) -> Path:
    """An absolute path of a folder that is there."""
    path = Path(str(text)).expanduser().absolute()
    if not path.is_dir():
        raise ValueError("must name a folder that is there")
    return path


def parse_merchant(text: object) -> str:
    """A merchant's name; "" is the one whose settings are the environment's own."""
    if text != "" and not is_merchant_name(str(text)):
        raise ValueError("must be a merchant's name: small letters, digits and hyphens, 32 at most")
    return str(text)


def is_merchant_name(name: str) -> bool:
    """Whether it fits an address, a folder's name and a log's."""
    return re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", name, re.ASCII) is not None


def parse_host(text: object) -> str:
    """A host name or address to bind to."""
    if not re.fullmatch(r"[A-Za-z0-9.:\-]+", str(text)):
        raise ValueError("must be a host name or address to bind to, such as 127.0.0.1")
    return str(text)


def parse_port(text: object) -> int:
    """A TCP port."""
    port = _whole_number(text)
    if port is None or not 1 <= port <= 65535:  # noqa: PLR2004 -- TCP's own bound
        raise ValueError("must be a port from 1 to 65535")
    return port


def parse_count(text: object) -> int:
    """How many refunds; 0 lets none through without a person."""
    count = _whole_number(text)
    if count is None:
        raise ValueError("must be a whole number, 0 or more")
    return count


_DAY_SECONDS: Final = 86_400
_DAYS_MIN, _DAYS_MAX = 60, 36_500


def parse_seconds(text: object) -> int:
    """A number of seconds up to a day; 0 turns something off."""
    seconds = _whole_number(text)
    if seconds is None or seconds > _DAY_SECONDS:
        raise ValueError("must be a whole number of seconds, 0 to 86400")
    return seconds


def parse_days(text: object) -> int:
    """A number of days of at least two months, within which Stripe may still tell of a refund that failed; 0: none."""
    days = _whole_number(text)
    if days is None or (days and not _DAYS_MIN <= days <= _DAYS_MAX):
        raise ValueError(f"must be 0, or a whole number of days from {_DAYS_MIN} to {_DAYS_MAX}")
    return days


def parse_cap(text: object) -> Mapping[str, int]:
    """Currency table in minor units: `usd=50000,jpy=75000,*=50000`; `*` is all others."""
    if isinstance(text, Mapping):
        text = ",".join(f"{currency}={amount}" for currency, amount in text.items())
    caps: dict[str, int] = {}
    for entry in str(text).split(","):
        currency, _, digits = entry.strip().lower().partition("=")
        amount_minor = _whole_number(digits)
        if not re.fullmatch(r"[a-z]{3}|\*", currency) or amount_minor is None:
            raise ValueError("must list currencies and minor units, such as usd=50000,*=50000")
        if currency in caps:
            raise ValueError(f"names {currency} twice")
        caps[currency] = amount_minor
    if "*" not in caps:
        raise ValueError("must end with *=… for every currency that it does not name")
    return MappingProxyType(caps)


def _whole_number(text: object) -> int | None:
    """`text` as a number of at most 12 ASCII digits, or None. Booleans are no numbers."""
    return int(str(text)) if re.fullmatch(r"[0-9]{1,12}", str(text)) else None


def _url_parts(url: str) -> SplitResult | None:
    """The parts of a URL with a host and, if any, a port that can be; None for anything else."""
    # urlsplit drops line breaks and tabs, so that a text with them would not be what was looked at.
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if named else None
