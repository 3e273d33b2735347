"""Holds objects of Stripe's against the ledger's rows: what is missing, and which amounts and states differ.

A difference is told only when it is still there on a second look at both sides, and when no event about the object
waits for a worker: what is on its way is no difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from ledger.backfill_tables import DifferenceKind
from ledger.reconciliations import Difference
from ledger.refund_intents import intent_by_id
from ledger.rows import AnyRow
from ledger.states import EventState, LookUpState
from ledger.tables import events, look_ups, refund_intents
from workers.context import WorkerContext
from workers.gateway import Rendered
from workers.gateway_errors import Rejected
from workers.outcomes import refund_seen
from workers.stripe_objects import OBJECT_TYPES, Seen, read_object

REFUND: Final = "refund"
INTENT: Final = "refund_intent"
_RESOURCE_MISSING: Final = "resource_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One type of Stripe's: its list, and the columns of the ledger's projection that must agree.

    `kept_seconds`: how far back it is looked at, None from the ledger's beginning on. `created`: the column that says
    when it was made, by which rows that Stripe does not list are found; None where there is none.
    """

    resource: str
    key: str
    amounts: tuple[str, ...]
    states: tuple[str, ...]
    kept_seconds: int | None
    created: str | None = "created"
    query: tuple[tuple[str, Any], ...] = ()


_DAY: Final = 86_400
#: In the order in which they are compared. Objects that live long are looked at over their whole life.
COMPARED: Final[Mapping[str, Compared]] = {
    "charge": Compared(
        resource="charges",
        key="charge_id",
        amounts=("amount_minor", "captured_minor", "refunded_minor", "currency"),
        states=(
            "status",
        ),  # not `disputed`, which no event of the charge tells: disputes are compared themselves
        kept_seconds=30 * _DAY,
    ),
    REFUND: Compared(
        resource="refunds",
        key="refund_id",
        amounts=("amount_minor", "currency"),
        states=("status", "charge_id"),
        kept_seconds=60 * _DAY,
    ),
    "dispute": Compared(
        resource="disputes",
        key="dispute_id",
        amounts=("amount_minor", "currency"),
        states=("status", "charge_id"),
        kept_seconds=180 * _DAY,
    ),
    "subscription": Compared(
        resource="subscriptions",
        key="subscription_id",
        amounts=(),
        states=("status", "cancel_at_period_end", "schedule_id", "items"),
        kept_seconds=None,
        query=(("status", "all"),),
    ),
    "subscription_schedule": Compared(
        resource="subscription_schedules",
        key="schedule_id",
        amounts=(),
        states=("status", "phases"),
        kept_seconds=None,
        created=None,
    ),
}
#: A schedule in one of these has something to do still; of others nothing follows.
_LIVE_SCHEDULES: Final = ("active", "not_started")


