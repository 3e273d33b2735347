"""An event's body as an operator may see it: what describes payments stays, what describes people goes.

An allow-list: a text is shown only when it is an id of Stripe's or stands under a name that is known
to hold no personal data. Everything below the name of a person or a place is masked, numbers included.
"""

import re
from typing import Any, Final

import orjson

from runtime.redaction import scrub_text, without_cards

MASK: Final = "[masked]"
_OPENS_A_PAYMENT: Final = "client_secret"

#: Names whose texts say nothing about a person. `last4` is what PCI DSS 3.4.1 lets people see.
SHOWN: Final = frozenset(
    {
        *("action", "api_version", "balance_type", "billing_reason", "billing_scheme", "brand"),
        *("capture_method", "category", "client_reference_id", "code", "collection_method"),
        *("confirmation_method", "cancellation_reason", "currency", "decline_code", "event"),
        *("failure_code", "failure_reason", "feedback", "fingerprint", "fraud_type", "funding"),
        *("idempotency_key", "interval", "kind", "last4", "lookup_key", "network"),
        *("network_status", "object", "outcome_type", "payment_method_types", "proration_behavior"),
        *("reason", "refund_status", "result", "risk_level", "setup_future_usage", "status"),
        *("tax_behavior", "three_d_secure", "type", "usage_type"),
        *("order_id", "order_reference", "order_number", "product_id", "sku", "redress_intent"),
    }
)

#: Below these names everything is about a person or a place, whatever it is called there.
_PERSONAL: Final = frozenset(
    {
        *("address", "billing_details", "checks", "client_secret", "customer_address"),
        *("customer_details", "customer_email", "customer_name", "customer_phone"),
        *("customer_shipping", "customer_tax_ids", "dob", "email", "exp_month", "exp_year"),
        *("individual", "ip", "ip_address", "iin", "name", "owner", "phone", "receipt_email"),
        *("shipping", "shipping_details", "verified_address", "verified_email", "verified_name"),
    }
)

# Stripe's own are 14 and longer; a person's nickname would have to be made for it to match.
_ID: Final = re.compile(
    r"(?:acct|ba|card|ch|cs|cus|dp|du|evt|ii|il|in|inpay|issfr|li|mandate|pi|pm|price|prod|prv|py"
    r"|pyr|re|req|seti|si|src|sub|sub_sched|tok|txn)_[A-Za-z0-9]{8,64}"
)


def masked_payload(body: bytes) -> Any:
    """The body as JSON without personal data; a body that is no JSON is told by its size alone."""
    try:
        return _mask(orjson.loads(body))
    except orjson.JSONDecodeError:
        return f"[{len(body)} bytes that are no JSON]"


def whole_payload(body: bytes) -> Any:
    """The body as JSON with the personal data in it, but for what nobody needs to see: card numbers and client secrets."""
    try:
        return _open(orjson.loads(body))
    except orjson.JSONDecodeError:
        return f"[{len(body)} bytes that are no JSON]"


def _open(value: Any, name: str = "") -> Any:
    if name == _OPENS_A_PAYMENT:
        return None if value is None else MASK
    if isinstance(value, dict):
        return {without_cards(key): _open(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_open(item, name) for item in value]
    return without_cards(value) if isinstance(value, str) else value


def _mask(value: Any, name: str = "") -> Any:
    if name in _PERSONAL:
        return None if value is None else MASK
    if isinstance(value, dict):
        return {scrub_text(key): _mask(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, name) for item in value]
    if isinstance(value, str):
        return scrub_text(value) if name in SHOWN or _ID.fullmatch(value) else MASK
    return value
