"""The sandbox's book: every object, event and idempotency key, in one SQLite file.

Objects are plain dicts in the JSON shape of Stripe's API `2026-10-28.endive`, kept under a *kind*,
which is the plural of the path ("charges", "refunds", "early_fraud_warnings" …; see KINDS). Keys of
an object that begin with "_" are the sandbox's own and are never rendered in an answer or an event
(a webhook endpoint's `_secret`, a payment method's `_declines`).

Times named `created` are Stripe's unix seconds; `stored_ms` is unix milliseconds. One re-entrant
lock makes a request one transaction: what is written inside `with book.transaction():` is committed
before the block is left, or not at all.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ops.sandbox.book_scans import ALL_TIME, Scan
from ops.sandbox.book_tables import KINDS, REFERENCES, SCHEMA, TABLES, Json, references

__all__ = ["KEY_AGE_MS_MAX", "KINDS", "Book", "Json", "StoredAnswer"]


# Stripe promises at least 24 hours; the sandbox keeps exactly that, so that a client which
# trusts a key for longer pays twice here before it pays twice there.
KEY_AGE_MS_MAX = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer kept under an idempotency key: HTTP status, raw JSON body, hash of the request."""

    request_hash: str
    status: int
    request_id: str
    body: bytes


class Book:
    """Objects, events, idempotency keys, chores and settings of one sandbox account.

    `path` None keeps everything in memory; with a file, a restart loses nothing. The book of a connected account
    has its id in `account`, and that of its platform, whose endpoints for Connect its events go to.
    """

    def __init__(
        self, path: Path | None = None, *, account: str = "", platform: "Book | None" = None
    ) -> None:
        self.account = account
        self._platform = platform
        self._lock = threading.RLock()
        self._emitted = threading.Condition()
        self._depth = 0
        self._last_seq = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            ":memory:" if path is None else str(path), check_same_thread=False, isolation_level=None
        )
        # WAL with NORMAL survives a killed process; only a power cut may lose the last commits,
        # which a stand-in can bear and which keeps a request under a millisecond of disk.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._last_seq = self.last_event_seq()

    def close(self) -> None:
        """Close the file; the book is unusable afterwards."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator["Book"]:
        """Hold the book for one request; commit on leaving, roll back on an exception."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth > 0:
                return
            self._db.execute("COMMIT")
        self._announce()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what was written inside when it raises, and let the transaction around it go on."""
        with self.transaction():
            self._db.execute("SAVEPOINT request")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK TO request")
                self._db.execute("RELEASE request")
                raise
            self._db.execute("RELEASE request")

    def _announce(self) -> None:
        seq = self.last_event_seq()
        with self._emitted:
            if seq != self._last_seq:
                self._last_seq = seq
                self._emitted.notify_all()

    def put(self, kind: str, body: Json) -> Json:
        """Insert or overwrite `body` under (kind, body["id"]); its place in lists never changes."""
        refs = references(body)
        with self.transaction():
            self._db.execute(
                "INSERT INTO objects (kind, id, created, customer, charge, payment_intent, invoice,"
                " subscription, body) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (kind, id) DO UPDATE SET"
                " customer=excluded.customer, charge=excluded.charge, invoice=excluded.invoice,"
                " payment_intent=excluded.payment_intent, subscription=excluded.subscription,"
                " body=excluded.body",
                (
                    kind,
                    body["id"],
                    body.get("created", body.get("date", 0)),
                    *(refs[name] for name in REFERENCES),
                    orjson.dumps(body),
                ),
            )
        return body

    def get(self, kind: str, object_id: str) -> Json | None:
        """Return a fresh copy of one object, or None."""
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM objects WHERE kind=? AND id=?", (kind, object_id)
            ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def remove(self, kind: str, object_id: str) -> None:
        """Forget one object (a deleted webhook endpoint)."""
        with self.transaction():
            self._db.execute("DELETE FROM objects WHERE kind=? AND id=?", (kind, object_id))

    def newest_first(
        self,
        kind: str,
        where: Mapping[str, str] | None = None,
        created: tuple[int, int] = ALL_TIME,
        *,
        cursor_id: str | None = None,
        ascending: bool = False,
    ) -> Iterator[Json]:
        """Yield objects of `kind`, newest `created` first (ties: latest inserted first).

        `where` holds reference columns (REFERENCES) to equal; `created` is an inclusive range;
        `cursor_id` starts just beyond that object; `ascending` turns the order round.
        """
        names = [name for name in (where or {}) if name in REFERENCES]
        clauses = "".join(f" AND {name}=?" for name in names)
        values = [(where or {})[name] for name in names]
        scan = Scan(
            table="objects",
            clause=f"kind=?{clauses}",
            values=(kind, *values),
            created=created,
            ascending=ascending,
        )
        return scan.rows(self._db, self._lock, cursor_id)

    def endpoints(self) -> list[Json]:
        """Return the webhook endpoints that this account's events go to, newest first."""
        place = self._platform or self
        return [
            made
            for made in place.newest_first("webhook_endpoints")
            if bool(made.get("application")) is bool(self.account)
        ]

    def events_newest_first(
        self,
        types: Sequence[str] = (),
        created: tuple[int, int] = ALL_TIME,
        *,
        cursor_id: str | None = None,
        ascending: bool = False,
    ) -> Iterator[Json]:
        """Yield events, newest first; `types` empty means all, a trailing ".*" matches a family."""
        scan = Scan(table="events", clause="1=1", values=(), created=created, ascending=ascending)
        rows = scan.rows(self._db, self._lock, cursor_id)
        return (event for event in rows if not types or _matches(event["type"], types))

    def emit(self, event: Json) -> int:
        """Append an event; return its `seq`, which grows by order of emission."""
        with self.transaction():
            row = self._db.execute(
                "INSERT INTO events (id, type, created, body) VALUES (?,?,?,?) RETURNING seq",
                (event["id"], event["type"], event["created"], orjson.dumps(event)),
            ).fetchone()
        return int(row[0])

    def events_after(self, seq: int, limit: int = 1000) -> list[tuple[int, Json]]:
        """Return up to `limit` committed (seq, event) pairs with a greater `seq`, in emission order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, body FROM events WHERE seq>? ORDER BY seq LIMIT ?", (seq, limit)
            ).fetchall()
        return [(int(row[0]), orjson.loads(row[1])) for row in rows]

    def wait_for_event(self, seq: int, timeout_seconds: float) -> bool:
        """Block until an event after `seq` is committed; False when the time ran out."""
        with self._emitted:
            return self._emitted.wait_for(lambda: self._last_seq > seq, timeout_seconds)

    def last_event_seq(self) -> int:
        """Return the `seq` of the newest event; 0 when there is none."""
        with self._lock:
            row = self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        return int(row[0])

    def event(self, event_id: str) -> Json | None:
        """Return one event, or None."""
        with self._lock:
            row = self._db.execute("SELECT body FROM events WHERE id=?", (event_id,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def set_pending_webhooks(self, event_id: str, pending: int) -> None:
        """Record how many endpoints have yet to acknowledge the event (delivery_success = 0 left)."""
        with self.transaction():
            event = self.event(event_id)
            if event is not None:
                event["pending_webhooks"] = pending
                self._db.execute(
                    "UPDATE events SET body=? WHERE id=?", (orjson.dumps(event), event_id)
                )

    def recall(self, key: str, now_ms: int) -> StoredAnswer | None:
        """Return the answer saved under an idempotency key, pruning keys older than 24 h."""
        with self.transaction():
            self._db.execute(
                "DELETE FROM idempotency_keys WHERE stored_ms<=?", (now_ms - KEY_AGE_MS_MAX,)
            )
            row = self._db.execute(
                "SELECT request_hash, status, request_id, body FROM idempotency_keys WHERE key=?",
                (key,),
            ).fetchone()
        if row is None:
            return None
        return StoredAnswer(request_hash=row[0], status=row[1], request_id=row[2], body=row[3])

    def remember(self, key: str, answer: StoredAnswer, now_ms: int) -> None:
        """Save the answer of an executed request under its idempotency key."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO idempotency_keys VALUES (?,?,?,?,?,?)",
                (key, answer.request_hash, answer.status, answer.request_id, answer.body, now_ms),
            )

    def add_chore(self, due_ms: int, name: str, body: Json) -> None:
        """Leave work for later (a refund that settles); `SandboxStripe.tick` does what is due."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO chores (due_ms, name, body) VALUES (?,?,?)",
                (due_ms, name, orjson.dumps(body)),
            )

    def take_chores(self, now_ms: int) -> list[tuple[str, Json]]:
        """Remove and return the (name, body) of every chore that is due, oldest first."""
        with self.transaction():
            rows = self._db.execute(
                "SELECT seq, name, body FROM chores WHERE due_ms<=? ORDER BY due_ms, seq", (now_ms,)
            ).fetchall()
            self._db.executemany("DELETE FROM chores WHERE seq=?", [(row[0],) for row in rows])
        return [(row[1], orjson.loads(row[2])) for row in rows]

    def setting(self, name: str, default: Any) -> Any:
        """Return a setting's JSON value, or `default` when it was never set."""
        with self._lock:
            row = self._db.execute("SELECT body FROM settings WHERE name=?", (name,)).fetchone()
        return default if row is None else orjson.loads(row[0])

    def set_setting(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name; survives a restart, not a reset."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO settings VALUES (?,?)", (name, orjson.dumps(value))
            )

    def counts(self) -> dict[str, int]:
        """Return how many objects there are of each kind."""
        with self._lock:
            rows = self._db.execute("SELECT kind, count(*) FROM objects GROUP BY kind").fetchall()
        return {row[0]: int(row[1]) for row in rows}

    def reset(self) -> None:
        """Empty the book. Event `seq` keeps growing, so a reader's mark stays valid."""
        with self.transaction():
            for table in TABLES:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names come from TABLES


def _matches(name: str, types: Sequence[str]) -> bool:
    return any(
        name == wanted or (wanted.endswith(".*") and name.startswith(wanted[:-1]))
        for wanted in types
    )
