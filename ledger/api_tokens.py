"""Tokens of the product API: 256 bits of chance, shown once; the ledger keeps their digests.

A digest without a salt is enough, because nobody can guess a token: it is looked up by it in one step.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from ledger.api_token_tables import api_tokens
from ledger.rows import AnyRow
from ledger.secret_digests import digest_of, new_secret

TOKEN_PREFIX: Final = "rdk_"  # noqa: S105 - how a token begins, and none


class TokenNameTaken(ValueError):
    """A token of this name is in use; nothing was changed."""


def create_token(connection: Connection, name: str, now_ms: int) -> str:
    """Make a token and keep its digest; returns the token, which nothing can show again."""
    if connection.execute(_IN_USE, {"named": name}).first() is not None:
        raise TokenNameTaken(f"a token {name} is in use: revoke it first, or take another name")
    token = f"{TOKEN_PREFIX}{new_secret()}"
    values = {"name": name, "digest": digest_of(token), "created_ms": now_ms}
    connection.execute(insert(api_tokens), values)
    return token


def revoke_token(connection: Connection, name: str, now_ms: int) -> bool:
    """Have a token open nothing any more; False when none of that name is in use."""
    return connection.execute(_REVOKE, {"named": name, "at": now_ms}).rowcount == 1


def list_tokens(connection: Connection) -> Sequence[AnyRow]:
    """Every token there is or was: `name`, `created_ms`, `revoked_ms`; the newest first."""
    return connection.execute(_ALL).all()


def token_name(connection: Connection, token: str) -> str | None:
    """Whose token this is; None for one that opens nothing."""
    name: str | None = connection.execute(_BY_DIGEST, {"hashed": digest_of(token)}).scalar()
    return name


# Statements are built once: building one costs as much as running it.
_LIVE = api_tokens.c.revoked_ms.is_(None)
_IN_USE = select(api_tokens.c.id).where(api_tokens.c.name == bindparam("named"), _LIVE)
_REVOKE = (
    update(api_tokens)
    .where(api_tokens.c.name == bindparam("named"), _LIVE)
    .values(revoked_ms=bindparam("at"))
)
_ALL = select(api_tokens.c.name, api_tokens.c.created_ms, api_tokens.c.revoked_ms).order_by(
    api_tokens.c.id.desc()
)
_BY_DIGEST = select(api_tokens.c.name).where(api_tokens.c.digest == bindparam("hashed"), _LIVE)
