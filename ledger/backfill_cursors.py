"""How far each of Stripe's lists was read. One process reads at a time, under a lease with a fence.

Nothing from before the ledger's own beginning is taken in by itself: what happened before redress had a say is
brought in by an operator, or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Exists, exists, func, select, text, update

from ledger.backfill_tables import BackfillStream, backfill_cursors
from ledger.insert_once import insert_once
from ledger.rows import AnyRow
from ledger.tables import events

_FIRST_SECONDS = 3_600
_LEASE_LOCK = text("SELECT pg_advisory_xact_lock(7203150004)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillCursor:
    """One list. `cursor` is the newest object that was listed ("": none yet), `seen_until` unix seconds.

    `listed` and `found` count objects since the beginning; `note` says why it is behind, if it is.
    """

    stream: BackfillStream
    cursor: str
    seen_until: int
    due_ms: int
    fence: int
    listed: int
    found: int
    note: str | None
    changed_ms: int


def due_streams(connection: Connection, now_ms: int) -> Sequence[str]:
    """The lists that are to be read now, longest due first; none while somebody reads one."""
    query = (
        select(backfill_cursors.c.stream)
        .where(backfill_cursors.c.due_ms <= now_ms, ~_somebody_reads(now_ms))
        .order_by(backfill_cursors.c.due_ms, backfill_cursors.c.stream)
    )
    return list(connection.execute(query).scalars())


def lists_begun(connection: Connection) -> bool:
    """Whether every list has its row."""
    known = connection.execute(select(func.count()).select_from(backfill_cursors)).scalar_one()
    return known == len(BackfillStream)


def begin_lists(connection: Connection, now_ms: int) -> None:
    """Begin every list at the ledger's beginning, or now."""
    began = ledger_began(connection, now_ms)
    values = [
        {"stream": stream.value, "cursor": "", "seen_until": began, "changed_ms": now_ms}
        for stream in BackfillStream
    ]
    statement = insert_once(backfill_cursors, backfill_cursors.c.stream)
    connection.execute(statement[connection.dialect.name], values)


def take_stream(
    connection: Connection, stream: BackfillStream, now_ms: int, until_ms: int
) -> BackfillCursor | None:
    """Take a list that is due under a lease; None when it is not, or while another one is being read."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LEASE_LOCK)
    row = connection.execute(
        update(backfill_cursors)
        .where(
            backfill_cursors.c.stream == stream.value,
            backfill_cursors.c.due_ms <= now_ms,
            ~_somebody_reads(now_ms),
        )
        .values(lease_until_ms=until_ms, fence=backfill_cursors.c.fence + 1)
        .returning(backfill_cursors)
    ).first()
    return None if row is None else _cursor(row)


def save_page(
    connection: Connection,
    taken: BackfillCursor,
    *,
    cursor: str,
    seen_until: int,
    listed: int,
    found: int,
    now_ms: int,
) -> bool:
    """Move a taken list on, in the transaction that stores what its page brought; False when overtaken."""
    values = {
        "cursor": cursor,
        "seen_until": seen_until,
        "listed": backfill_cursors.c.listed + listed,
        "found": backfill_cursors.c.found + found,
        "changed_ms": now_ms,
    }
    return _write(connection, taken, values)


def read_to_its_end(
    connection: Connection,
    taken: BackfillCursor,
    *,
    seen_until: int,
    forget_cursor: bool,
    now_ms: int,
) -> bool:
    """Note that everything made until `seen_until` was listed; a list of changing content begins anew next time."""
    values: dict[str, object] = {"seen_until": seen_until, "changed_ms": now_ms}
    if forget_cursor:
        values["cursor"] = ""
    return _write(connection, taken, values)


def give_back(
    connection: Connection, taken: BackfillCursor, *, due_ms: int, note: str | None, now_ms: int
) -> bool:
    """End a lease; the list is due again at `due_ms`. `note` says why it is not read to its end, if so."""
    values = {"lease_until_ms": None, "due_ms": due_ms, "note": note, "changed_ms": now_ms}
    return _write(connection, taken, values)


def every_cursor(connection: Connection) -> list[BackfillCursor]:
    """How far each list was read."""
    query = select(backfill_cursors).order_by(backfill_cursors.c.stream)
    return [_cursor(row) for row in connection.execute(query)]


def _write(connection: Connection, taken: BackfillCursor, values: Mapping[str, object]) -> bool:
    done = connection.execute(
        update(backfill_cursors)
        .where(
            backfill_cursors.c.stream == taken.stream.value,
            backfill_cursors.c.fence == taken.fence,
        )
        .values(**values)
    )
    return done.rowcount == 1


def ledger_began(connection: Connection, now_ms: int) -> int:
    """When the oldest of the first events was made, unix seconds; in an empty ledger an hour ago.

    The hour is for the first events of a new installation, should they not be delivered while its clock is wrong.
    """
    first = select(events.c.created).where(events.c.created > 0).order_by(events.c.id).limit(100)
    oldest = connection.execute(select(func.min(first.subquery().c.created))).scalar()
    return now_ms // 1000 - _FIRST_SECONDS if oldest is None else int(oldest)


def _somebody_reads(now_ms: int) -> Exists:
    other = backfill_cursors.alias("other")
    return exists().where(other.c.lease_until_ms > now_ms)


def _cursor(row: AnyRow) -> BackfillCursor:
    return BackfillCursor(
        stream=BackfillStream(row.stream),
        cursor=row.cursor,
        seen_until=row.seen_until,
        due_ms=row.due_ms,
        fence=row.fence,
        listed=row.listed,
        found=row.found,
        note=row.note,
        changed_ms=row.changed_ms,
    )
