"""Walks over the sandbox's book in the order of Stripe's lists, a few rows at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from ops.sandbox.book_tables import Json

ALL_TIME = (0, 2**62)

# Rows read at a time, so that a page of ten costs about ten rows however long the list is.
_CHUNK_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A walk over one table: newest `created` first (ties: latest inserted first), or reversed.

    `clause` is SQL of our own with a "?" for each of `values`; `created` an inclusive range.
    """

    table: str
    clause: str
    values: tuple[str, ...]
    created: tuple[int, int]
    ascending: bool

    def rows(
        self, db: sqlite3.Connection, lock: threading.RLock, cursor_id: str | None
    ) -> Iterator[Json]:
        """Yield bodies, beginning just beyond `cursor_id`; raises KeyError when it is not there."""
        sign, order = (">", "ASC") if self.ascending else ("<", "DESC")
        query = (
            f"SELECT created, seq, body FROM {self.table} WHERE {self.clause}"  # noqa: S608 - our own names only
            f" AND created BETWEEN ? AND ? AND (created, seq) {sign} (?, ?)"
            f" ORDER BY created {order}, seq {order} LIMIT ?"
        )
        place = (-1, -1) if self.ascending else (2**62, 2**62)
        if cursor_id is not None:
            place = self._place(db, lock, cursor_id)
        while True:
            with lock:
                rows = db.execute(
                    query, (*self.values, *self.created, *place, _CHUNK_ROWS)
                ).fetchall()
            for row in rows:
                yield orjson.loads(row[2])
            if len(rows) < _CHUNK_ROWS:
                return
            place = (rows[-1][0], rows[-1][1])

    def _place(
        self, db: sqlite3.Connection, lock: threading.RLock, object_id: str
    ) -> tuple[int, int]:
        with lock:
            row = db.execute(
                f"SELECT created, seq FROM {self.table} WHERE {self.clause} AND id=?",  # noqa: S608 - our own names only
                (*self.values, object_id),
            ).fetchone()
        if row is None:
            raise KeyError(object_id)
        return int(row[0]), int(row[1])
