"""What working through events again has led to, event by event: asked of a copy for a forecast, of the ledger after.

Both are read by the same queries, so that a forecast and its run can be held against each other.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select

from ledger.credit_tables import credit_entries
from ledger.ending_tables import subscription_ends
from ledger.notice_tables import NoticeChannel, notices
from ledger.notices import decision_key
from ledger.rows import AnyRow
from ledger.seen_plan_tables import seen_plan_changes
from ledger.states import IntentState, LookUpState
from ledger.tables import cases, decisions, events, look_ups, refund_intents


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What one decision said. `amount_minor` is in minor units of `currency`; None unless it approves."""

    verdict: str
    amount_minor: int | None
    currency: str | None
    terms_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedAnew:
    """A decision that an event led to, the one of the same case before it, and what follows from it.

    `refund` is the intent that pays by it (its id), `withdrawn` one that was taken back; `ends` the subscriptions
    that end with it; `notices` how many were written.
    """

    case_kind: str
    charge_id: str
    then: Ruling | None
    now: Ruling
    refund: str | None
    withdrawn: str | None
    ends: tuple[str, ...]
    notices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOutcome:
    """Where one event stands after it was worked through again, and what was decided from it."""

    event_id: str
    type: str
    object_id: str | None
    state: str
    note: str | None
    decided: tuple[DecidedAnew, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Where the tables end at one moment: what is written later can be told by it."""

    event: int
    notice: int
    credit: int
    plan: int
    questions: int  # to Stripe, that were wanted already


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSince:
    """What was written since, whatever it followed from."""

    notices: Mapping[str, int]  # by event and channel
    credits: Mapping[str, int]  # entries by kind
    plans: int  # changes of plan made elsewhere, to be put right
    questions: int  # that Stripe is to be asked


def read_marks(connection: Connection) -> Marks:
    """Where the tables end now."""
    return Marks(
        event=_newest(connection, events.c.id),
        notice=_newest(connection, notices.c.id),
        credit=_newest(connection, credit_entries.c.id),
        plan=_newest(connection, seen_plan_changes.c.id),
        questions=_wanted(connection),
    )


def newest_decision(connection: Connection) -> int:
    """The id of the newest decision; 0 when there is none."""
    return _newest(connection, decisions.c.id)


def written_since(connection: Connection, marks: Marks) -> WrittenSince:
    """What stands in the ledger that did not at `marks`."""
    told = connection.execute(
        select(notices.c.event, notices.c.channel, func.count())
        .where(notices.c.id > marks.notice)
        .group_by(notices.c.event, notices.c.channel)
        .order_by(notices.c.event, notices.c.channel)
    )
    entries = connection.execute(
        select(credit_entries.c.kind, func.count())
        .where(credit_entries.c.id > marks.credit)
        .group_by(credit_entries.c.kind)
        .order_by(credit_entries.c.kind)
    )
    plans = select(func.count()).where(seen_plan_changes.c.id > marks.plan)
    return WrittenSince(
        notices={f"{row[0]} by {row[1]}": int(row[2]) for row in told},
        credits={row[0]: int(row[1]) for row in entries},
        plans=connection.execute(plans).scalar_one(),
        questions=max(0, _wanted(connection) - marks.questions),
    )


def outcomes_of(
    connection: Connection, row_ids: Sequence[int], after_decision: int
) -> list[EventOutcome]:
    """What became of these events, in the order of their rows, by the decisions after that one."""
    rows = connection.execute(
        select(
            events.c.id,
            events.c.event_id,
            events.c.type,
            events.c.object_id,
            events.c.state,
            events.c.note,
        )
        .where(events.c.id.in_(row_ids))
        .order_by(events.c.id)
    ).all()
    of_these = decisions.c.event_row_id.in_(row_ids)
    decided = _decided(connection, of_these, after_decision)
    return [
        EventOutcome(
            event_id=row.event_id,
            type=row.type,
            object_id=row.object_id,
            state=row.state,
            note=row.note,
            decided=tuple(decided[row.id]),
        )
        for row in rows
    ]


def decided_without_event(connection: Connection, after_decision: int) -> list[DecidedAnew]:
    """The decisions after that one to which no event led: Stripe's answer to a question did."""
    of_these = decisions.c.event_row_id.is_(None)
    return [
        one for found in _decided(connection, of_these, after_decision).values() for one in found
    ]


def _decided(
    connection: Connection, of_these: ColumnElement[bool], after_decision: int
) -> Mapping[int | None, list[DecidedAnew]]:
    before = decisions.alias("before")
    previous = (
        select(func.max(before.c.id))
        .where(before.c.case_id == decisions.c.case_id, before.c.id < decisions.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            decisions,
            cases.c.kind,
            cases.c.charge_id,
            refund_intents.c.id.label("intent_id"),
            refund_intents.c.state.label("intent_state"),
            refund_intents.c.decision_id.label("intent_decision"),
            previous.label("previous_id"),
        )
        .join(cases, cases.c.id == decisions.c.case_id)
        .outerjoin(refund_intents, refund_intents.c.case_id == cases.c.id)
        .where(of_these, decisions.c.id > after_decision)
        .order_by(decisions.c.id)
    ).all()
    earlier = _rulings(connection, [row.previous_id for row in rows if row.previous_id])
    followed = _followed(connection, [row.id for row in rows])
    found: dict[int | None, list[DecidedAnew]] = defaultdict(list)
    for row in rows:
        then = earlier.get(row.previous_id)
        ends, told = followed[row.id]
        found[row.event_row_id].append(
            DecidedAnew(
                case_kind=row.kind,
                charge_id=row.charge_id,
                then=then,
                now=_ruling(row),
                refund=row.intent_id if row.intent_decision == row.id else None,
                withdrawn=_taken_back(row, then),
                ends=tuple(ends),
                notices=told,
            )
        )
    return found


def _taken_back(row: AnyRow, then: Ruling | None) -> str | None:
    """The intent of the decision before, if this one no longer approves and nothing had left."""
    if then is None or then.amount_minor is None or row.amount_minor is not None:
        return None
    return row.intent_id if row.intent_state == IntentState.WITHDRAWN.value else None


def _rulings(connection: Connection, decision_ids: Sequence[int]) -> Mapping[int, Ruling]:
    query = select(decisions).where(decisions.c.id.in_(decision_ids))
    return {row.id: _ruling(row) for row in connection.execute(query)}


def _ruling(row: AnyRow) -> Ruling:
    return Ruling(
        verdict=row.verdict,
        amount_minor=row.amount_minor,
        currency=row.currency,
        terms_version=row.terms_version,
    )


def _followed(
    connection: Connection, decision_ids: Sequence[int]
) -> Mapping[int, tuple[list[str], int]]:
    """For each decision, the subscriptions that end by it and how many notices tell of it."""
    ends: dict[int, list[str]] = {decision_id: [] for decision_id in decision_ids}
    for row in connection.execute(
        select(subscription_ends.c.decision_id, subscription_ends.c.subscription_id)
        .where(subscription_ends.c.decision_id.in_(decision_ids))
        .order_by(subscription_ends.c.subscription_id)
    ):
        ends[row.decision_id].append(row.subscription_id)
    keys = {
        decision_key(decision_id, channel): decision_id
        for decision_id in decision_ids
        for channel in NoticeChannel
    }
    told = dict.fromkeys(decision_ids, 0)
    query = select(notices.c.key).where(notices.c.key.in_(list(keys)))
    for key in connection.execute(query).scalars():
        told[keys[key]] += 1
    return {decision_id: (ends[decision_id], told[decision_id]) for decision_id in decision_ids}


def _newest(connection: Connection, column: Column[Any]) -> int:
    newest: int = connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
    return newest


def _wanted(connection: Connection) -> int:
    wanted = select(func.count()).where(look_ups.c.state == LookUpState.WANTED.value)
    return connection.execute(wanted).scalar_one()
