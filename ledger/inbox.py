"""The inbox: every verified event is stored once, claimed under a lease, and settled once.

A lease is fenced: each claim raises the row's `fence`, and an outcome is only written while the fence
is still the claimant's, so that a worker that was taken for dead cannot overwrite its successor.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    exists,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger.events import ClaimedEvent, NewEvent, Receipt
from ledger.rows import AnyRow
from ledger.states import EventState
from ledger.tables import events
from runtime.limits import LEASE_MS, POISON_KILLS_MAX, TRIES_TOGETHER_MAX, WARY_ROWS_MAX
from runtime.probes import probe

_DELIVERY = "delivery"
#: One claim at a time on PostgreSQL: it is short, and only so can no two workers take one lane.
_CLAIM_LOCK = text("SELECT pg_advisory_xact_lock(7203150001)")


def store_events(
    connection: Connection, new_events: Sequence[NewEvent], now_ms: int
) -> list[Receipt]:
    """Store each event unless its id is known already; one receipt per event, in their order."""
    if not new_events:
        return []
    # One order for everybody, so that two doors with the same events never wait in a circle.
    rows = [_row(event, now_ms) for event in sorted(new_events, key=_key)]
    made = dict.fromkeys((_key(event) for event in new_events), 0)
    for row in _insert_new(connection, rows):
        made[(row.account, row.livemode, row.event_id)] = row.id
    known = _known(connection, [key for key, row_id in made.items() if row_id == 0])
    receipts = []
    for event in new_events:
        key = _key(event)
        if made[key]:
            receipts.append(Receipt(row_id=made[key], outcome="stored"))
            known[key] = (made[key], event.sha256, event.source)
            made[key] = 0
            continue
        row_id, sha256, source = known[key]
        # What was polled or imported is written otherwise than what was delivered, and says the same.
        same = sha256 == event.sha256 or {source, event.source} != {_DELIVERY}
        outcome = "known" if same else "conflict"
        probe("inbox.known")
        receipts.append(Receipt(row_id=row_id, outcome=outcome))
    return receipts


def claim_events(connection: Connection, now_ms: int, count_max: int) -> list[ClaimedEvent]:
    """Lease up to `count_max` waiting events, oldest first, whose lane nobody else is working on.

    An event that fails or kills takes its neighbours along, so one that did is leased with few others,
    and alone once it did so again: then only the culprit goes on failing, to its end.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_CLAIM_LOCK)
    waiting = connection.execute(_WAITING, {"now": now_ms, "most": count_max}).all()
    chosen = _fit_together(waiting)
    if not chosen:
        return []
    connection.execute(_CLAIM, {"ids": chosen, "until": now_ms + LEASE_MS})
    rows = connection.execute(_CLAIMED, {"ids": chosen}).all()
    return [
        ClaimedEvent(
            row_id=row.id,
            event_id=row.event_id,
            account=row.account,
            livemode=row.livemode,
            type=row.type,
            kind=row.kind,
            api_version=row.api_version,
            lane=row.lane,
            created=row.created,
            payload=row.payload,
            fence=row.fence,
            attempts=row.attempts,
        )
        for row in rows
    ]


def _fit_together(waiting: Sequence[AnyRow]) -> list[int]:
    """The ids to lease at once: one event that is to be alone, else the wary ones, else all."""
    alone = [row.id for row in waiting if row.kills > 1 or row.attempts >= TRIES_TOGETHER_MAX]
    if alone:
        probe("inbox.alone")
        return alone[:1]
    wary = [row.id for row in waiting if row.kills]
    if wary:
        probe("inbox.wary")
        return wary[:WARY_ROWS_MAX]
    return [row.id for row in waiting]


def settle_events(
    connection: Connection,
    settled: Iterable[tuple[ClaimedEvent, EventState, str | None]],
    now_ms: int,
) -> None:
    """Write the outcome of each claimed event that `still_mine` named in the same transaction."""
    parameters = [
        {
            "row": event.row_id,
            "mark": event.fence,
            "after": state.value,
            "why": note,
            "at": now_ms,
        }
        for event, state, note in settled
    ]
    if parameters:
        connection.execute(_SETTLE, parameters)


def still_mine(connection: Connection, claimed: Sequence[ClaimedEvent], now_ms: int) -> set[int]:
    """Which of the claimed events are still under the claimant's own lease; locks their rows."""
    ids = [event.row_id for event in claimed]
    rows = connection.execute(_STILL_LEASED, {"ids": ids, "now": now_ms}).all()
    fences = {event.row_id: event.fence for event in claimed}
    mine = {row.id for row in rows if fences[row.id] == row.fence}
    if len(mine) < len(claimed):
        probe("inbox.lease_lost")
    return mine


def release_event(
    connection: Connection, event: ClaimedEvent, not_before_ms: int, note: str
) -> bool:
    """Give a claimed event back, to be tried again from `not_before_ms` on."""
    parameters = {
        "row": event.row_id,
        "mark": event.fence,
        "due": not_before_ms,
        "why": note,
    }
    done = connection.execute(_GIVE_BACK, parameters)
    return done.rowcount == 1


