"""How often somebody may try to sign in: an attempt is written before it is judged, and fails closed.

Counted in SQL, because whoever can make Redis stumble must not get more guesses.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from ledger.engine import lock_names
from ledger.operator_tables import sign_in_attempts
from runtime.operator_limits import SIGN_IN_ATTEMPTS_MAX, SIGN_IN_WINDOW_MS


def begin_attempt(connection: Connection, about: Sequence[str], now_ms: int) -> bool:
    """Count an attempt against each of these (an address, a name); False when one of them has had too many."""
    lock_names(connection, [f"sign-in {one}" for one in about])
    connection.execute(_FORGET, {"edge": now_ms - SIGN_IN_WINDOW_MS})
    counts = connection.execute(_COUNTS, {"ones": list(about)}).scalars()
    if max(counts, default=0) >= SIGN_IN_ATTEMPTS_MAX:
        return False
    connection.execute(insert(sign_in_attempts), [{"about": one, "at_ms": now_ms} for one in about])
    return True


def forgive_attempts(connection: Connection, about: Sequence[str]) -> None:
    """Who signed in has made no wrong attempts."""
    connection.execute(_FORGIVE, {"ones": list(about)})


_MEANT: Final = sign_in_attempts.c.about.in_(bindparam("ones", expanding=True))
_COUNTS: Final = select(func.count()).where(_MEANT).group_by(sign_in_attempts.c.about)
_FORGIVE: Final = delete(sign_in_attempts).where(_MEANT)
_FORGET: Final = delete(sign_in_attempts).where(sign_in_attempts.c.at_ms <= bindparam("edge"))
