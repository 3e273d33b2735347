"""Fills a ledger with settled events, fast: what a shop's inbox looks like after a thousand or a million.

The rows are those that the receiver and the handlers would have written (the templates are parsed and
read by them once, then only tokens are exchanged), spread over two years.
"""

import hashlib
import itertools
import sqlite3
import time
from collections.abc import Iterator

import orjson
import psycopg
from sqlalchemy import Table, make_url

from ledger.parsing import Expected, parse_event
from ledger.stripe_tables import charges, customers, invoice_payments, invoices, payment_intents
from ledger.tables import events
from policy.terms_file import load_terms
from tests.bench.shop_events import ATTEMPT, CREATED, CUSTOMER, STORY, ShopEvents, Template
from workers.stripe_objects import Seen, read_object

TABLES = (events, customers, payment_intents, charges, invoices, invoice_payments)
PERIOD_SECONDS = 2 * 365 * 24 * 3600
BATCH_ROWS = 5_000
SQLITE_PAGES_KB = 1_000_000


def prefill(url: str, run: int, count: int) -> None:
    """Add `count` settled events and what they show to an empty ledger at `url`."""
    rows = _Rows(run, count).all()
    write = _write_sqlite if make_url(url).get_backend_name() == "sqlite" else _write_postgres
    write(url, rows)


class _Rows:
    """The rows of `count` events of one run."""

    def __init__(self, run: int, count: int) -> None:
        self._shop = ShopEvents(run)
        self._count = count
        self._begins = int(time.time()) - PERIOD_SECONDS
        self._terms = load_terms().duplicates
        self._read: dict[int, tuple[dict, Table, dict]] = {}

    def all(self) -> Iterator[tuple[Table, dict]]:
        """Each row with its table; an object is told of by its last event."""
        written = 0
        for number in itertools.count():
            created = self._begins + PERIOD_SECONDS * written // self._count
            last: dict[tuple[str, object], tuple[Table, dict]] = {}
            for template, marks in self._shop.story(number):
                if written == self._count:
                    break
                event, table, row = self._rows_of(template, marks, created)
                yield events, event
                last[table.name, next(iter(row.values()))] = (table, row)
                written += 1
            yield from last.values()
            if written == self._count:
                return

    def _rows_of(
        self, template: Template, marks: tuple[bytes, bytes, bytes], created: int
    ) -> tuple[dict, Table, dict]:
        if id(template) not in self._read:
            self._read[id(template)] = self._read_once(template)
        event, table, row = self._read[id(template)]
        exchange = list(
            zip(
                (STORY.decode(), ATTEMPT.decode(), CUSTOMER.decode()),
                (mark.decode() for mark in marks),
                strict=True,
            )
        )
        payload = template.render(*marks, b"%d" % created)
        found = {
            **_exchanged(event, exchange, created),
            "payload": payload,
            "sha256": hashlib.sha256(payload).hexdigest(),
            "received_ms": created * 1000,
            "settled_ms": created * 1000 + 20,
        }
        return found, table, _exchanged(row, exchange, created)

    def _read_once(self, template: Template) -> tuple[dict, Table, dict]:
        parsed = parse_event(template.body, Expected(livemode=False, account=None))
        rendered = orjson.loads(template.body)["data"]["object"]
        first = parsed.type.endswith(".created")
        seen = Seen(
            account="",
            livemode=False,
            created=parsed.created,
            event_id=parsed.event_id,
            first=first,
        )
        sighting = read_object(rendered, seen, self._terms)
        key = next(iter(sighting.table.primary_key.columns)).name
        row = {
            key: sighting.key,
            "account": "",
            "livemode": False,
            **sighting.values,
            "seen_created": sighting.seen_created,
            "progress": sighting.progress,
            "seen_event_id": sighting.event_id,
        }
        names = ("event_id", "account", "livemode", "type", "kind", "api_version", "object_id")
        event = {name: getattr(parsed, name) for name in (*names, "lane", "created", "source")}
        return event | {"state": "decided", "note": "newer"}, sighting.table, row


def _exchanged(row: dict, exchange: list[tuple[str, str]], created: int) -> dict:
    return {name: _value(value, exchange, created) for name, value in row.items()}


def _value(value: object, exchange: list[tuple[str, str]], created: int) -> object:
    if value == int(CREATED):
        return created
    if isinstance(value, str) and "PLACEOF" in value:
        for place, mark in exchange:
            value = value.replace(place, mark)
    return value


def _write_sqlite(url: str, rows: Iterator[tuple[Table, dict]]) -> None:
    connection = sqlite3.connect(make_url(url).database, isolation_level=None)
    # Nothing is lost if this breaks off: the benchmark begins again.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{SQLITE_PAGES_KB}"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    for table, batch in _batches(rows):
        names = list(batch[0])
        marks = ", ".join("?" for _ in names)
        into = f"{table.name} ({', '.join(names)})"
        statement = f"INSERT INTO {into} VALUES ({marks})"  # noqa: S608 - names of our own tables
        connection.executemany(statement, (tuple(row.values()) for row in batch))
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _write_postgres(url: str, rows: Iterator[tuple[Table, dict]]) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection, connection.cursor() as cursor:
        for table, batch in _batches(rows):
            names = ", ".join(batch[0])
            with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                for row in batch:
                    copy.write_row(tuple(row.values()))
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")  # as autovacuum does after so many inserts
        connection.execute("CHECKPOINT")


def _batches(rows: Iterator[tuple[Table, dict]]) -> Iterator[tuple[Table, list[dict]]]:
    """The rows by table, a few thousand at a time."""
    held: dict[str, list[dict]] = {table.name: [] for table in TABLES}
    for table, row in rows:
        held[table.name].append(row)
        if len(held[table.name]) >= BATCH_ROWS:
            yield table, held[table.name]
            held[table.name] = []
    for table in TABLES:
        if held[table.name]:
            yield table, held[table.name]
