"""Which event goes to which endpoint when: the deciding part of the sandbox's webhooks.

`Deliveries` does no network and starts no thread: `delivery_couriers.Couriers` drives it with real
HTTP, a simulator may drive it with anything. Given the same clock, random source and order of
calls it decides the same. Rows live in the book's SQLite file, so a restart goes on where it was.

Behaviour (docs.stripe.com/webhooks): only 2xx acknowledges; retries back off exponentially with
jitter for up to three days; each attempt is signed anew; nothing is delivered to a disabled
endpoint, and enabling it resumes what is waiting.
"""

import json
import random
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.sandbox.book import Book
from ops.sandbox.delivery_signatures import active_secrets, event_body, signature_header
from runtime.clock import Clock

# Stripe retries "for up to three days"; the table of intervals is not published.
GIVE_UP_AFTER_MS = 3 * 24 * 3600 * 1000
# The back-off: about a minute, doubling, at most half a day, each 20 % shorter or longer. With it
# an endpoint that stays away sees around 16 attempts in the three days.
RETRY_MS_FIRST = 60_000
RETRY_MS_MAX = 12 * 3600 * 1000
RETRY_JITTER = 0.2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
  seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL, endpoint_id TEXT NOT NULL,
  copy INTEGER NOT NULL, wanted INTEGER NOT NULL, made_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, last_status INTEGER,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
  UNIQUE (event_id, endpoint_id, copy));
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (due_ms, seq) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS delivery_mark (
  only INTEGER PRIMARY KEY CHECK (only = 1), event_seq INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHabits:
    """How unruly the deliveries are; the defaults are a calm day.

    Shares are 0 to 1 of all deliveries. A repeated event arrives 1 to `repeats_max` times more,
    each within `repeat_seconds_max` of the first, often at the same moment. A delayed one waits up
    to `delay_seconds_max`, so that later events overtake it. `speed` divides the retry intervals.
    """

    repeat_share: float = 0.0
    repeats_max: int = 3
    repeat_seconds_max: float = 2.0
    delay_share: float = 0.0
    delay_seconds_max: float = 2.0
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt that is due: where it goes and what it carries, signed for this moment."""

    seq: int
    event_id: str
    endpoint_id: str
    copy: int
    attempt: int
    url: str
    headers: Mapping[str, str]
    body: bytes


class Deliveries:
    """Plans, hands out and settles deliveries. Not thread-safe: one caller at a time.

    `path` is the book's file (None beside a book in memory). A delivery that was handed out and
    never settled is due again after a restart: at least once, as Stripe promises.
    """

    def __init__(
        self,
        book: Book,
        clock: Clock,
        rng: random.Random,
        habits: DeliveryHabits | None = None,
        path: Path | None = None,
    ) -> None:
        self.habits = habits or DeliveryHabits()
        self._book = book
        self._clock = clock
        self._rng = rng
        self._handed_out: set[int] = set()
        # A connection of its own, in WAL beside the book's. It waits for the book's short
        # transactions, and never calls the book from within a transaction of its own.
        self._db = sqlite3.connect(
            ":memory:" if path is None else str(path),
            check_same_thread=False,
            isolation_level=None,
            timeout=30,
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; what was handed out and not settled is due again after a restart."""
        self._db.close()

    @property
    def mark(self) -> int:
        """The book's `seq` of the newest event that was planned for."""
        row = self._db.execute("SELECT event_seq FROM delivery_mark").fetchone()
        return 0 if row is None else int(row[0])

    @property
    def settled(self) -> bool:
        """Whether no delivery is waiting for its time or under way."""
        rows = self._db.execute("SELECT 1 FROM deliveries WHERE state='waiting' LIMIT 1")
        return rows.fetchone() is None

    def schedule(self) -> int:
        """Plan the deliveries of the book's new events, in order; return how many were planned."""
        fresh = self._book.events_after(self.mark)
        if not fresh:
            return 0
        endpoints = list(self._endpoints().values())
        rows = [row for _, event in fresh for row in self._plan(event, endpoints)]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT OR IGNORE INTO deliveries (event_id, endpoint_id, copy, wanted, made_ms,"
            " due_ms) VALUES (?,?,?,?,?,?)",
            rows,
        )
        self._db.execute("INSERT OR REPLACE INTO delivery_mark VALUES (1, ?)", (fresh[-1][0],))
        self._db.execute("COMMIT")
        return len(rows)

    def due(self, limit: int = 1) -> list[Delivery]:
        """Hand out up to `limit` deliveries that are due, earliest first, each signed for now.

        What is handed out stays out until `outcome` is told; a deleted endpoint's or a forgotten
        event's deliveries are given up on the way.
        """
        endpoints = self._endpoints()
        rows = self._waiting(self._clock.now_ms(), limit, endpoints)
        return [made for row in rows if (made := self._make(row, endpoints[row[2]])) is not None]

    def outcome(self, delivery: Delivery, status: int | None) -> None:
        """Settle an attempt by the endpoint's HTTP status (None: no answer): done, retry, give up."""
        self._handed_out.discard(delivery.seq)
        now_ms = self._clock.now_ms()
        state, due_ms = self._next(delivery, status, now_ms)
        self._db.execute(
            "UPDATE deliveries SET state=?, due_ms=?, attempts=attempts+1, last_status=?"
            " WHERE seq=?",
            (state, due_ms, status, delivery.seq),
        )
        if state == "delivered":
            self._acknowledge(delivery.event_id)

    def next_due_ms(self) -> int | None:
        """Return when the next waiting delivery that is not handed out is due (unix ms), or None."""
        rows = self._waiting(2**62, 1, self._endpoints())
        return int(rows[0][5]) if rows else None

    def counts(self) -> dict[str, int]:
        """Return rows per state, `attempts`, and `repeats` (rows beyond the first per event)."""
        found = {"waiting": 0, "delivered": 0, "given_up": 0}
        found.update(self._db.execute("SELECT state, count(*) FROM deliveries GROUP BY state"))
        attempts, repeats = self._db.execute(
            "SELECT coalesce(sum(attempts), 0), coalesce(sum(copy > 0), 0) FROM deliveries"
        ).fetchone()
        return {**found, "attempts": int(attempts), "repeats": int(repeats)}

    def _plan(
        self, event: dict[str, Any], endpoints: Sequence[dict[str, Any]]
    ) -> list[tuple[str, str, int, int, int, int]]:
        wanting = [endpoint["id"] for endpoint in endpoints if _wants(endpoint, event["type"])]
        now_ms = self._clock.now_ms()
        rows = []
        for endpoint_id in wanting:
            first_ms = now_ms + self._delay_ms()
            dues = (first_ms, *(first_ms + later_ms for later_ms in self._repeats_ms()))
            rows += [
                (event["id"], endpoint_id, copy, len(wanting), now_ms, due_ms)
                for copy, due_ms in enumerate(dues)
            ]
        return rows

    def _delay_ms(self) -> int:
        if self._rng.random() >= self.habits.delay_share:
            return 0
        return int(self._rng.uniform(0, self.habits.delay_seconds_max) * 1000)

    def _repeats_ms(self) -> list[int]:
        if self._rng.random() >= self.habits.repeat_share:
            return []
        # Half of the repeats come at once: that is when two receivers race for one event.
        latest = self.habits.repeat_seconds_max * 1000
        return [
            int(self._rng.uniform(0, latest)) if self._rng.random() < 0.5 else 0  # noqa: PLR2004 - a fair coin
            for _ in range(self._rng.randint(1, self.habits.repeats_max))
        ]

    def _endpoints(self) -> dict[str, dict[str, Any]]:
        return {made["id"]: made for made in self._book.endpoints()}

    def _waiting(
        self, until_ms: int, limit: int, endpoints: Mapping[str, dict[str, Any]]
    ) -> list[tuple[Any, ...]]:
        paused = [key for key, made in endpoints.items() if made.get("status") != "enabled"]
        rows = self._db.execute(
            "SELECT seq, event_id, endpoint_id, copy, wanted, due_ms, attempts FROM deliveries"
            " WHERE state='waiting' AND due_ms<=?"
            " AND endpoint_id NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY due_ms, seq LIMIT ?",
            (until_ms, json.dumps(paused), limit + len(self._handed_out)),
        ).fetchall()
        gone = [row[0] for row in rows if row[2] not in endpoints]
        for seq in gone:
            self._give_up(seq)
        kept = (row for row in rows if row[0] not in self._handed_out and row[2] in endpoints)
        return [row for row, _ in zip(kept, range(limit), strict=False)]

    def _make(self, row: tuple[Any, ...], endpoint: dict[str, Any]) -> Delivery | None:
        seq, event_id, endpoint_id, copy, wanted, _, attempts = row
        event = self._book.event(event_id)
        if event is None:
            self._give_up(seq)
            return None
        self._handed_out.add(seq)
        body = event_body(event, wanted)
        now_seconds = self._clock.now_ms() // 1000
        return Delivery(
            seq=seq,
            event_id=event_id,
            endpoint_id=endpoint_id,
            copy=copy,
            attempt=attempts + 1,
            url=endpoint["url"],
            headers=_headers(body, active_secrets(endpoint, now_seconds), now_seconds),
            body=body,
        )

    def _next(self, delivery: Delivery, status: int | None, now_ms: int) -> tuple[str, int]:
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 - the 2xx of HTTP
            return "delivered", now_ms
        # A repeat is an extra; the first copy alone carries the promise of retries.
        made_ms = self._db.execute(
            "SELECT made_ms FROM deliveries WHERE seq=?", (delivery.seq,)
        ).fetchone()[0]
        due_ms = now_ms + self._back_off_ms(delivery.attempt)
        if delivery.copy > 0 or due_ms - made_ms > GIVE_UP_AFTER_MS:
            return "given_up", now_ms
        return "waiting", due_ms

    def _back_off_ms(self, attempt: int) -> int:
        steady_ms = min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** min(attempt - 1, 16))
        jitter = self._rng.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)
        return int(steady_ms * jitter / self.habits.speed)

    def _acknowledge(self, event_id: str) -> None:
        wanted, reached = self._db.execute(
            "SELECT max(wanted), count(DISTINCT CASE WHEN state='delivered' THEN endpoint_id END)"
            " FROM deliveries WHERE event_id=?",
            (event_id,),
        ).fetchone()
        self._book.set_pending_webhooks(event_id, wanted - reached)

    def _give_up(self, seq: int) -> None:
        self._db.execute("UPDATE deliveries SET state='given_up' WHERE seq=?", (seq,))


def _wants(endpoint: Mapping[str, Any], event_type: str) -> bool:
    enabled = endpoint.get("enabled_events") or ()
    return endpoint.get("status") == "enabled" and ("*" in enabled or event_type in enabled)


def _headers(body: bytes, secrets: Sequence[str], now_seconds: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
        "Stripe-Signature": signature_header(body, secrets, now_seconds),
    }