def release_expired(connection: Connection, now_ms: int, count_max: int) -> int:
    """Take back the events of workers that died; the third death parks the event as poison."""
    return connection.execute(_RELEASE, {"now": now_ms, "most": count_max}).rowcount


def waiting_count(connection: Connection, now_ms: int) -> int:
    """How many events could be claimed now, lanes aside; counts up to 10,000."""
    return connection.execute(_WAITING_COUNT, {"now": now_ms}).scalar_one()


def _row(event: NewEvent, now_ms: int) -> dict[str, object]:
    return {
        "event_id": event.event_id,
        "account": event.account,
        "livemode": event.livemode,
        "type": event.type,
        "kind": event.kind,
        "api_version": event.api_version,
        "object_id": event.object_id,
        "lane": event.lane,
        "created": event.created,
        "payload": event.payload,
        "sha256": event.sha256,
        "source": event.source,
        "received_ms": now_ms,
        "state": event.state.value,
        "note": event.note,
        "settled_ms": None if event.state is EventState.NEW else now_ms,
    }


def _key(event: NewEvent) -> tuple[str, bool, str]:
    return event.account, event.livemode, event.event_id


def _insert_new(connection: Connection, rows: list[dict[str, object]]) -> Sequence[Any]:
    return connection.execute(_INSERT[connection.dialect.name], rows).all()


def _known(
    connection: Connection, keys: list[tuple[str, bool, str]]
) -> dict[tuple[str, bool, str], tuple[int, str, str]]:
    if not keys:
        return {}
    rows = connection.execute(_KNOWN, {"keys": keys}).all()
    return {
        (row.account, row.livemode, row.event_id): (row.id, row.sha256, row.source) for row in rows
    }


# Statements are built once: building one costs as much as running it. States are literal so that
# SQLite's planner sees that the partial indexes apply.
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_OTHER = events.alias("other")
_LANE_BUSY = exists().where(
    and_(_OTHER.c.lane == events.c.lane, _OTHER.c.state == text("'claimed'"))
)
_WAITING = (
    select(events.c.id, events.c.kills, events.c.attempts)
    .where(events.c.state == text("'new'"), events.c.not_before_ms <= _NOW, ~_LANE_BUSY)
    .order_by(events.c.id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True, of=events)
)
_WAITING_COUNT = select(func.count()).select_from(
    select(events.c.id)
    .where(events.c.state == text("'new'"), events.c.not_before_ms <= _NOW)
    .limit(10_000)
    .subquery()
)
_EXPIRED = and_(events.c.state == text("'claimed'"), events.c.lease_until_ms <= _NOW)
_POISONOUS = events.c.kills + 1 >= POISON_KILLS_MAX
_RELEASE = (
    update(events)
    .where(
        events.c.id.in_(
            select(events.c.id)
            .where(_EXPIRED)
            .limit(bindparam("most", type_=Integer))
            .scalar_subquery()
        ),
        _EXPIRED,
    )
    .values(
        state=case((_POISONOUS, EventState.PARKED.value), else_=EventState.NEW.value),
        note=case(
            (_POISONOUS, f"poison: the worker died on it {POISON_KILLS_MAX} times"),
            else_=events.c.note,
        ),
        settled_ms=case((_POISONOUS, _NOW), else_=None),
        kills=events.c.kills + 1,
        lease_until_ms=None,
    )
)
_CLAIM = (
    update(events)
    .where(events.c.id.in_(_IDS))
    .values(
        state=EventState.CLAIMED.value,
        lease_until_ms=bindparam("until"),
        fence=events.c.fence + 1,
        attempts=events.c.attempts + 1,
    )
)
_STILL_LEASED = (
    select(events.c.id, events.c.fence)
    .where(
        events.c.id.in_(_IDS),
        events.c.state == text("'claimed'"),
        events.c.lease_until_ms > _NOW,
    )
    .order_by(events.c.id)
    .with_for_update()
)
_RETURNED = (events.c.id, events.c.account, events.c.livemode, events.c.event_id)
_INSERT = {
    "sqlite": sqlite.insert(events).on_conflict_do_nothing().returning(*_RETURNED),
    "postgresql": postgresql.insert(events).on_conflict_do_nothing().returning(*_RETURNED),
}
_KNOWN = select(
    events.c.id,
    events.c.account,
    events.c.livemode,
    events.c.event_id,
    events.c.sha256,
    events.c.source,
).where(
    tuple_(events.c.account, events.c.livemode, events.c.event_id).in_(
        bindparam("keys", expanding=True)
    )
)
_CLAIMED = select(events).where(events.c.id.in_(_IDS)).order_by(events.c.id)
_MINE = update(events).where(
    events.c.id == bindparam("row"),
    events.c.fence == bindparam("mark"),
    events.c.state == text("'claimed'"),
)
_GIVE_BACK = _MINE.values(
    state=EventState.NEW,
    lease_until_ms=None,
    not_before_ms=bindparam("due"),
    note=bindparam("why"),
)
_SETTLE = _MINE.values(
    state=bindparam("after"),
    note=bindparam("why"),
    settled_ms=bindparam("at"),
    lease_until_ms=None,
)
