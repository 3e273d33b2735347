"""Questions about the inbox: which events there are, and what followed from one. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, text

from ledger.event_relations import objects_of_charge, objects_of_subscription
from ledger.rows import AnyRow
from ledger.states import EventState
from ledger.tables import cases, decisions, events, refund_intents

#: Every column of an event but its payload, and the payload's size in bytes.
WITHOUT_PAYLOAD = (
    *(column for column in events.columns if column.name != "payload"),
    func.length(events.c.payload).label("payload_bytes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are meant: all conditions that are given hold. Times are unix ms of receipt."""

    event_ids: tuple[str, ...] = ()
    row_ids: tuple[int, ...] = ()
    types: tuple[str, ...] = ()  # `charge.*` is every type that begins with `charge.`
    states: tuple[EventState, ...] = ()
    note: str | None = None  # a part of what is noted of a parked event
    object_id: str | None = None
    lane: str | None = None  # the customer, as a rule
    charge_id: str | None = None  # and what was done to it and what it paid
    subscription_id: str | None = None  # and its invoices and what paid them
    verdicts: tuple[str, ...] = ()  # that the events led to
    terms_version: str | None = None  # under which something was decided from them
    since_ms: int | None = None
    until_ms: int | None = None  # exclusive

    @property
    def is_empty(self) -> bool:
        """Whether no condition is given at all."""
        return self == EventFilter()

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions as SQL, to be joined by AND."""
        found: list[ColumnElement[bool]] = []
        if self.event_ids or self.row_ids:
            found.append(or_(events.c.event_id.in_(self.event_ids), events.c.id.in_(self.row_ids)))
        if self.types:
            found.append(or_(*(_of_type(wanted) for wanted in self.types)))
        found += self._standing()
        if self.object_id is not None:
            found.append(events.c.object_id == self.object_id)
        if self.lane is not None:
            # The second says nothing new; it lets the partial index apply.
            found += [events.c.lane == self.lane, events.c.lane > text("''")]
        if self.since_ms is not None:
            found.append(events.c.received_ms >= self.since_ms)
        if self.until_ms is not None:
            found.append(events.c.received_ms < self.until_ms)
        return found + self._related()

    def _standing(self) -> list[ColumnElement[bool]]:
        """The conditions of where the events stand, and of why."""
        found = [_in_states(self.states)] if self.states else []
        if self.note is not None:
            told = events.c.note.contains(self.note, autoescape=True)
            found += [_in_states((EventState.PARKED,)), told]
        return found

    def _related(self) -> list[ColumnElement[bool]]:
        """The conditions that other tables answer."""
        found: list[ColumnElement[bool]] = []
        if self.charge_id is not None:
            found.append(events.c.object_id.in_(objects_of_charge(self.charge_id)))
        if self.subscription_id is not None:
            found.append(events.c.object_id.in_(objects_of_subscription(self.subscription_id)))
        if self.verdicts or self.terms_version is not None:
            found.append(events.c.id.in_(self._decided()))
        return found

    def _decided(self) -> Select[int | None]:
        """The rows of the events that led to the decisions that are meant."""
        query = select(decisions.c.event_row_id).where(decisions.c.event_row_id.is_not(None))
        if self.verdicts:
            query = query.where(decisions.c.verdict.in_(self.verdicts))
        if self.terms_version is not None:
            query = query.where(decisions.c.terms_version == self.terms_version)
        return query


def list_events(
    connection: Connection, wanted: EventFilter, count_max: int, before_row: int | None = None
) -> Sequence[AnyRow]:
    """The newest events that are meant, newest first, without payloads; older than `before_row`."""
    query = select(*WITHOUT_PAYLOAD).where(*wanted.conditions())
    if before_row is not None:
        query = query.where(events.c.id < before_row)
    return connection.execute(query.order_by(events.c.id.desc()).limit(count_max)).all()


def event_payload(connection: Connection, row_id: int) -> bytes:
    """The body of one event as it was received; NoResultFound when there is no such row."""
    return bytes(
        connection.execute(select(events.c.payload).where(events.c.id == row_id)).scalar_one()
    )


def decisions_from(connection: Connection, row_id: int) -> Sequence[AnyRow]:
    """The decisions that one event led to, oldest first, each with its case and the case's intent."""
    return connection.execute(
        select(
            decisions.c.id.label("decision_id"),
            decisions.c.verdict,
            decisions.c.amount_minor,
            decisions.c.currency,
            decisions.c.terms_version,
            decisions.c.mode,
            decisions.c.made_ms,
            cases.c.id.label("case_id"),
            cases.c.kind,
            cases.c.charge_id,
            cases.c.state.label("case_state"),
            refund_intents.c.id.label("intent_id"),
            refund_intents.c.state.label("intent_state"),
        )
        .join(cases, cases.c.id == decisions.c.case_id)
        .outerjoin(refund_intents, refund_intents.c.case_id == cases.c.id)
        .where(decisions.c.event_row_id == row_id)
        .order_by(decisions.c.id)
    ).all()


def _in_states(states: Sequence[EventState]) -> ColumnElement[bool]:
    # Literal, so that the partial indexes apply.
    return or_(*(events.c.state == text(f"'{state.value}'") for state in states))


def _of_type(wanted: str) -> ColumnElement[bool]:
    if wanted.endswith("*"):
        return events.c.type.startswith(wanted[:-1], autoescape=True)
    return events.c.type == wanted
