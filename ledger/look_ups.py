"""Questions to Stripe about single objects: wanted by a worker, answered outside its transaction."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Connection, Integer, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from ledger.states import LookUpState
from ledger.tables import look_ups
from runtime.limits import EVENT_ATTEMPTS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """One question: which object, and how often it was asked already."""

    row_id: int
    object_type: str
    object_id: str
    attempts: int


def want_look_up(
    connection: Connection, object_type: str, object_id: str, reason: str, now_ms: int
) -> int | None:
    """Note that Stripe must be asked about an object; returns the question's row id.

    None when it is wanted already: then it was rung for, or will be when it is due.
    """
    wanted = {
        "object_type": object_type,
        "object_id": object_id,
        "reason": reason,
        "state": LookUpState.WANTED.value,
        "attempts": 0,
        "next_attempt_ms": now_ms,
        "changed_ms": now_ms,
    }
    asked: int | None = connection.execute(_WANT[connection.dialect.name], wanted).scalar()
    return asked


def due_look_ups(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The row ids of the questions to be asked now, oldest first."""
    return list(connection.execute(_DUE, {"now": now_ms, "most": count_max}).scalars())


def take_look_up(connection: Connection, row_id: int, now_ms: int, retry_ms: int) -> LookUp | None:
    """Take one question for an attempt; unanswered, it is due again at `retry_ms`.

    None when it is not due, or was asked as often as anything is (invariant I13).
    """
    done = connection.execute(_TAKE, {"row": row_id, "now": now_ms, "due": retry_ms}).first()
    if done is None:
        return None
    return LookUp(
        row_id=row_id,
        object_type=done.object_type,
        object_id=done.object_id,
        attempts=done.attempts,
    )


def give_up_exhausted(connection: Connection, row_id: int, now_ms: int) -> bool:
    """End a due question that was asked as often as anything is; whether there was one."""
    parameters = {"row": row_id, "now": now_ms}
    return connection.execute(_GIVE_UP, parameters).rowcount == 1


def put_off_look_up(connection: Connection, row_id: int, next_attempt_ms: int) -> None:
    """Have a question that got no answer asked again at `next_attempt_ms`."""
    connection.execute(
        update(look_ups)
        .where(look_ups.c.id == row_id, look_ups.c.state == LookUpState.WANTED.value)
        .values(next_attempt_ms=next_attempt_ms)
    )


def end_look_up(connection: Connection, row_id: int, state: LookUpState, now_ms: int) -> None:
    """Record that a question was answered, or given up."""
    connection.execute(_END, {"row": row_id, "state": state.value, "changed_ms": now_ms})


def was_answered(connection: Connection, object_type: str, object_ids: list[str]) -> set[str]:
    """Which of the objects Stripe has been asked about, with an answer."""
    parameters = {"type": object_type, "ids": object_ids}
    return set(connection.execute(_ANSWERED, parameters).scalars())


# Statements are built once: building one costs as much as running it.
_FRESH = ("reason", "state", "attempts", "next_attempt_ms", "changed_ms")


def _wanting(insert: sqlite.Insert | postgresql.Insert) -> ReturningInsert[Any]:
    return insert.on_conflict_do_update(
        index_elements=["object_type", "object_id"],
        set_={name: insert.excluded[name] for name in _FRESH},
        where=look_ups.c.state != LookUpState.WANTED.value,
    ).returning(look_ups.c.id)


_WANT = {
    "sqlite": _wanting(sqlite.insert(look_ups)),
    "postgresql": _wanting(postgresql.insert(look_ups)),
}
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_DUE_ROW = update(look_ups).where(
    look_ups.c.id == bindparam("row"),
    look_ups.c.state == LookUpState.WANTED.value,
    look_ups.c.next_attempt_ms <= _NOW,
)
_TAKE = (
    _DUE_ROW.where(look_ups.c.attempts < EVENT_ATTEMPTS_MAX)
    .values(attempts=look_ups.c.attempts + 1, next_attempt_ms=bindparam("due"))
    .returning(look_ups.c.object_type, look_ups.c.object_id, look_ups.c.attempts)
)
_GIVE_UP = _DUE_ROW.where(look_ups.c.attempts >= EVENT_ATTEMPTS_MAX).values(
    state=LookUpState.GIVEN_UP.value, changed_ms=_NOW
)
_END = update(look_ups).where(look_ups.c.id == bindparam("row"))
_DUE = (
    select(look_ups.c.id)
    .where(
        look_ups.c.state == LookUpState.WANTED.value,
        look_ups.c.next_attempt_ms <= _NOW,
    )
    .order_by(look_ups.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_ANSWERED = select(look_ups.c.object_id).where(
    look_ups.c.object_type == bindparam("type"),
    look_ups.c.object_id.in_(bindparam("ids", expanding=True)),
    look_ups.c.state == LookUpState.ANSWERED.value,
)
