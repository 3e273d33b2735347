"""Replay: settled events are put back to be worked once more, each one audited.

Replaying moves no money twice: a refund's id and key derive from its charge and cause, so an event
that is judged again arrives at the intent that is there already. A replayed event can be told by its
fence, which is then larger than its attempts (`ClaimedEvent.replayed`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Case, ColumnElement, Connection, Select, case, func, select, update

from ledger.audit_log import record
from ledger.event_queries import EventFilter
from ledger.event_types import HANDLED
from ledger.rows import AnyRow
from ledger.states import EventState
from ledger.tables import decisions, events, refund_intents

#: Only what was settled can be put back; what waits or is being worked on needs no replay.
REPLAYABLE = (EventState.DECIDED, EventState.IGNORED, EventState.PARKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """What to replay, for which account and mode. Rows are taken in order: `after_row` continues."""

    wanted: EventFilter
    livemode: bool
    account: str | None
    after_row: int = 0
    count_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayAuthor:
    """Who replays, why, and through which door."""

    actor: str
    reason: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What an order comes to, before anything is done."""

    events: int
    last_row: int  # the newest row that is meant; later arrivals are not
    by_type: Sequence[AnyRow]  # type, state, number
    parked_notes: Mapping[str, int]  # why events among them were parked
    left_alone: Mapping[str, int]  # why others that the filter names are not replayed
    decisions: int  # that these events led to so far
    intents: Sequence[AnyRow]  # state, currency, number, amount_minor: these are not made again


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStep:
    """One transaction's share: the rows that were put back, and the last row looked at."""

    last_row: int
    row_ids: tuple[int, ...]

    @property
    def replayed(self) -> int:
        """How many were put back."""
        return len(self.row_ids)


def plan_replay(connection: Connection, order: ReplayOrder) -> ReplayPlan:
    """Count what would be replayed, what would not and why, and what has followed already."""
    chosen = _chosen(order).subquery()
    total = connection.execute(select(func.count(), func.max(chosen.c.id))).one()
    by_type = connection.execute(
        select(chosen.c.type, chosen.c.state, func.count().label("number"))
        .group_by(chosen.c.type, chosen.c.state)
        .order_by(chosen.c.type, chosen.c.state)
    ).all()
    of_these = decisions.c.event_row_id.in_(select(chosen.c.id))
    return ReplayPlan(
        events=total[0],
        last_row=total[1] or 0,
        by_type=by_type,
        parked_notes=_parked_notes(connection, order),
        left_alone=_left_alone(connection, order),
        decisions=connection.execute(select(func.count()).where(of_these)).scalar_one(),
        intents=_intents(connection, of_these),
    )


def next_rows(
    connection: Connection, order: ReplayOrder, *, last_row: int, count_max: int
) -> list[int]:
    """The next rows that the order means, up to `last_row`, oldest first."""
    query = _chosen(order).where(events.c.id <= last_row).limit(count_max)
    return [row.id for row in connection.execute(query)]


def replay_step(
    connection: Connection,
    order: ReplayOrder,
    author: ReplayAuthor,
    *,
    last_row: int,
    count_max: int,
    now_ms: int,
) -> ReplayStep:
    """Put up to `count_max` of the order's events up to `last_row` back to NEW, each one audited."""
    rows = connection.execute(
        _chosen(order)
        .where(events.c.id <= last_row)
        .limit(min(count_max, order.count_max or count_max))
        .with_for_update()
    ).all()
    if not rows:
        return ReplayStep(last_row=order.after_row, row_ids=())
    row_ids = tuple(row.id for row in rows)
    connection.execute(
        update(events)
        .where(events.c.id.in_(row_ids))
        .values(
            state=EventState.NEW.value,
            note=None,
            not_before_ms=0,
            fence=events.c.fence + 1,
            attempts=0,
            kills=0,
            settled_ms=None,
        )
    )
    for row in rows:
        _record_replay(connection, row, author, now_ms)
    return ReplayStep(last_row=row_ids[-1], row_ids=row_ids)


def _record_replay(connection: Connection, row: AnyRow, author: ReplayAuthor, now_ms: int) -> None:
    before = f"{row.state}: {row.note}" if row.note else row.state
    record(
        connection,
        at_ms=now_ms,
        actor=author.actor,
        action="event.replay",
        object_id=row.event_id,
        result="done",
        origin=author.origin,
        detail=f"{author.reason} (row {row.id} was {before})",
    )


def _chosen(order: ReplayOrder) -> Select[int, str, str, str, str | None]:
    """The rows of an order that may be replayed, oldest first."""
    query = (
        select(events.c.id, events.c.event_id, events.c.type, events.c.state, events.c.note)
        .where(
            *order.wanted.conditions(),
            events.c.id > order.after_row,
            _objection(order).is_(None),
        )
        .order_by(events.c.id)
    )
    return query if order.count_max is None else query.limit(order.count_max)


def _objection(order: ReplayOrder) -> Case[str | None]:
    """Why a row is not replayed: workers trust what the receiver let through, so this must hold too."""
    own_accounts = ["", order.account] if order.account else [""]
    return case(
        (
            events.c.state.not_in([state.value for state in REPLAYABLE]),
            "not settled yet: it is waiting or being worked on",
        ),
        (
            func.length(events.c.payload) == 0,
            "the body was erased, by its age or on a customer's request",
        ),
        (events.c.kind == "unreadable", "the body is no event and cannot be read"),
        (events.c.livemode.is_not(order.livemode), "of the other mode (live or test)"),
        (events.c.account.not_in(own_accounts), "of an account that STRIPE_ACCOUNT does not name"),
        (events.c.kind != "snapshot", "thin events are kept until they are handled"),
        (events.c.type.not_in(HANDLED), "of a type that is not handled"),
        else_=None,
    )


def _left_alone(connection: Connection, order: ReplayOrder) -> dict[str, int]:
    named = (
        select(_objection(order).label("why"))
        .where(*order.wanted.conditions(), events.c.id > order.after_row)
        .subquery()
    )
    rows = connection.execute(
        select(named.c.why, func.count())
        .where(named.c.why.is_not(None))
        .group_by(named.c.why)
        .order_by(named.c.why)
    )
    return {row[0]: int(row[1]) for row in rows}


def _parked_notes(connection: Connection, order: ReplayOrder) -> dict[str, int]:
    chosen = _chosen(order).subquery()
    note = func.coalesce(chosen.c.note, "").label("note")
    rows = connection.execute(
        select(note, func.count().label("number"))
        .where(chosen.c.state == EventState.PARKED.value)
        .group_by(chosen.c.note)
        .order_by(func.count().desc(), chosen.c.note)
        .limit(_NOTES_MAX)
    )
    return {row[0]: int(row[1]) for row in rows}


def _intents(connection: Connection, of_these: ColumnElement[bool]) -> Sequence[AnyRow]:
    return connection.execute(
        select(
            refund_intents.c.state,
            refund_intents.c.currency,
            func.count().label("number"),
            func.sum(refund_intents.c.amount_minor).label("amount_minor"),
        )
        .where(refund_intents.c.case_id.in_(select(decisions.c.case_id).where(of_these)))
        .group_by(refund_intents.c.state, refund_intents.c.currency)
        .order_by(refund_intents.c.state, refund_intents.c.currency)
    ).all()


#: Different reasons shown in a plan; beyond these the list itself is the place to look.
_NOTES_MAX = 10
