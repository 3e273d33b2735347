"""What each type of event means: which object it shows, and which charges are judged because of it.

A handler writes the object's newest state and names the charges whose judgement may change. It calls
nothing outside the database, and what it does twice is the same as once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, bindparam, select

from ledger.events import ClaimedEvent
from ledger.look_ups import want_look_up
from ledger.projections import Placed, Projection, Sighting, project
from ledger.stripe_tables import charges, invoice_payments, invoices
from policy.plan_changes import ItemChange
from workers.context import WorkerContext
from workers.fraud_touching import suspects
from workers.item_changes import seen_change
from workers.plan_sighting import see_plan_change
from workers.rendered_fields import RenderedFields, UnreadableRendering
from workers.sighting_consequences import follow_sighting
from workers.stripe_objects import Seen, read_object

#: Releases whose renderings are read here; a later, unknown one may mean other things by old names.
READABLE_RELEASES = frozenset({"acacia", "basil", "clover", "dahlia", "endive"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What an event came to: a note for people, and the charges to be judged now, as duplicates and for fraud."""

    note: str
    charge_ids: tuple[str, ...] = ()
    look_ups: tuple[int, ...] = ()
    suspects: tuple[str, ...] = ()


def handle(context: WorkerContext, connection: Connection, event: ClaimedEvent) -> Handled:
    """Project one event's object. UnreadableRendering says why the event must be parked."""
    _require_readable_release(event.api_version)
    told = _told(event)
    data = told.part("data")
    rendered = data.raw("object")
    if event.type == "customer.deleted" and isinstance(rendered, dict):
        rendered = {**rendered, "deleted": True}
    seen = Seen(
        account=event.account,
        livemode=event.livemode,
        created=event.created,
        event_id=event.event_id,
        first=event.type.endswith(".created"),
    )
    sighting = read_object(rendered, seen, context.terms.newest.duplicates)
    projection = project(connection, sighting)
    followed = follow_sighting(
        context, connection, sighting, projection, rendered, anyway=event.replayed
    )
    asked = list(followed.look_ups)
    if projection.placed is Placed.UNCLEAR:
        asked += _ask_stripe(context, connection, sighting, rendered)
    note = followed.note
    if event.type == "customer.subscription.updated":
        change = seen_change(data.part("previous_attributes"), data.part("object"))
        note = _CHANGE_NOTES.get(change)
        if change is ItemChange.PLAN:
            see_plan_change(connection, event, told, context.clock.now_ms())
    return Handled(
        note=note or f"{projection.placed}",
        charge_ids=tuple(touched_charges(connection, sighting, projection, anyway=event.replayed)),
        look_ups=tuple(asked),
        suspects=tuple(suspects(connection, sighting, projection, anyway=event.replayed)),
    )


def shown_object(event: ClaimedEvent) -> object:
    """The object that an event shows, whatever it is; None where there is none to read."""
    try:
        return _told(event).part("data").raw("object")
    except (UnreadableRendering, ValueError):
        return None


def touched_charges(
    connection: Connection, sighting: Sighting, projection: Projection, *, anyway: bool = False
) -> list[str]:
    """The charges whose judgement may differ, now that an object reads differently.

    `anyway`: those that it could ever matter to, although nothing changed (a replay asks again).
    """
    found = _TOUCHED.get(sighting.table.name)
    if found is None or not (anyway or projection.changed & found.columns):
        return []
    return found.charge_ids(connection, sighting)


def charges_of_invoice(connection: Connection, invoice_id: str) -> list[str]:
    """The known charges that paid, or were to pay, one invoice."""
    return list(connection.execute(_OF_INVOICE, {"invoice": invoice_id}).scalars())


