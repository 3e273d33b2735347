"""Comparisons of the ledger with Stripe: how far each has come, and the differences that it found."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, Integer, bindparam, func, insert, select, text, update

from ledger.backfill_tables import (
    DifferenceKind,
    ReconciliationState,
    differences,
    reconciliations,
)
from ledger.rows import AnyRow

_DAILY = "daily"
#: Two sweepers that begin within this are the same day's.
_AT_ONCE_MS = 3_600_000
_BEGIN_LOCK = text("SELECT pg_advisory_xact_lock(7203150005)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field, or a whole object (`field` is empty), that the ledger and Stripe do not agree about."""

    kind: DifferenceKind
    object_type: str
    object_id: str
    field: str
    here: str | None
    there: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One comparison of what was made in [since, until), unix seconds. `compared` counts objects by type.

    `stage`, `cursor` and `reached` say where it goes on; `since` 0 is each type's usual span.
    """

    reconciliation_id: int
    since: int
    until: int
    state: ReconciliationState
    compared: Mapping[str, int]
    stage: str
    cursor: str
    reached: int
    fence: int
    origin: str
    note: str | None
    began_ms: int
    ended_ms: int | None


def begin_reconciliation(
    connection: Connection, *, since: int, until: int, stage: str, origin: str, now_ms: int
) -> Reconciliation:
    """Write a comparison down before its first call."""
    row = connection.execute(
        insert(reconciliations)
        .values(
            since=since,
            until=until,
            state=ReconciliationState.RUNNING.value,
            stage=stage,
            cursor="",
            reached=0,
            origin=origin,
            began_ms=now_ms,
        )
        .returning(reconciliations)
    ).one()
    return _reconciliation(row)


class Daily(Enum):
    """What is to be done about the day's comparison, where none is under way."""

    BEGIN = "begin"
    NOTHING = "nothing"


def daily_to_do(connection: Connection, now_ms: int, every_ms: int) -> int | Daily:
    """The day's comparison that is under way, or whether one is to begin."""
    last = newest_reconciliation(connection, _DAILY)
    if last is not None and last.state is ReconciliationState.RUNNING:
        return last.reconciliation_id
    if last is None:
        return Daily.BEGIN
    # One that Stripe broke off is tried again long before the next day.
    pause_ms = _AT_ONCE_MS if last.state is ReconciliationState.FAILED else every_ms
    return Daily.BEGIN if last.began_ms <= now_ms - pause_ms else Daily.NOTHING


def begin_daily(connection: Connection, *, until: int, stage: str, now_ms: int) -> None:
    """Begin the day's comparison, unless somebody else just did."""
    if connection.dialect.name == "postgresql":
        connection.execute(_BEGIN_LOCK)
    if daily_to_do(connection, now_ms, _AT_ONCE_MS) is Daily.BEGIN:
        begin_reconciliation(
            connection, since=0, until=until, stage=stage, origin=_DAILY, now_ms=now_ms
        )


def take_reconciliation(
    connection: Connection, reconciliation_id: int, now_ms: int, until_ms: int
) -> Reconciliation | None:
    """Take a running comparison under a lease; None when it has ended or somebody else is at it."""
    row = connection.execute(
        _TAKE, {"which": reconciliation_id, "now": now_ms, "lease": until_ms}
    ).first()
    return None if row is None else _reconciliation(row)


def save_step(
    connection: Connection,
    taken: Reconciliation,
    *,
    compared: Mapping[str, int],
    place: tuple[str, str, int],
    found: Iterable[Difference],
) -> bool:
    """Write what a step found and where to go on: stage, cursor, reached. False when overtaken."""
    stage, cursor, reached = place
    values = {
        "compared": json.dumps(dict(compared), sort_keys=True),
        "stage": stage,
        "cursor": cursor,
        "reached": reached,
    }
    if not _write(connection, taken, values):
        return False
    rows = [
        {
            "reconciliation_id": taken.reconciliation_id,
            "kind": one.kind.value,
            "object_type": one.object_type,
            "object_id": one.object_id,
            "field": one.field,
            "here": one.here,
            "there": one.there,
        }
        for one in found
    ]
    if rows:
        connection.execute(insert(differences), rows)
    return True


def let_go(
    connection: Connection,
    taken: Reconciliation,
    state: ReconciliationState,
    now_ms: int,
    note: str | None = None,
) -> bool:
    """End a lease, and the comparison unless it stays RUNNING."""
    ended_ms = None if state is ReconciliationState.RUNNING else now_ms
    values = {"state": state.value, "lease_until_ms": None, "ended_ms": ended_ms, "note": note}
    return _write(connection, taken, values)


def reconciliation_by_id(connection: Connection, reconciliation_id: int) -> Reconciliation | None:
    """One comparison; None when there is none of that number."""
    query = select(reconciliations).where(reconciliations.c.id == reconciliation_id)
    row = connection.execute(query).first()
    return None if row is None else _reconciliation(row)


def newest_reconciliation(
    connection: Connection, origin: str | None = None
) -> Reconciliation | None:
    """The newest comparison, of one origin if that is given."""
    query = select(reconciliations).order_by(reconciliations.c.id.desc()).limit(1)
    if origin is not None:
        query = query.where(reconciliations.c.origin == origin)
    row = connection.execute(query).first()
    return None if row is None else _reconciliation(row)


def differences_of(
    connection: Connection, reconciliation_id: int, count_max: int, after_id: int = 0
) -> Sequence[AnyRow]:
    """The differences of one comparison, in the order in which they were found, after `after_id`."""
    return connection.execute(
        select(differences)
        .where(differences.c.reconciliation_id == reconciliation_id, differences.c.id > after_id)
        .order_by(differences.c.id)
        .limit(count_max)
    ).all()


def count_differences(connection: Connection, reconciliation_id: int) -> Mapping[str, int]:
    """How many differences of each kind a comparison found."""
    rows = connection.execute(
        select(differences.c.kind, func.count())
        .where(differences.c.reconciliation_id == reconciliation_id)
        .group_by(differences.c.kind)
        .order_by(differences.c.kind)
    )
    return {row[0]: int(row[1]) for row in rows}


def _write(connection: Connection, taken: Reconciliation, values: Mapping[str, object]) -> bool:
    done = connection.execute(
        update(reconciliations)
        .where(
            reconciliations.c.id == taken.reconciliation_id,
            reconciliations.c.fence == taken.fence,
        )
        .values(**values)
    )
    return done.rowcount == 1


def _reconciliation(row: AnyRow) -> Reconciliation:
    return Reconciliation(
        reconciliation_id=row.id,
        since=row.since,
        until=row.until,
        state=ReconciliationState(row.state),
        compared=json.loads(row.compared),
        stage=row.stage,
        cursor=row.cursor,
        reached=row.reached,
        fence=row.fence,
        origin=row.origin,
        note=row.note,
        began_ms=row.began_ms,
        ended_ms=row.ended_ms,
    )


_TAKE = (
    update(reconciliations)
    .where(
        reconciliations.c.id == bindparam("which", type_=Integer),
        reconciliations.c.state == ReconciliationState.RUNNING.value,
        func.coalesce(reconciliations.c.lease_until_ms, 0) <= bindparam("now"),
    )
    .values(lease_until_ms=bindparam("lease"), fence=reconciliations.c.fence + 1)
    .returning(reconciliations)
)
