"""Replays that were started: what they are about, and how far each has come. Start and end are audited."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from ledger.audit_log import record
from ledger.replay_tables import replays
from ledger.replaying import ReplayAuthor
from ledger.rows import AnyRow
from ledger.states import ReplayState


class ReplayOvertaken(Exception):
    """Somebody else goes on with the same replay; nothing was put back by the one who meets this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRun:
    """One replay. `cursor` is the place in its source up to which everything was put back; times are unix ms."""

    run_id: int
    source: str
    selection: str  # JSON
    author: ReplayAuthor
    state: ReplayState
    cursor: str
    stored: int  # events that the ledger did not have
    replayed: int  # events that it had, put back
    started_ms: int
    changed_ms: int

    @property
    def name(self) -> str:
        """What the audit log calls it."""
        return f"replay:{self.run_id}"


def begin_run(
    connection: Connection, *, source: str, selection: str, author: ReplayAuthor, now_ms: int
) -> ReplayRun:
    """Write a replay down before its first event is put back."""
    values = {
        "source": source,
        "selection": selection,
        "actor": author.actor,
        "reason": author.reason,
        "origin": author.origin,
        "state": ReplayState.RUNNING.value,
        "cursor": "",
        "started_ms": now_ms,
        "changed_ms": now_ms,
    }
    row = connection.execute(insert(replays).values(values).returning(replays)).one()
    run = _run(row)
    _record(connection, run, "replay.start", f"{author.reason} ({source}: {selection})", now_ms)
    return run


def advance_run(
    connection: Connection, run: ReplayRun, *, cursor: str, stored: int, replayed: int, now_ms: int
) -> ReplayRun:
    """Move a replay on, in the transaction that puts its events back. Raises ReplayOvertaken."""
    values = {
        "cursor": cursor,
        "stored": run.stored + stored,
        "replayed": run.replayed + replayed,
    }
    return _change(connection, run, values, now_ms)


def end_run(connection: Connection, run: ReplayRun, now_ms: int) -> ReplayRun:
    """Note that everything that was meant has been put back. Raises ReplayOvertaken."""
    ended = _change(connection, run, {"state": ReplayState.DONE.value}, now_ms)
    told = f"{run.replayed} put back, {run.stored} new"
    _record(connection, ended, "replay.end", told, now_ms)
    return ended


def run_by_id(connection: Connection, run_id: int) -> ReplayRun | None:
    """One replay; None when there is none of that number."""
    row = connection.execute(select(replays).where(replays.c.id == run_id)).first()
    return None if row is None else _run(row)


def newest_runs(connection: Connection, count_max: int) -> Sequence[ReplayRun]:
    """The newest replays, newest first."""
    query = select(replays).order_by(replays.c.id.desc()).limit(count_max)
    return [_run(row) for row in connection.execute(query)]


def _change(
    connection: Connection, run: ReplayRun, values: dict[str, object], now_ms: int
) -> ReplayRun:
    row = connection.execute(
        update(replays)
        .where(
            replays.c.id == run.run_id,
            replays.c.cursor == run.cursor,
            replays.c.state == ReplayState.RUNNING.value,
        )
        .values(**values, changed_ms=now_ms)
        .returning(replays)
    ).first()
    if row is None:
        raise ReplayOvertaken(
            f"Replay {run.run_id} goes on elsewhere; look at it by `redress events replays`."
        )
    return _run(row)


def _record(connection: Connection, run: ReplayRun, action: str, detail: str, now_ms: int) -> None:
    record(
        connection,
        at_ms=now_ms,
        actor=run.author.actor,
        action=action,
        object_id=run.name,
        result="done",
        origin=run.author.origin,
        detail=detail,
    )


def _run(row: AnyRow) -> ReplayRun:
    return ReplayRun(
        run_id=row.id,
        source=row.source,
        selection=row.selection,
        author=ReplayAuthor(actor=row.actor, reason=row.reason, origin=row.origin),
        state=ReplayState(row.state),
        cursor=row.cursor,
        stored=row.stored,
        replayed=row.replayed,
        started_ms=row.started_ms,
        changed_ms=row.changed_ms,
    )
