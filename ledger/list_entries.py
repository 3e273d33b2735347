"""The lists: whom to let through, whom to look at, whom to leave alone for a while; each entry with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.fraud_tables import list_entries
from ledger.insert_once import insert_once
from ledger.rows import AnyRow
from ledger.states import ListName, ListSubject

PERSON: Final = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEntry:
    """One entry. `value` is Stripe's id or a digest, never an address. `expires_ms`: None for no end.

    `origin` is who put it there: a person, or a case (`origin_of_case`); each has an entry of its own. It speaks about payments made after the
    unix second `since`: what a payment led to says nothing about that payment and those before it.
    """

    list_name: ListName
    subject: ListSubject
    value: str
    reason: str
    author: str
    expires_ms: int | None
    origin: str = PERSON
    since: int = 0


def origin_of_case(case_id: int) -> str:
    """The origin of what a case puts on the lists."""
    return f"case:{case_id}"


def add_entry(connection: Connection, entry: ListEntry, now_ms: int) -> None:
    """Write an entry; one of the same origin about the same thing on the same list is replaced."""
    connection.execute(_SET[connection.dialect.name], _values(entry, now_ms))


def add_entry_once(connection: Connection, entry: ListEntry, now_ms: int) -> bool:
    """Write an entry unless its origin has one about the same thing on the list; whether it did."""
    values = _values(entry, now_ms)
    return connection.execute(_ADD[connection.dialect.name], values).scalar() is not None


def remove_entry(
    connection: Connection, list_name: ListName, subject: ListSubject, value: str
) -> bool:
    """Take what is said about something off a list, whoever put it there; False when there is nothing."""
    parameters = {"the_list": list_name.value, "the_subject": subject.value, "the_value": value}
    return connection.execute(_REMOVE, parameters).rowcount > 0


def remove_entries_of_case(connection: Connection, case_id: int) -> int:
    """Take off what a case put on the lists; how many entries that were."""
    return connection.execute(_REMOVE_OF_CASE, {"the_origin": origin_of_case(case_id)}).rowcount


def entries(connection: Connection, now_ms: int, count_max: int) -> Sequence[ListEntry]:
    """The entries that hold at `now_ms`, the newest first."""
    rows = connection.execute(_HOLDING, {"now": now_ms}).fetchmany(count_max)
    return [_entry(row) for row in rows]


def _values(entry: ListEntry, now_ms: int) -> dict[str, object]:
    return {
        "list": entry.list_name.value,
        "subject": entry.subject.value,
        "value": entry.value,
        "reason": entry.reason,
        "author": entry.author,
        "origin": entry.origin,
        "since": entry.since,
        "expires_ms": entry.expires_ms,
        "created_ms": now_ms,
        "changed_ms": now_ms,
    }


def _entry(row: AnyRow) -> ListEntry:
    return ListEntry(
        list_name=ListName(row.list),
        subject=ListSubject(row.subject),
        value=row.value,
        reason=row.reason,
        author=row.author,
        expires_ms=row.expires_ms,
        origin=row.origin,
        since=row.since,
    )


# Statements are built once: building one costs as much as running it.
_ADD = insert_once(list_entries, list_entries.c.id)


def _upsert(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    names = ("reason", "author", "since", "expires_ms", "changed_ms")
    newer = {name: statement.excluded[name] for name in names}
    keys = ["list", "subject", "value", "origin"]
    return statement.on_conflict_do_update(index_elements=keys, set_=newer)


_SET = {
    "sqlite": _upsert(sqlite.insert(list_entries)),
    "postgresql": _upsert(postgresql.insert(list_entries)),
}
_REMOVE = delete(list_entries).where(
    list_entries.c.list == bindparam("the_list"),
    list_entries.c.subject == bindparam("the_subject"),
    list_entries.c.value == bindparam("the_value"),
)
_REMOVE_OF_CASE = delete(list_entries).where(list_entries.c.origin == bindparam("the_origin"))
_HOLDING = (
    select(list_entries)
    .where(
        or_(
            list_entries.c.expires_ms.is_(None),
            list_entries.c.expires_ms > bindparam("now", type_=BigInteger),
        )
    )
    .order_by(list_entries.c.id.desc())
)
