"""A copy of the ledger that is worked on and thrown away: what a replay would do is done there, by the same code.

On SQLite it is a file of its own, on PostgreSQL a schema beside the tables. Everything is copied as of one moment
but the bodies of events, which are put in for those alone that are worked through again (`copy_payloads`). Events
that wait in the live ledger do not wait in the copy: they are somebody else's.
"""

import sqlite3
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Integer, LargeBinary, Table, bindparam, select, text, update
from sqlalchemy.exc import ProgrammingError

from ledger.engine import Store
from ledger.states import EventState
from ledger.tables import events
from ledger.triggers import create_triggers
from ledger.whole_schema import metadata

#: The schemas of copies on PostgreSQL begin so: one that a crash left behind can be told and dropped.
SCRATCH_PREFIX: Final = "redress_scratch_"

_SQLITE_MAIN: Final = "main"


class NoScratchLedger(Exception):
    """The database does not let us make a copy; the text says what to grant."""


def scratch_ledger(live: Store, folder: Path) -> AbstractContextManager[Store]:
    """A store on a fresh copy of `live`; on SQLite its file lies under `folder`. Gone on leaving.

    Raises NoScratchLedger.
    """
    return _postgresql_copy(live) if live.dialect == "postgresql" else _sqlite_copy(live, folder)


def copy_payloads(live: Connection, scratch: Connection, row_ids: Sequence[int]) -> None:
    """Put the bodies of these events into the copy; rows that the live ledger does not have are passed over."""
    found = live.execute(_PAYLOADS, {"ids": list(row_ids)}).all()
    if found:
        scratch.execute(_PUT, [{"row": row.id, "body": row.payload} for row in found])


@contextmanager
def _sqlite_copy(live: Store, folder: Path) -> Iterator[Store]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=folder) as place:
        path = Path(place) / "scratch.db"
        with closing(Store(f"sqlite:///{path}", scratch_schema=_SQLITE_MAIN)) as scratch:
            with scratch.write() as connection:
                metadata.create_all(connection)
            scratch.close()
            with closing(sqlite3.connect(path, isolation_level=None)) as raw:
                raw.execute("PRAGMA synchronous=OFF")
                raw.execute("ATTACH DATABASE ? AS live", (live.engine.url.database,))
                raw.execute("BEGIN")
                for table in metadata.sorted_tables:
                    raw.execute(_copy_statement(table, _SQLITE_MAIN, "live"))
                raw.execute("COMMIT")
            with scratch.write() as connection:
                create_triggers(connection)
            yield scratch


@contextmanager
def _postgresql_copy(live: Store) -> Iterator[Store]:
    schema = f"{SCRATCH_PREFIX}{uuid.uuid4().hex[:12]}"
    url = live.engine.url.render_as_string(hide_password=False)
    with live.read() as connection:
        own = str(connection.execute(text("SELECT current_schema()")).scalar_one())
    try:
        with live.write() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except ProgrammingError as refused:
        raise NoScratchLedger(
            "the database's user may make no schema, which a forecast needs: GRANT CREATE ON DATABASE to it,"
            " or plan with --no-forecast"
        ) from refused
    try:
        with closing(Store(url, scratch_schema=schema)) as scratch:
            _fill_schema(scratch, schema, own)
            yield scratch
    finally:
        with live.write() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


def _fill_schema(scratch: Store, schema: str, own: str) -> None:
    with scratch.write() as connection:
        metadata.create_all(connection)
    # One snapshot for every table: rows of one must not point at rows that another lacks.
    with scratch.engine.connect().execution_options(
        isolation_level="REPEATABLE READ"
    ) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for table in metadata.sorted_tables:
            connection.execute(text(_copy_statement(table, schema, own)))
            for column in table.primary_key.columns:
                if isinstance(column.type, Integer) and column.autoincrement is not False:
                    connection.execute(
                        text(_SET_SEQUENCE.format(table=table.name, key=column.name))
                    )
        connection.commit()
    with scratch.write() as connection:
        create_triggers(connection)
        connection.execute(text("ANALYZE"))


def _copy_statement(table: Table, to: str, come_from: str) -> str:
    names = [column.name for column in table.columns]
    taken = {name: f'"{name}"' for name in names}
    if table is events:
        waiting = f"state IN ('{EventState.NEW}', '{EventState.CLAIMED}')"
        # Not read, but there: what was erased must still be told from it.
        taken["payload"] = "substr(payload, 1, 1)"
        taken["state"] = f"CASE WHEN {waiting} THEN '{EventState.IGNORED}' ELSE state END"
        taken["lease_until_ms"] = "NULL"
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f'INSERT INTO {to}."{table.name}" ({listed})'  # noqa: S608 - names of our own tables and schemas
        f' SELECT {", ".join(taken[name] for name in names)} FROM {come_from}."{table.name}"'
    )


_SET_SEQUENCE: Final = (
    "SELECT setval(found, (SELECT COALESCE(MAX({key}), 0) + 1 FROM {table}), false)"
    " FROM (SELECT pg_get_serial_sequence('{table}', '{key}') AS found) AS own WHERE found IS NOT NULL"
)
# Statements are built once: building one costs as much as running it.
_PAYLOADS = select(events.c.id, events.c.payload).where(
    events.c.id.in_(bindparam("ids", expanding=True))
)
_PUT = (
    update(events)
    .where(events.c.id == bindparam("row", type_=Integer))
    .values(payload=bindparam("body", type_=LargeBinary))
)
