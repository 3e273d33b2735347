"""Keeps the newest known state of each Stripe object, whatever order its events arrive in.

Stripe promises no order, its `created` has whole seconds, and several events of one object share
one. So a sighting is placed by (`created` of its event, progress of the object's own states), and
where that cannot tell which of two differing renderings is newer, the caller asks Stripe.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    RowMapping,
    Select,
    Table,
    Update,
    bindparam,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from runtime.probes import probe


class Placed(StrEnum):
    """How a sighting stands to what the ledger knew."""

    NEWER = "newer"  # written
    SAME = "same"  # nothing in it was new
    OLDER = "older"  # kept out: the ledger knows a later state
    UNCLEAR = "unclear"  # the same second, other content: ask Stripe


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One rendering of one object, as an event or an answer of Stripe's showed it."""

    table: Table
    key: str
    account: str
    livemode: bool
    values: Mapping[str, object]  # every column of the table but the key and the ones named here
    seen_created: int  # unix seconds: the event's `created`
    progress: int  # orders the states of one object that share a second; larger is later
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What a sighting did: where it was placed and which columns now read differently."""

    placed: Placed
    changed: frozenset[str]


def project(connection: Connection, sighting: Sighting) -> Projection:
    """Write a sighting unless the ledger knows a later state of the object."""
    row = _full_row(sighting)
    if _insert(connection, sighting.table, row):
        return Projection(placed=Placed.NEWER, changed=frozenset(sighting.values))
    known = _known(connection, sighting)
    before = (known["seen_created"], known["progress"])
    after = (sighting.seen_created, sighting.progress)
    changed = frozenset(name for name, value in sighting.values.items() if known[name] != value)
    if after < before:
        probe("projection.older")
        return Projection(placed=Placed.OLDER, changed=frozenset())
    # Until Stripe has answered, every order of arrival must leave the same row behind, the name of
    # the event included: among sightings that share a place, the largest event id has it.
    written = (after, sighting.event_id) > (before, known["seen_event_id"])
    if written:
        _overwrite(connection, sighting.table, row)
    if not changed:
        return Projection(placed=Placed.SAME, changed=frozenset())
    placed = Placed.NEWER if after > before else Placed.UNCLEAR
    if placed is Placed.UNCLEAR:
        probe("projection.unclear")
    return Projection(placed=placed, changed=changed if written else frozenset())


def settle(connection: Connection, sighting: Sighting, asked_of: str | None) -> Projection | None:
    """Write Stripe's own answer about an object over the rendering that was known when it was asked.

    `asked_of` is the `seen_event_id` read before the call (None: the object was not known). Returns
    None, and writes nothing, when an event has moved the row meanwhile: the answer may be stale.
    """
    row = _full_row(sighting)
    if asked_of is None:
        if not _insert(connection, sighting.table, row):
            return None
        return Projection(placed=Placed.NEWER, changed=frozenset(sighting.values))
    known = _known(connection, sighting)
    if known["seen_event_id"] != asked_of:
        return None
    changed = frozenset(name for name, value in sighting.values.items() if known[name] != value)
    # The place in time stays the event's: our clock must not outrank Stripe's next event.
    kept = {name: known[name] for name in ("seen_created", "progress", "seen_event_id")}
    _overwrite(connection, sighting.table, row | kept)
    return Projection(placed=Placed.NEWER if changed else Placed.SAME, changed=changed)


def seen_event_id(connection: Connection, table: Table, key: str) -> str | None:
    """The event that last told us about an object; None when it is not known."""
    found = connection.execute(_seeing(table), {_KEY: key}).scalar()
    return None if found is None else str(found)


def _full_row(sighting: Sighting) -> dict[str, object]:
    return {
        _key_column(sighting.table).name: sighting.key,
        "account": sighting.account,
        "livemode": sighting.livemode,
        **sighting.values,
        "seen_created": sighting.seen_created,
        "progress": sighting.progress,
        "seen_event_id": sighting.event_id,
    }


def _insert(connection: Connection, table: Table, row: dict[str, object]) -> bool:
    # What came back says whether it was written: an INSERT's row count is not kept on PostgreSQL.
    return connection.execute(_inserting(connection.dialect.name, table), row).first() is not None


def _known(connection: Connection, sighting: Sighting) -> RowMapping:
    return connection.execute(_knowing(sighting.table), {_KEY: sighting.key}).mappings().one()


def _overwrite(connection: Connection, table: Table, row: dict[str, object]) -> None:
    key = _key_column(table).name
    values = {name: value for name, value in row.items() if name != key}
    connection.execute(_overwriting(table), {**values, _KEY: row[key]})


# Statements are built once per table: building one costs as much as running it.


@cache
def _inserting(dialect_name: str, table: Table) -> ReturningInsert[Any]:
    key = _key_column(table)
    if dialect_name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing().returning(key)
    return postgresql.insert(table).on_conflict_do_nothing().returning(key)


@cache
def _seeing(table: Table) -> Select[Any]:
    return select(table.c.seen_event_id).where(_key_column(table) == bindparam(_KEY))


@cache
def _knowing(table: Table) -> Select[Any]:
    return select(table).where(_key_column(table) == bindparam(_KEY)).with_for_update()


@cache
def _overwriting(table: Table) -> Update:
    return update(table).where(_key_column(table) == bindparam(_KEY))


def _key_column(table: Table) -> Column[Any]:
    return next(iter(table.primary_key.columns))


_KEY = "key_of_the_row"  # no column's name: an UPDATE keeps those for its values
