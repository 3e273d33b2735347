"""Reads Stripe's objects, as events and answers render them, into rows of the ledger's projections.

`progress` orders the states of one object within one second; see ledger/projections.py. The fields
and their places are those of API 2026-10-28.endive; where an older release had the field elsewhere
(`Subscription.current_period_end`, `Invoice.subscription`), the older place is read as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Table

from ledger import stripe_tables
from ledger.projections import Sighting
from ledger.refund_intents import INTENT_METADATA
from policy.terms_file import DuplicateTerms
from runtime.email_addresses import is_address
from runtime.email_digest import email_digest
from workers import billing_objects
from workers.billing_objects import Values
from workers.charge_signals import (
    DEVICE_KEY,
    IP_KEY,
    disposable,
    metadata_digest,
    network_of,
    told_signals,
)
from workers.rendered_fields import RenderedFields, UnreadableRendering


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Where a rendering comes from: the account and mode, and the event (or look-up) that showed it."""

    account: str
    livemode: bool
    created: int  # unix seconds: the event's own `created`
    event_id: str
    first: bool  # a `….created` event: of two in one second, it is the earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectType:
    """How one type of Stripe's objects is read: its table, its columns, and its states in order."""

    table: Table
    values: Callable[[RenderedFields, DuplicateTerms], Values]
    progress: Callable[[Values], int]


def read_object(rendered: object, seen: Seen, terms: DuplicateTerms) -> Sighting:
    """The sighting in one rendering; UnreadableRendering names the field that cannot be read."""
    where = rendered.get("object") if isinstance(rendered, Mapping) else None
    kind = OBJECT_TYPES.get(where) if isinstance(where, str) else None
    if kind is None or not isinstance(where, str):
        raise UnreadableRendering(f"data.object.object is {where!r}, which is not read here")
    fields = RenderedFields(rendered, where)
    values = kind.values(fields, terms)
    return Sighting(
        table=kind.table,
        key=fields.text("id"),
        account=seen.account,
        livemode=fields.flag("livemode", otherwise=seen.livemode),
        values=values,
        seen_created=seen.created,
        progress=kind.progress(values) << 1 | (not seen.first),
        event_id=seen.event_id,
    )


def _charge(fields: RenderedFields, terms: DuplicateTerms) -> Values:
    amount_minor = fields.amount("amount")
    captured = fields.flag("captured", otherwise=True)
    metadata = fields.part("metadata")
    card = fields.part("payment_method_details").part("card")
    address = _address(fields.part("billing_details"), "email") or _address(fields, "receipt_email")
    return {
        "payment_intent_id": fields.reference("payment_intent"),
        "customer_id": fields.reference("customer"),
        "card_fingerprint": card.text_or_none("fingerprint"),
        "order_reference": metadata.first_text(terms.order_reference_keys),
        "product": metadata.first_text(terms.product_keys),
        "currency": fields.currency("currency"),
        "amount_minor": amount_minor,
        "captured_minor": fields.amount_or("amount_captured", amount_minor if captured else 0),
        "refunded_minor": fields.amount_or("amount_refunded", 0),
        "status": fields.text("status"),
        "disputed": fields.flag("disputed"),
        "balance_transaction_id": fields.reference("balance_transaction"),
        "email_digest": None if address is None else email_digest(address),
        "card_network": network_of(fields),
        "ip_digest": metadata_digest(fields, IP_KEY),
        "device_digest": metadata_digest(fields, DEVICE_KEY),
        "signals": told_signals(fields, address),
        "created": fields.whole("created"),
    }


def _charge_progress(values: Values) -> int:
    money = int(str(values["captured_minor"])) + int(str(values["refunded_minor"]))
    marks = 2 * bool(values["disputed"]) + bool(values["balance_transaction_id"])
    return _rank(values, "status", ("pending", "failed", "succeeded")) << 57 | money << 2 | marks


