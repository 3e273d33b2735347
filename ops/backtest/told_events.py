"""Reads stored events into a back-test's history, as the handlers would, and says which payments to look at.

Events of types that say nothing about fraud are passed over; what cannot be read is counted and passed over.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson
from sqlalchemy import Connection, select

from ledger.tables import events
from ops.backtest.case_history import KEPT_SECONDS, CaseHistory
from policy.fraud_signals import DAY_SECONDS, Try
from policy.terms_file import DuplicateTerms
from runtime.limits import BODY_BYTES_MAX
from workers.fraud_touching import told_try
from workers.rendered_fields import UnreadableRendering
from workers.stripe_objects import Seen, read_object

READ_TYPES: Final = (
    *("charge.", "radar.early_fraud_warning.", "review."),
    *("customer.created", "customer.updated", "customer.deleted"),
)
_PAGE: Final = 2_000

_Put: TypeAlias = Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """One event as a file or the ledger has it: its type, when it was made (unix seconds), and its object."""

    event_id: str
    type: str
    created: int
    rendered: Mapping[str, Any]


class NoEvent(ValueError):
    """A line of a file holds no event of Stripe's; the text says which and why."""


def stored_events(connection: Connection, since_ms: int) -> Iterator[ToldEvent]:
    """The events that the ledger took in since, in the order in which they came, page by page."""
    after = 0
    while True:
        rows = connection.execute(
            select(events.c.id, events.c.type, events.c.payload)
            .where(
                events.c.id > after, events.c.received_ms >= since_ms, events.c.kind == "snapshot"
            )
            .order_by(events.c.id)
            .limit(_PAGE)
        ).all()
        for row in rows:
            if row.type.startswith(READ_TYPES):
                yield told_event(orjson.loads(row.payload), f"event row {row.id}")
        if len(rows) < _PAGE:
            return
        after = rows[-1].id


def exported_events(path: Path, since: int) -> Iterator[ToldEvent]:
    """The events of a JSON-lines file made since a unix second, the oldest first: one of Stripe's event objects a line."""
    first = newest = last = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            event = _event_of_line(line, f"{path.name}:{number}")
            last = event.created
            first, newest = first or last, max(newest, last)
            if last < newest - KEPT_SECONDS:
                days = (newest - last) // DAY_SECONDS
                raise NoEvent(
                    f"{path.name}:{number}: {days} days older than an event before it; sort the"
                    " file by `created`, the oldest first"
                )
            if last >= since and event.type.startswith(READ_TYPES):
                yield event
    if last < first:
        raise NoEvent(f"{path.name}: the newest events come first; `tac` turns the file around")


def _event_of_line(line: bytes, where: str) -> ToldEvent:
    if len(line) > BODY_BYTES_MAX:
        raise NoEvent(f"{where}: the line is longer than any event")
    try:
        loaded = orjson.loads(line)
    except orjson.JSONDecodeError as broken:
        raise NoEvent(f"{where}: no JSON ({broken})") from broken
    return told_event(loaded, where)


def told_event(loaded: Any, where: str) -> ToldEvent:
    """One of Stripe's event objects. Raises NoEvent that names `where`."""
    if not isinstance(loaded, dict) or not isinstance(loaded.get("type"), str):
        raise NoEvent(f"{where}: an event has a type; this has none")
    data, created = loaded.get("data"), loaded.get("created")
    rendered = data.get("object") if isinstance(data, dict) else None
    if not isinstance(rendered, dict) or not isinstance(created, int):
        raise NoEvent(f"{where}: an event has created and data.object; this lacks one")
    return ToldEvent(
        event_id=str(loaded.get("id", where)),
        type=loaded["type"],
        created=created,
        rendered=rendered,
    )


class Reader:
    """Puts events into a history. `unread` counts those that could not be."""

    def __init__(self, history: CaseHistory, terms: DuplicateTerms) -> None:
        self._history = history
        self._terms = terms
        self._progress: dict[str, tuple[int, int]] = {}
        #: What was told of payments that are not known yet: an event may come before its charge's.
        self._early: dict[str, list[_Put]] = {}
        self.unread = 0

    def read(self, event: ToldEvent) -> list[str]:
        """Put one event in; the payments whose judgement may differ."""
        seen = Seen(
            account="",
            livemode=False,
            created=event.created,
            event_id=event.event_id,
            first=event.type.endswith(".created"),
        )
        try:
            sighting = read_object(event.rendered, seen, self._terms)
        except UnreadableRendering:
            self.unread += 1
            return []
        place = (sighting.seen_created, sighting.progress)
        if sighting.table.name not in _PUT or self._progress.get(sighting.key, (0, 0)) > place:
            return []
        self._progress[sighting.key] = place
        return self._put(sighting.table.name, sighting.key, sighting.values)

    def _put(self, kind: str, key: str, values: Mapping[str, object]) -> list[str]:
        """Put an object's newest state in, or keep it until the payment that it is about is told."""
        put = _PUT[kind]
        about = values.get("charge_id")
        if kind not in _OF_THEMSELVES and about not in self._history.payments:
            waiting = self._early.setdefault(str(about), [])
            waiting.append(lambda: put(self._history, key, values))
            return []
        touched = put(self._history, key, values)
        if kind == "charges":
            for early in self._early.pop(key, ()):
                touched += early()
        return touched

    def forget(self, charge_ids: Iterable[str]) -> None:
        """Let the order of what is gone go, too."""
        for charge_id in charge_ids:
            self._progress.pop(charge_id, None)
            self._early.pop(charge_id, None)


def _put_charge(history: CaseHistory, key: str, values: Mapping[str, object]) -> list[str]:
    own = told_try(key, values)
    _, changed = history.put_try(
        own,
        str(values["signals"]),
        int(str(values["captured_minor"])),
        int(str(values["refunded_minor"])),
    )
    return [key, *history.later_payments(own)] if changed else [key]


def _put_customer(history: CaseHistory, key: str, values: Mapping[str, object]) -> list[str]:
    created = values["created"]
    since = None if created is None else int(str(created))
    return history.put_customer(key, since, _text(values["disposable"]))


def _put_dispute(history: CaseHistory, key: str, values: Mapping[str, object]) -> list[str]:
    found = history.payments[str(values["charge_id"])]
    told = (str(values["status"]), _text(values["reason"]), int(str(values["amount_minor"])))
    found.disputes = {**found.disputes, key: told}
    return _of_card(history, found.own)


def _put_warning(history: CaseHistory, key: str, values: Mapping[str, object]) -> list[str]:
    found = history.payments[str(values["charge_id"])]
    found.warnings |= {key}
    return _of_card(history, found.own)


def _put_review(history: CaseHistory, key: str, values: Mapping[str, object]) -> list[str]:
    found = history.payments[str(values["charge_id"])]
    state = "open" if values["open"] else (_text(values["closed_reason"]) or "open")
    found.reviews = {**found.reviews, key: state}
    return [found.own.charge_id]


def _of_card(history: CaseHistory, own: Try) -> list[str]:
    others = [one for one in history.payments_of_card(own) if one != own.charge_id]
    return [own.charge_id, *others]


def _text(found: object) -> str | None:
    return None if found is None else str(found)


#: What is about no other payment.
_OF_THEMSELVES: Final = frozenset({"charges", "customers"})
_PUT: Final[Mapping[str, Callable[[CaseHistory, str, Mapping[str, object]], list[str]]]] = {
    "charges": _put_charge,
    "customers": _put_customer,
    "disputes": _put_dispute,
    "early_fraud_warnings": _put_warning,
    "reviews": _put_review,
}
