"""What a phase of a schedule says about its subscription, beside prices and times.

Source: https://docs.stripe.com/api/subscription_schedules. A phase that does not name a field unsets it;
metadata alone is merged. Discounts are named by their coupons, tax rates are whole objects.
"""

from typing import Any

from ops.sandbox.book_tables import Json

#: Fields that a phase and a subscription call alike, with what they are when nothing is given.
SHARED: dict[str, Any] = {
    "application_fee_percent": None,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_thresholds": None,
    "collection_method": "charge_automatically",
    "default_payment_method": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
    "on_behalf_of": None,
    "transfer_data": None,
}
_OF_ITEM = ("billing_thresholds", "discounts", "metadata", "tax_rates")
_ANCHORED_ANEW = "phase_start"


def of_subscription(subscription: Json) -> Json:
    """The fields of the phase that a schedule made from a subscription begins with."""
    fields = {name: subscription[name] for name in SHARED}
    fields["invoice_settings"] = subscription["invoice_settings"] | {
        "days_until_due": subscription["days_until_due"]
    }
    fields["discounts"] = [_named(discount) for discount in subscription["discounts"]]
    return fields | {
        "metadata": subscription["metadata"],
        "trial_end": subscription["trial_end"],
    }


def of_item(item: Json) -> Json:
    """The same of one item, shown or given."""
    fields = {name: item[name] for name in _OF_ITEM if item.get(name)}
    if "discounts" in fields:
        fields["discounts"] = [_named(discount) for discount in fields["discounts"]]
    return fields


def given_to_item(given: Json) -> Json:
    """The fields that a call names for an item of a subscription; each discount by what names it."""
    fields = {name: given[name] for name in _OF_ITEM if given.get(name)}
    if "discounts" in fields:
        fields["discounts"] = _ids(fields["discounts"])
    return fields


def to_item(item: Json) -> Json:
    """The fields of a subscription's item in this phase."""
    return {name: item[name] for name in _OF_ITEM} | {"discounts": _ids(item["discounts"])}


def shown(given: Json) -> Json:
    """The fields of a phase as it is shown: what was given, and blanks."""
    blanks: Json = dict.fromkeys((*SHARED, "billing_cycle_anchor", "trial_end"))
    lists: Json = {"default_tax_rates": [], "discounts": [], "metadata": {}}
    fields = blanks | lists | {name: given[name] for name in blanks | lists if given.get(name)}
    fields["discounts"] = [_named(discount) for discount in fields["discounts"]]
    return fields


def to_subscription(subscription: Json, phase: Json) -> Json:
    """The subscription's fields in this phase."""
    settings = phase["invoice_settings"] or {}
    fields = {name: phase[name] or usual for name, usual in SHARED.items()}
    fields["discounts"] = _ids(phase["discounts"])
    issuer = {"issuer": settings.get("issuer") or {"type": "self"}}
    fields["invoice_settings"] = {"account_tax_ids": settings.get("account_tax_ids")} | issuer
    fields["automatic_tax"] = SHARED["automatic_tax"] | (phase["automatic_tax"] or {})
    fields["days_until_due"] = settings.get("days_until_due")
    fields["metadata"] = subscription["metadata"] | phase["metadata"]
    over = subscription["trial_end"] is None or subscription["trial_end"] <= phase["start_date"]
    fields["trial_end"] = subscription["trial_end"] if over else phase["trial_end"]
    if phase["billing_cycle_anchor"] == _ANCHORED_ANEW:
        fields["billing_cycle_anchor"] = phase["start_date"]
    return fields


def given_to_subscription(given: Json) -> Json:
    """The fields that a call names for a subscription; each discount by what names it."""
    fields = {name: given[name] for name in SHARED if name in given}
    if "discounts" in fields:
        fields["discounts"] = _ids(fields["discounts"] or [])
    if "automatic_tax" in fields:
        fields["automatic_tax"] = SHARED["automatic_tax"] | fields["automatic_tax"]
    return fields


def _ids(discounts: list[Json]) -> list[Any]:
    """The discounts of a subscription as it shows them: by the id of what names each."""
    return [next(value for value in discount.values() if value) for discount in discounts]


def _named(discount: Any) -> Json:
    blank: Json = {"coupon": None, "discount": None, "promotion_code": None}
    return blank | ({"discount": discount} if isinstance(discount, str) else discount)
