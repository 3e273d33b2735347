"""Passkeys (public keys alone), the challenges that they answer, and the codes for when all are lost.

A challenge is answered once and within minutes. Codes are for one use each; digests alone are kept.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ledger.operator_tables import (
    ChallengePurpose,
    operators,
    passkeys,
    recovery_codes,
    sign_in_challenges,
)
from ledger.rows import AnyRow
from ledger.secret_digests import digest_of
from runtime.operator_limits import CHALLENGE_MS, CHALLENGES_MAX, RECOVERY_CODES

#: Without letters and digits that are taken for one another.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 4
_GROUP_CHARS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey of an operator. `credential_id` is in base64url, as browsers write it."""

    passkey_id: int
    operator_id: int
    credential_id: str
    public_key: bytes
    sign_count: int


def add_passkey(
    connection: Connection,
    operator_id: int,
    *,
    credential_id: str,
    public_key: bytes,
    sign_count: int,
    now_ms: int,
) -> None:
    """Keep a new passkey. IntegrityError when it is known already."""
    connection.execute(
        insert(passkeys),
        {
            "operator_id": operator_id,
            "credential_id": credential_id,
            "public_key": public_key,
            "sign_count": sign_count,
            "created_ms": now_ms,
        },
    )


def passkey_by_credential(connection: Connection, credential_id: str) -> Passkey | None:
    """A passkey of somebody who may come in; None for any other."""
    row = connection.execute(_BY_CREDENTIAL, {"credential": credential_id}).first()
    if row is None:
        return None
    return Passkey(
        passkey_id=row.id,
        operator_id=row.operator_id,
        credential_id=row.credential_id,
        public_key=bytes(row.public_key),
        sign_count=row.sign_count,
    )


def note_use(connection: Connection, passkey: Passkey, sign_count: int, now_ms: int) -> bool:
    """Write the count that a passkey has told; False when another answer was written meanwhile."""
    values = {
        "passkey": passkey.passkey_id,
        "known": passkey.sign_count,
        "count": sign_count,
        "at": now_ms,
    }
    return connection.execute(_NOTE_USE, values).rowcount == 1


def passkeys_of(connection: Connection, operator_id: int) -> Sequence[AnyRow]:
    """A person's passkeys: `id`, `credential_id`, `created_ms`, `used_ms`; the oldest first."""
    return connection.execute(_OF_OPERATOR, {"operator": operator_id}).all()


def remove_passkey(connection: Connection, operator_id: int, passkey_id: int, now_ms: int) -> bool:
    """Take a passkey of one's own away; False when it is not there, or is the last one."""
    if len(passkeys_of(connection, operator_id)) <= 1:
        return False
    values = {"passkey": passkey_id, "operator": operator_id, "removed": now_ms}
    return connection.execute(_REMOVE, values).rowcount == 1


def remove_passkeys(connection: Connection, operator_id: int, now_ms: int) -> None:
    """Take all of a person's passkeys away: they begin anew."""
    connection.execute(_REMOVE_ALL, {"operator": operator_id, "removed": now_ms})


def ask_challenge(
    connection: Connection,
    challenge: str,
    purpose: ChallengePurpose,
    operator_id: int | None,
    now_ms: int,
) -> bool:
    """Remember a challenge for some minutes; False when too many are open, so that nobody fills the table."""
    connection.execute(_FORGET_CHALLENGES, {"now": now_ms})
    if connection.execute(_OPEN_CHALLENGES).scalar_one() >= CHALLENGES_MAX:
        return False
    values = {
        "digest": digest_of(challenge),
        "purpose": purpose.value,
        "operator_id": operator_id,
        "expires_ms": now_ms + CHALLENGE_MS,
    }
    connection.execute(insert(sign_in_challenges), values)
    return True


def use_challenge(
    connection: Connection,
    challenge: str,
    purpose: ChallengePurpose,
    operator_id: int | None,
    now_ms: int,
) -> bool:
    """Take a challenge away; whether it was ours, for this purpose and person, and is not over."""
    row = connection.execute(_USE_CHALLENGE, {"hashed": digest_of(challenge)}).first()
    return row is not None and (row.purpose, row.operator_id, row.expires_ms > now_ms) == (
        purpose.value,
        operator_id,
        True,
    )


