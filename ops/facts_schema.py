"""The JSON Schema of the facts that a refund request is judged by, made from the records' own fields.

It says what `policy.request_facts.request_from_json` accepts. What no schema can say (one number that
must not exceed another) stands in the descriptions.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Final

from ops.fact_fields import FactField, fact_fields
from policy.checks import COUNT_MAX
from policy.invoice_taking import EarlierInvoice, InvoiceTaking
from policy.payments import InvoiceFacts, Payment, SubscriptionFacts
from policy.request_facts import RequestFacts

_CREDITS_OF: Final = "of the purchase: of a plan those of the month, of an annual plan of its first"

_DESCRIPTIONS: Final[Mapping[type, Mapping[str, str]]] = {
    RequestFacts: {
        "asked_at": "When the refund was asked for, in unix seconds (UTC); not before the purchase.",
        "named": "What the request names of what it has to name.",
        "reasons": "The reasons that the customer gives; empty for none.",
        "payment": "The charge that paid for the purchase.",
        "plan": "What was bought.",
        "initial": "Whether the charge is the first one of its annual plan, and no renewal.",
        "issued": f"Credits issued, {_CREDITS_OF}.",
        "used": f"Credits used, {_CREDITS_OF}; at most `issued`.",
        "successful": "Credits used for generations that succeeded; at most `used`.",
        "expired": "Whether the credits had expired when the refund was asked for.",
        "breach": "Whether the account was suspended or closed for breaking the terms of service.",
        "wrongly_flagged": "Whether an automatic check flagged the account by mistake.",
        "abuse": "Whether the service was abused or its filters were evaded.",
        "wrong_minor": "The part of the charge that is proven wrong, in minor units; 0 for none, at"
        " most `payment.captured_minor`.",
        "period_seconds": "How long what was paid for lasts, in seconds.",
        "lost_seconds": "For how much of it the service was documented to be down, in seconds; at"
        " most `period_seconds`.",
        "longest_outage_seconds": "The longest time without a break, in seconds, in which the service"
        " was down.",
        "longest_failure_seconds": "The longest time without a break, in seconds, in which faults"
        " kept the customer from working.",
        "fee_minor": "What processing the payment cost, in minor units of the charge's currency; at"
        " most `payment.captured_minor`.",
        "ruled_little": "What a person ruled about a use of exactly the terms' share: whether it"
        " counts as little.",
        "ruled_renewal": "What a person ruled about the renewal of a yearly plan: whether its unused"
        " full months go back.",
        "took": "What the invoice behind it really took; null or left out: what was captured is the price.",
    },
    InvoiceTaking: {
        "invoice_id": "Stripe's id of the invoice.",
        "plan_minor": "The whole period on it, less discounts and with tax, in minor units.",
        "charged_minor": "What prorations of other plans charged on it, in minor units.",
        "credited_minor": "What prorations of other plans credited on it, in minor units.",
        "balance_minor": "What the customer's balance paid of it, in minor units.",
        "paid_minor": "What payments paid of it, in minor units.",
        "given_back_minor": "What of that went back by other ways than refunds, in minor units; at most"
        " `paid_minor`.",
        "before": "The invoices that the subscription had before, the newest first.",
    },
    EarlierInvoice: {
        "invoice_id": "Stripe's id of the invoice.",
        "billing_reason": "Stripe's word for why it was made, such as subscription_cycle.",
        "plans": "Stripe's ids of the prices that it billed for a whole period.",
        "paid_minor": "What payments paid of it, in minor units.",
        "created": "When it was made, in unix seconds (UTC).",
    },
    Payment: {
        "charge_id": "Stripe's id of the charge.",
        "payment_intent_id": "Stripe's id of the PaymentIntent behind it.",
        "created": "When it was paid, which is the moment of the purchase, in unix seconds (UTC).",
        "captured_minor": "The money taken, in minor units of `currency`.",
        "refunded_minor": "What went back by refunds so far, in minor units of `currency`.",
        "currency": "Three lower-case letters, as Stripe writes them.",
        "customer_id": "Stripe's id of the customer.",
        "card_fingerprint": "Stripe's fingerprint of the card's number.",
        "order_reference": "The merchant's own order, from the charge's metadata.",
        "product": "The merchant's own product, from the charge's metadata.",
        "invoice": "The invoice behind it; null with `invoice_known` true says that there is none.",
        "invoice_known": "False while there may be an invoice that is not known; true when one is"
        " given.",
        "subscription": "The subscription whose invoice was paid.",
        "dispute": "Where the disputes about the charge stand, the worst of them when there are"
        " several.",
        "disputed_minor": "The money that disputes are about, in minor units; may exceed the charge.",
        "livemode": "Whether real money moved.",
    },
    InvoiceFacts: {
        "invoice_id": "Stripe's id of the invoice.",
        "subscription_id": "Stripe's id of the subscription that it is for.",
        "billing_reason": "Stripe's word for why it was made, such as subscription_create.",
        "amount_due_minor": "What it asked for before any payment, in minor units.",
        "price_ids": "Stripe's ids of the prices on its lines; empty when the lines are not known.",
    },
    SubscriptionFacts: {
        "subscription_id": "Stripe's id of the subscription.",
        "created": "When it was created, in unix seconds (UTC).",
        "ended_at": "When it ended, in unix seconds (UTC).",
        "status": "Stripe's word for its state, such as active.",
    },
}

_PLAIN: Final[Mapping[type, Mapping[str, Any]]] = {
    int: {"type": "integer", "minimum": 0, "maximum": COUNT_MAX},
    bool: {"type": "boolean"},
    str: {"type": "string", "minLength": 1},
}

#: What the records demand of single fields beyond their types.
_NARROWED: Final[Mapping[tuple[type, str], Mapping[str, Any]]] = {
    (RequestFacts, "issued"): {"minimum": 1},
    (RequestFacts, "period_seconds"): {"minimum": 1},
    (RequestFacts, "named"): {"uniqueItems": True},
    (RequestFacts, "reasons"): {"uniqueItems": True},
    # The length keeps a line break out, which Python's `$` lets pass.
    (Payment, "currency"): {"pattern": "^[a-z]{3}$", "maxLength": 3},
}

#: What facts that were written down before may lack.
_MAY_LACK: Final = frozenset({(RequestFacts, "took")})

_INVOICE_IS_KNOWN: Final[dict[str, Any]] = {
    "if": {"properties": {"invoice": {"type": "object"}}},
    "then": {"properties": {"invoice_known": {"const": True}}},
}


def request_schema() -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, of a request's facts."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Facts of a refund request",
        "description": "null always means that a fact is not known. Amounts are minor units of the"
        " charge's currency, times unix seconds (UTC), credits whole numbers.",
        **_record(RequestFacts),
    }


def _record(record: type) -> dict[str, Any]:
    parts = fact_fields(record)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {part.name: _property(record, part) for part in parts},
        "required": [part.name for part in parts if (record, part.name) not in _MAY_LACK],
        "additionalProperties": False,
    }
    return schema | _INVOICE_IS_KNOWN if record is Payment else schema


def _property(record: type, part: FactField) -> dict[str, Any]:
    one = _value(part.kind)
    schema: dict[str, Any] = {"type": "array", "items": one} if part.many else one
    schema |= _NARROWED.get((record, part.name), {})
    return {
        "description": _DESCRIPTIONS[record][part.name],
        **(_or_null(schema) if part.optional else schema),
    }


def _value(kind: type) -> dict[str, Any]:
    if issubclass(kind, Enum):
        return {"type": "string", "enum": [member.value for member in kind]}
    return _record(kind) if is_dataclass(kind) else dict(_PLAIN[kind])


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    nullable = schema | {"type": [schema["type"], "null"]}
    return nullable | {"enum": [*schema["enum"], None]} if "enum" in schema else nullable