class BookComparison:
    """Compares one page, or some rows, at a time. Calls Stripe for second looks; raises GatewayError."""

    def __init__(self, context: WorkerContext, object_type: str) -> None:
        self._context = context
        self._type = object_type
        self._compared = COMPARED[object_type]
        self._table = OBJECT_TYPES[object_type].table
        self._key = self._table.c[self._compared.key]

    def of_page(self, page: Sequence[Rendered]) -> list[Difference]:
        """The differences of objects that Stripe lists."""
        with self._context.store.read() as connection:
            suspected = [str(one["id"]) for one in page if self._differences(connection, one)]
        return [found for object_id in suspected for found in self.of_object(object_id)]

    def of_object(self, object_id: str) -> list[Difference]:
        """The differences of one object, asked of both sides anew."""
        try:
            rendered = self._context.gateway.stripe_object(self._type, object_id)
        except Rejected as error:
            if error.code != _RESOURCE_MISSING:
                raise
            return self._missing_there(object_id)
        with self._context.store.read() as connection:
            if _on_its_way(connection, self._type, object_id):
                return []
            return self._differences(connection, rendered)

    def unlisted(
        self, connection: Connection, since: int, until: int, listed: Iterable[str]
    ) -> list[str]:
        """The ids of the ledger's rows of [since, until) that a list of that span did not have."""
        created = self._compared.created
        if created is None:
            within = self._table.c.status.in_(_LIVE_SCHEDULES)
        else:
            made = self._table.c[created]
            within = made.between(since, until - 1)
        query = select(self._key).where(within).order_by(self._key)
        known = set(listed)
        return [one for one in connection.execute(query).scalars() if one not in known]

    def intents_without_refund(self, connection: Connection, since_ms: int) -> list[AnyRow]:
        """Intents that name a refund of Stripe's which the ledger has no row of."""
        return list(
            connection.execute(
                select(refund_intents.c.id, refund_intents.c.refund_id, refund_intents.c.state)
                .outerjoin(self._table, self._key == refund_intents.c.refund_id)
                .where(
                    refund_intents.c.refund_id.is_not(None),
                    self._key.is_(None),
                    refund_intents.c.changed_ms >= since_ms,
                )
                .order_by(refund_intents.c.id)
            ).all()
        )

    def _differences(self, connection: Connection, rendered: Rendered) -> list[Difference]:
        object_id = str(rendered["id"])
        there = self._values(rendered)
        row = connection.execute(select(self._table).where(self._key == object_id)).first()
        found = self._of_intent(connection, rendered) if self._type == REFUND else []
        if row is None:
            return [
                self._told(DifferenceKind.MISSING_HERE, object_id, "", None, _said(there)),
                *found,
            ]
        here = row._asdict()
        for kind, names in (
            (DifferenceKind.AMOUNT, self._compared.amounts),
            (DifferenceKind.STATE, self._compared.states),
        ):
            found += [
                self._told(kind, object_id, name, str(here[name]), str(there[name]))
                for name in names
                if here[name] != there[name]
            ]
        return found

    def _of_intent(self, connection: Connection, rendered: Rendered) -> list[Difference]:
        """What our own intent says otherwise about a refund that names it."""
        seen = refund_seen(rendered)
        if seen.intent_id is None:
            return []
        intent = intent_by_id(connection, seen.intent_id)
        if intent is None:
            return [
                _of_intent(DifferenceKind.MISSING_HERE, seen.intent_id, "", None, seen.refund_id)
            ]
        if not seen.same_money(intent):
            here = f"{intent.amount} of {intent.charge_id}"
            there = f"{seen.amount_minor} {seen.currency} of {seen.charge_id}"
            return [_of_intent(DifferenceKind.AMOUNT, intent.intent_id, "amount", here, there)]
        if seen.state is not intent.state or intent.refund_id != seen.refund_id:
            here = f"{intent.state} {intent.refund_id or ''}".strip()
            there = f"{seen.state} {seen.refund_id}"
            return [_of_intent(DifferenceKind.STATE, intent.intent_id, "state", here, there)]
        return []

    def _missing_there(self, object_id: str) -> list[Difference]:
        with self._context.store.read() as connection:
            row = connection.execute(select(self._table).where(self._key == object_id)).first()
            intents = connection.execute(
                select(refund_intents.c.id, refund_intents.c.state).where(
                    refund_intents.c.refund_id == object_id
                )
            ).all()
        found = [
            _of_intent(DifferenceKind.MISSING_THERE, one.id, "", f"{one.state} {object_id}", None)
            for one in intents
            if self._type == REFUND
        ]
        if row is not None:
            here = _said(row._asdict())
            found.insert(0, self._told(DifferenceKind.MISSING_THERE, object_id, "", here, None))
        return found

    def _values(self, rendered: Rendered) -> Mapping[str, object]:
        seen = Seen(
            account="",
            livemode=self._context.settings.livemode,
            created=0,
            event_id="reconcile",
            first=False,
        )
        return read_object(rendered, seen, self._context.terms.newest.duplicates).values

    def _told(
        self, kind: DifferenceKind, object_id: str, field: str, here: str | None, there: str | None
    ) -> Difference:
        return Difference(
            kind=kind,
            object_type=self._type,
            object_id=object_id,
            field=field,
            here=here,
            there=there,
        )


def _of_intent(
    kind: DifferenceKind, intent_id: str, field: str, here: str | None, there: str | None
) -> Difference:
    return Difference(
        kind=kind, object_type=INTENT, object_id=intent_id, field=field, here=here, there=there
    )


def _said(values: Mapping[str, object]) -> str:
    """An object in a few words: its amount and its status."""
    amount = values.get("amount_minor")
    money = "" if amount is None else f"{amount} {values.get('currency')}, "
    return f"{money}{values.get('status')}"


def _on_its_way(connection: Connection, object_type: str, object_id: str) -> bool:
    """Whether a worker will look at the object by itself."""
    event = select(events.c.id).where(
        events.c.object_id == object_id,
        events.c.state.in_((EventState.NEW.value, EventState.CLAIMED.value)),
    )
    question = select(look_ups.c.id).where(
        look_ups.c.object_type == object_type,
        look_ups.c.object_id == object_id,
        look_ups.c.state == LookUpState.WANTED.value,
    )
    return any(connection.execute(query.limit(1)).first() for query in (event, question))