def _payment_intent(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    return {
        "customer_id": fields.reference("customer"),
        "latest_charge_id": fields.reference("latest_charge"),
        "status": fields.text("status"),
        "currency": fields.currency("currency"),
        "amount_minor": fields.amount("amount"),
        "created": fields.whole("created"),
    }


def _dispute(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    charge_id = fields.reference("charge")
    if charge_id is None:
        raise UnreadableRendering("dispute.charge must be an id")
    card = fields.part("payment_method_details").part("card")
    return {
        "charge_id": charge_id,
        "payment_intent_id": fields.reference("payment_intent"),
        "status": fields.text("status"),
        "reason": fields.text_or_none("reason"),
        "currency": fields.currency("currency"),
        "amount_minor": fields.amount("amount"),
        "due_by": fields.part("evidence_details").whole_or_none("due_by"),
        "network_reason_code": fields.text_or_none("network_reason_code")
        or card.text_or_none("network_reason_code"),
        "case_type": card.text_or_none("case_type"),
        "created": fields.whole_or_none("created"),
    }


def _refund(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    return {
        "charge_id": fields.reference("charge"),
        "payment_intent_id": fields.reference("payment_intent"),
        "intent_id": fields.part("metadata").text_or_none(INTENT_METADATA),
        "status": fields.text_or_none("status"),
        "reason": fields.text_or_none("reason"),
        "failure_reason": fields.text_or_none("failure_reason"),
        "currency": fields.currency("currency"),
        "amount_minor": fields.amount("amount"),
        "created": fields.whole("created"),
    }


def _review(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    return {
        "charge_id": fields.reference("charge"),
        "payment_intent_id": fields.reference("payment_intent"),
        "open": fields.flag("open"),
        "opened_reason": fields.text_or_none("opened_reason"),
        "reason": fields.text_or_none("reason"),
        "closed_reason": fields.text_or_none("closed_reason"),
    }


def _warning(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    charge_id = fields.reference("charge")
    if charge_id is None:
        raise UnreadableRendering("radar.early_fraud_warning.charge must be an id")
    return {
        "charge_id": charge_id,
        "payment_intent_id": fields.reference("payment_intent"),
        "actionable": fields.flag("actionable"),
        "fraud_type": fields.text("fraud_type"),
        "created": fields.whole("created"),
    }


def _customer(fields: RenderedFields, _terms: DuplicateTerms) -> Values:
    address = _address(fields, "email")
    return {
        "deleted": fields.flag("deleted"),
        "email_digest": None if address is None else email_digest(address),
        "disposable": None if address is None else disposable(address),
        "created": fields.whole_or_none("created"),
    }


def _address(fields: RenderedFields, name: str) -> str | None:
    """An e-mail address; None for none, and for what is none: no money hangs on its form."""
    found = fields.raw(name)
    return found.strip() if isinstance(found, str) and is_address(found.strip()) else None


def _rank(values: Values, name: str, order: tuple[str, ...]) -> int:
    """The place of a state in its usual order; one that is not listed comes last."""
    state = values[name]
    return order.index(state) if state in order else len(order)


def _by_order(name: str, *order: str) -> Callable[[Values], int]:
    return lambda values: _rank(values, name, order)


OBJECT_TYPES: Mapping[str, ObjectType] = {
    "charge": ObjectType(table=stripe_tables.charges, values=_charge, progress=_charge_progress),
    "payment_intent": ObjectType(
        table=stripe_tables.payment_intents,
        values=_payment_intent,
        progress=_by_order(
            "status",
            "requires_payment_method",
            "requires_confirmation",
            "requires_action",
            "processing",
            "requires_capture",
            "canceled",
            "succeeded",
        ),
    ),
    "invoice": ObjectType(
        table=stripe_tables.invoices,
        values=billing_objects.invoice_values,
        progress=_by_order("status", "draft", "open", "uncollectible", "void", "paid"),
    ),
    "invoice_payment": ObjectType(
        table=stripe_tables.invoice_payments,
        values=billing_objects.invoice_payment_values,
        progress=_by_order("status", "open", "canceled", "paid"),
    ),
    "subscription": ObjectType(
        table=stripe_tables.subscriptions,
        values=billing_objects.subscription_values,
        # Most states of a subscription may follow each other either way: only its end is last.
        progress=lambda values: int(values["status"] in billing_objects.SUBSCRIPTION_OVER),
    ),
    "billing_portal.session": ObjectType(
        table=stripe_tables.portal_sessions,
        # Its address opens the customer's account for a while: it is not read.
        values=lambda fields, _terms: {
            "customer_id": fields.reference("customer"),
            "created": fields.whole("created"),
        },
        progress=lambda _values: 0,
    ),
    "subscription_schedule": ObjectType(
        table=stripe_tables.subscription_schedules,
        values=billing_objects.schedule_values,
        progress=_by_order("status", "not_started", "active", "completed", "released", "canceled"),
    ),
    "dispute": ObjectType(
        table=stripe_tables.disputes,
        values=_dispute,
        progress=_by_order(
            "status",
            "warning_needs_response",
            "warning_under_review",
            "warning_closed",
            "needs_response",
            "under_review",
            "lost",
            "appeal_needs_response",
            "appeal_under_review",
            "won",
        ),
    ),
    "refund": ObjectType(
        table=stripe_tables.refunds,
        values=_refund,
        progress=_by_order("status", "pending", "requires_action", "succeeded", "canceled"),
    ),
    "review": ObjectType(
        table=stripe_tables.reviews,
        values=_review,
        progress=lambda values: int(not values["open"]),
    ),
    "radar.early_fraud_warning": ObjectType(
        table=stripe_tables.early_fraud_warnings,
        values=_warning,
        progress=lambda values: int(not values["actionable"]),
    ),
    "price": ObjectType(
        table=stripe_tables.prices,
        values=billing_objects.price_values,
        progress=lambda values: int(not values["active"]),
    ),
    "customer": ObjectType(
        table=stripe_tables.customers,
        values=_customer,
        progress=lambda values: int(bool(values["deleted"])),
    ),
}
