"""The audit log: who did what, when, to which object, with which result. Never changed."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from ledger.rows import AnyRow
from ledger.tables import audit


def record(
    connection: Connection,
    *,
    at_ms: int,
    actor: str,
    action: str,
    object_id: str,
    result: str,
    origin: str,
    detail: str | None = None,
) -> int:
    """Append one entry, in the transaction of the thing that it records; returns its id."""
    values = {
        "at_ms": at_ms,
        "actor": actor,
        "action": action,
        "object": object_id,
        "result": result,
        "origin": origin,
        "detail": detail,
    }
    row_id: int = connection.execute(_RECORD, values).scalar_one()
    return row_id


def entries_about(connection: Connection, object_id: str, count_max: int = 100) -> Sequence[AnyRow]:
    """The newest entries about one object, oldest first."""
    newest = (
        select(audit)
        .where(audit.c.object == object_id)
        .order_by(audit.c.id.desc())
        .limit(count_max)
    )
    return list(reversed(connection.execute(newest).all()))


def newest_entries(
    connection: Connection,
    count_max: int,
    *,
    before_id: int | None = None,
    actor: str | None = None,
    action: str | None = None,
    object_id: str | None = None,
) -> Sequence[AnyRow]:
    """The newest entries, newest first; older than `before_id`. `action` is an action or what it begins with."""
    query = select(audit).order_by(audit.c.id.desc()).limit(count_max)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    if actor is not None:
        query = query.where(audit.c.actor == actor)
    if action is not None:
        query = query.where(audit.c.action.startswith(action, autoescape=True))
    if object_id is not None:
        query = query.where(audit.c.object == object_id)
    return connection.execute(query).all()


_RECORD = insert(audit).returning(audit.c.id)  # built once: building it costs as much as running it
