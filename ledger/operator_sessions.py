"""Who is signed in: sessions of chance in SQL, so that Redis being emptied signs nobody in or out.

A session ends after 15 minutes without its person, after 12 hours in any case, at sign-out, when an admin ends it,
and with its person's removal. A role's change holds from the next request on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from ledger.operator_tables import Role, operator_sessions, operators
from ledger.operators import Operator
from ledger.rows import AnyRow
from ledger.secret_digests import digest_of, new_secret
from runtime.operator_limits import (
    SESSION_FRESH_MS,
    SESSION_IDLE_MS,
    SESSION_MS_MAX,
    SESSION_SEEN_EVERY_MS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSession:
    """An open session and whose it is. `fresh_ms` is when the person last showed who they are."""

    session_id: int
    operator: Operator
    seen_ms: int
    fresh_ms: int

    def is_fresh(self, now_ms: int) -> bool:
        """Whether that was so short a time ago that money may move."""
        return now_ms - self.fresh_ms <= SESSION_FRESH_MS


def start_session(connection: Connection, operator_id: int, address: str, now_ms: int) -> str:
    """Sign a person in; returns the session's secret, which nothing can show again."""
    secret = new_secret()
    connection.execute(
        insert(operator_sessions),
        {
            "operator_id": operator_id,
            "digest": digest_of(secret),
            "address": address,
            "started_ms": now_ms,
            "seen_ms": now_ms,
            "fresh_ms": now_ms,
        },
    )
    return secret


def open_session(connection: Connection, secret: str, now_ms: int) -> OperatorSession | None:
    """Whose session a secret opens; None when it opens none, or none any more."""
    row = connection.execute(_BY_SECRET, {"hashed": digest_of(secret), **_edges(now_ms)}).first()
    if row is None:
        return None
    return OperatorSession(
        session_id=row.id,
        operator=Operator(operator_id=row.operator_id, name=row.name, role=Role(row.role)),
        seen_ms=row.seen_ms,
        fresh_ms=row.fresh_ms,
    )


def is_to_be_noted(session: OperatorSession, now_ms: int) -> bool:
    """Whether it is time to write that the person is still there: not at every click."""
    return now_ms - session.seen_ms >= SESSION_SEEN_EVERY_MS


def note_seen(connection: Connection, session: OperatorSession, now_ms: int) -> None:
    """Write that the person is still there."""
    connection.execute(_SEE, {"session": session.session_id, "seen": now_ms})


def note_fresh(connection: Connection, session: OperatorSession, now_ms: int) -> None:
    """Write that the person has just shown again who they are."""
    connection.execute(_FRESHEN, {"session": session.session_id, "seen": now_ms})


def end_session(connection: Connection, session_id: int, now_ms: int) -> bool:
    """End one session; False when it was over."""
    return connection.execute(_END, {"session": session_id, "ended": now_ms}).rowcount == 1


def end_sessions_of(connection: Connection, operator_id: int, now_ms: int) -> int:
    """End every session of a person; returns how many those were."""
    return connection.execute(_END_ALL, {"operator": operator_id, "ended": now_ms}).rowcount


def open_sessions(connection: Connection, now_ms: int) -> Sequence[AnyRow]:
    """Who is signed in: `id`, `operator_id`, `name`, `address`, `started_ms`, `seen_ms`; the newest first."""
    return connection.execute(_OPEN_ONES, _edges(now_ms)).all()


def _edges(now_ms: int) -> dict[str, int]:
    return {"idle_edge": now_ms - SESSION_IDLE_MS, "age_edge": now_ms - SESSION_MS_MAX}


_OPEN: Final = (
    operator_sessions.c.ended_ms.is_(None),
    operator_sessions.c.seen_ms > bindparam("idle_edge"),
    operator_sessions.c.started_ms > bindparam("age_edge"),
    operators.c.removed_ms.is_(None),
)
_WITH_OPERATOR: Final = select(
    operator_sessions.c.id,
    operator_sessions.c.operator_id,
    operator_sessions.c.address,
    operator_sessions.c.started_ms,
    operator_sessions.c.seen_ms,
    operator_sessions.c.fresh_ms,
    operators.c.name,
    operators.c.role,
).join(operators, operators.c.id == operator_sessions.c.operator_id)
_BY_SECRET: Final = _WITH_OPERATOR.where(operator_sessions.c.digest == bindparam("hashed"), *_OPEN)
_OPEN_ONES: Final = _WITH_OPERATOR.where(*_OPEN).order_by(operator_sessions.c.id.desc())
_ONE: Final = operator_sessions.c.id == bindparam("session")
_SEE: Final = update(operator_sessions).where(_ONE).values(seen_ms=bindparam("seen"))
_FRESHEN: Final = (
    update(operator_sessions)
    .where(_ONE)
    .values(seen_ms=bindparam("seen"), fresh_ms=bindparam("seen"))
)
_END: Final = (
    update(operator_sessions)
    .where(_ONE, operator_sessions.c.ended_ms.is_(None))
    .values(ended_ms=bindparam("ended"))
)
_END_ALL: Final = (
    update(operator_sessions)
    .where(
        operator_sessions.c.operator_id == bindparam("operator"),
        operator_sessions.c.ended_ms.is_(None),
    )
    .values(ended_ms=bindparam("ended"))
)