def make_recovery_codes(connection: Connection, operator_id: int, now_ms: int) -> list[str]:
    """New codes in place of all older ones; returned once and never again."""
    connection.execute(_VOID_CODES, {"operator": operator_id, "used": now_ms})
    codes = [_code() for _ in range(RECOVERY_CODES)]
    connection.execute(
        insert(recovery_codes),
        [
            {"operator_id": operator_id, "digest": code_digest(code), "created_ms": now_ms}
            for code in codes
        ],
    )
    return codes


def use_recovery_code(connection: Connection, operator_id: int, code: str, now_ms: int) -> bool:
    """Use a code up; whether it opened."""
    values = {"operator": operator_id, "hashed": code_digest(code), "used": now_ms}
    return connection.execute(_USE_CODE, values).rowcount == 1


def codes_left(connection: Connection, operator_id: int) -> int:
    """How many of a person's codes are unused."""
    return connection.execute(_CODES_LEFT, {"operator": operator_id}).scalar_one()


def code_digest(code: str) -> str:
    """What is kept of a code, however it was typed."""
    return digest_of("".join(code.split()).replace("-", "").lower())


def _code() -> str:
    """118 bits of chance in groups that a person can type."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARS)) for _ in range(_GROUPS)
    )
    return "-".join(groups)


_IN_USE: Final = passkeys.c.removed_ms.is_(None)
_BY_CREDENTIAL: Final = (
    select(passkeys)
    .join(operators, operators.c.id == passkeys.c.operator_id)
    .where(
        passkeys.c.credential_id == bindparam("credential"),
        _IN_USE,
        operators.c.removed_ms.is_(None),
    )
)
_NOTE_USE: Final = (
    update(passkeys)
    .where(passkeys.c.id == bindparam("passkey"), passkeys.c.sign_count == bindparam("known"))
    .values(sign_count=bindparam("count"), used_ms=bindparam("at"))
)
_OF_OPERATOR: Final = (
    select(passkeys.c.id, passkeys.c.credential_id, passkeys.c.created_ms, passkeys.c.used_ms)
    .where(passkeys.c.operator_id == bindparam("operator"), _IN_USE)
    .order_by(passkeys.c.id)
)
_REMOVE: Final = (
    update(passkeys)
    .where(
        passkeys.c.id == bindparam("passkey"),
        passkeys.c.operator_id == bindparam("operator"),
        _IN_USE,
    )
    .values(removed_ms=bindparam("removed"))
)
_REMOVE_ALL: Final = (
    update(passkeys)
    .where(passkeys.c.operator_id == bindparam("operator"), _IN_USE)
    .values(removed_ms=bindparam("removed"))
)
_FORGET_CHALLENGES: Final = delete(sign_in_challenges).where(
    sign_in_challenges.c.expires_ms <= bindparam("now")
)
_OPEN_CHALLENGES: Final = select(func.count()).select_from(sign_in_challenges)
_USE_CHALLENGE: Final = (
    delete(sign_in_challenges)
    .where(sign_in_challenges.c.digest == bindparam("hashed"))
    .returning(
        sign_in_challenges.c.purpose,
        sign_in_challenges.c.operator_id,
        sign_in_challenges.c.expires_ms,
    )
)
_UNUSED: Final = recovery_codes.c.used_ms.is_(None)
_VOID_CODES: Final = (
    update(recovery_codes)
    .where(recovery_codes.c.operator_id == bindparam("operator"), _UNUSED)
    .values(used_ms=bindparam("used"))
)
_USE_CODE: Final = (
    update(recovery_codes)
    .where(
        recovery_codes.c.operator_id == bindparam("operator"),
        recovery_codes.c.digest == bindparam("hashed"),
        _UNUSED,
    )
    .values(used_ms=bindparam("used"))
)
_CODES_LEFT: Final = (
    select(func.count())
    .select_from(recovery_codes)
    .where(recovery_codes.c.operator_id == bindparam("operator"), _UNUSED)
)