def charges_of_payment_intent(connection: Connection, payment_intent_id: object) -> list[str]:
    """The known charges of one PaymentIntent."""
    parameters = {"payment_intent": payment_intent_id}
    return list(connection.execute(_OF_PAYMENT_INTENT, parameters).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Touched:
    """Which columns of a projection matter to the judges, and to which charges."""

    columns: frozenset[str]
    charge_ids: Callable[[Connection, Sighting], list[str]]


def _itself(_connection: Connection, sighting: Sighting) -> list[str]:
    return [sighting.key]


def _its_charge(_connection: Connection, sighting: Sighting) -> list[str]:
    return [str(sighting.values["charge_id"])]


def _paid_by(connection: Connection, sighting: Sighting) -> list[str]:
    return charges_of_payment_intent(connection, sighting.values["payment_intent_id"])


def _of_invoice(connection: Connection, sighting: Sighting) -> list[str]:
    return charges_of_invoice(connection, sighting.key)


def _first_of_subscription(connection: Connection, sighting: Sighting) -> list[str]:
    parameters = {"subscription": sighting.key}
    return list(connection.execute(_FIRST_OF_SUBSCRIPTION, parameters).scalars())


# Statements are built once: building one costs as much as running it.
_OF_PAYMENT_INTENT = select(charges.c.charge_id).where(
    charges.c.payment_intent_id == bindparam("payment_intent")
)
_PAID = select(charges.c.charge_id).join(
    invoice_payments, invoice_payments.c.payment_intent_id == charges.c.payment_intent_id
)
_OF_INVOICE = _PAID.where(invoice_payments.c.invoice_id == bindparam("invoice"))
_FIRST_OF_SUBSCRIPTION = _PAID.join(
    invoices, invoices.c.invoice_id == invoice_payments.c.invoice_id
).where(
    invoices.c.subscription_id == bindparam("subscription"),
    invoices.c.billing_reason == "subscription_create",
)


_TOUCHED: Mapping[str, _Touched] = {
    "charges": _Touched(
        columns=frozenset({"status", "captured_minor", "refunded_minor", "customer_id"}),
        charge_ids=_itself,
    ),
    "disputes": _Touched(columns=frozenset({"status", "amount_minor"}), charge_ids=_its_charge),
    "invoice_payments": _Touched(
        columns=frozenset({"invoice_id", "payment_intent_id"}), charge_ids=_paid_by
    ),
    "invoices": _Touched(
        columns=frozenset({"amount_due_minor", "billing_reason", "subscription_id", "price_ids"}),
        charge_ids=_of_invoice,
    ),
    "subscriptions": _Touched(
        columns=frozenset({"status", "ended_at", "created"}), charge_ids=_first_of_subscription
    ),
}


def _told(event: ClaimedEvent) -> RenderedFields:
    """The event. A parked one may be replayed before anything can read it."""
    if event.kind != "snapshot":
        raise UnreadableRendering(f"{event.kind} events are kept and not read yet")
    return RenderedFields(orjson.loads(event.payload), "event")


def _require_readable_release(api_version: str | None) -> None:
    """Dated versions from before releases had names are tried: what they lack is named when read."""
    _, _, release = (api_version or "").partition(".")
    if release and release.split(".")[0] not in READABLE_RELEASES:
        raise UnreadableRendering(
            f"the event is rendered in {api_version}, which this version does not know yet;"
            " update redress, then replay the event"
        )


def _ask_stripe(
    context: WorkerContext, connection: Connection, sighting: Sighting, rendered: object
) -> list[int]:
    object_type = RenderedFields(rendered, "data.object").text("object")
    reason = "two events of one second differ"
    now_ms = context.clock.now_ms()
    asked = want_look_up(connection, object_type, sighting.key, reason, now_ms)
    return [] if asked is None else [asked]


#: What a person should read beside an event of a subscription.
_CHANGE_NOTES: Mapping[ItemChange, str] = {
    ItemChange.PLAN: "the plan changed",
    ItemChange.QUANTITY: "the quantity changed",
    ItemChange.RENEWAL: "renewed: the period moved, the plan did not change",
}
