"""Subscriptions (https://docs.stripe.com/api/subscriptions).

Periods are on the items, as since basil; `billing_cycle_anchor` of an update is an object, as since
endive. Changes of items are in `subscription_changes`.
"""

import copy
from typing import Any

from ops.sandbox import (
    api_payment_methods,
    coupons,
    phase_fields,
    subscription_billing,
    subscription_changes,
    tax_rates,
)
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import ApiError, bad_parameter, invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

_OVER = ("canceled", "incomplete_expired")
_DAY_SECONDS = 86400


def create(call: Call) -> Json:
    """Create a subscription and charge its first period (or begin its trial)."""
    given = call.params
    coupons.check(call, given)
    tax_rates.resolve(call, given)
    customer = call.fetch("customers", given.get("customer", ""), "customer")
    prices = [_price(call, item, index) for index, item in enumerate(given.get("items", []))]
    if not prices:
        raise bad_parameter("Missing required param: items.", "items", "parameter_missing")
    subscription = _render(call, customer, prices[0]["currency"])
    items = []
    for item, price in zip(given["items"], prices, strict=True):
        quantity = item.get("quantity", 1)
        made = subscription_billing.new_item(call, subscription["id"], price, quantity, call.now)
        items.append(made | phase_fields.given_to_item(item))
    subscription["items"] = subscription_billing.items_list(subscription["id"], items)
    trial_end = _trial_end(call)
    if trial_end is not None:
        subscription |= {"status": "trialing", "trial_start": call.now, "trial_end": trial_end}
        subscription["billing_cycle_anchor"] = trial_end
        for item in items:
            item["current_period_end"] = trial_end
    call.save("subscriptions", subscription)
    call.emit("customer.subscription.created", subscription)
    if trial_end is None:
        _first_payment(call, subscription)
    return call.fetch("subscriptions", subscription["id"])


def retrieve(call: Call) -> Json:
    """Return one subscription."""
    return call.fetch("subscriptions")


def list_all(call: Call) -> Json:
    """List subscriptions, ended ones only by status; filters: customer, price, status, created."""
    status, price = call.params.get("status"), call.params.get("price")

    def keep(row: Json) -> bool:
        if price and all(item["price"]["id"] != price for item in row["items"]["data"]):
            return False
        if status == "all":
            return True
        if status == "ended":
            return row["status"] in _OVER
        return row["status"] not in _OVER if status is None else row["status"] == status

    return list_objects(call, "subscriptions", "customer", keep=keep)


def update(call: Call) -> Json:
    """Change a subscription; emits customer.subscription.updated with previous_attributes."""
    subscription = call.fetch("subscriptions")
    if subscription["status"] in _OVER:
        raise invalid("A canceled subscription can only update its cancellation_details.")
    given = call.params
    coupons.check(call, given)
    tax_rates.resolve(call, given)
    fields: Json = phase_fields.given_to_subscription(given)
    fields["metadata"] = merged_metadata(subscription["metadata"], given.get("metadata"))
    fields |= _told_to_end(call, subscription)
    if "default_payment_method" in given:
        wanted = given["default_payment_method"]
        method = api_payment_methods.resolve(call, wanted, "default_payment_method")
        fields["default_payment_method"] = method["id"]
    for name in ("description", "pause_collection", "days_until_due"):
        if name in given:
            fields[name] = given[name] or None
    if "trial_end" in given:
        fields |= _on_trial(call, given["trial_end"])
    return subscription_changes.apply(call, subscription, fields)


def cancel(call: Call) -> Json:
    """End a subscription now; gives no money back. Emits customer.subscription.deleted."""
    subscription = call.fetch("subscriptions")
    if subscription["status"] in _OVER:
        raise invalid("The subscription is already canceled.", None, "resource_missing")
    details = call.params.get("cancellation_details", {})
    return end(call, subscription, details, automatic=False)


def end(call: Call, subscription: Json, details: Json, *, automatic: bool) -> Json:
    """Move a subscription to canceled, and its schedule with it."""
    reason: Json = {"comment": None, "feedback": None, "reason": "cancellation_requested"}
    subscription |= {
        "status": "canceled",
        "canceled_at": subscription["canceled_at"] or call.now,
        "ended_at": call.now,
        "cancellation_details": reason | details,
    }
    if subscription["schedule"] is not None:
        schedule = call.fetch("subscription_schedules", subscription["schedule"])
        schedule |= {"status": "canceled", "canceled_at": call.now, "current_phase": None}
        call.save("subscription_schedules", schedule)
        call.emit("subscription_schedule.canceled", schedule, automatic=automatic)
        subscription["schedule"] = None
    call.save("subscriptions", subscription)
    call.emit("customer.subscription.deleted", subscription, automatic=automatic)
    return subscription


def _price(call: Call, item: Json, index: int) -> Json:
    name = f"items[{index}][price]"
    if "price" not in item:
        raise bad_parameter(f"Missing required param: {name}.", name, "parameter_missing")
    price = call.fetch("prices", item["price"], name)
    if price["recurring"] is None:
        raise invalid("The price is not recurring.", name)
    return price


def _trial_end(call: Call) -> int | None:
    days, moment = call.params.get("trial_period_days"), call.params.get("trial_end")
    if days:
        return call.now + int(days) * _DAY_SECONDS
    return moment if isinstance(moment, int) and moment > call.now else None


def _on_trial(call: Call, moment: Any) -> Json:
    """The fields of a subscription whose trial is to end at a moment, at which it is billed next, or now."""
    if moment == "now":
        return {"status": "active", "trial_end": call.now}
    if not isinstance(moment, int) or moment <= call.now:
        raise bad_parameter("The sandbox takes a trial_end in the future.", "trial_end")
    if call.params.get("proration_behavior") != "none":
        raise bad_parameter(
            "The sandbox sets a trial_end with proration_behavior none only.", "proration_behavior"
        )
    return {
        "billing_cycle_anchor": moment,
        "status": "trialing",
        "trial_end": moment,
        "trial_start": call.now,
    }


def _first_payment(call: Call, subscription: Json) -> None:
    invoice = subscription_billing.bill(call, subscription, "subscription_create", full=True)
    subscription = call.fetch("subscriptions", subscription["id"])
    subscription["latest_invoice"] = invoice["id"]
    if invoice["status"] == "paid":
        subscription["status"] = "active"
    call.save("subscriptions", subscription)
    behavior = call.params.get("payment_behavior", "allow_incomplete")
    if behavior == "default_incomplete":
        return
    invoice, charge = subscription_billing.charge(call, subscription, invoice)
    if invoice["status"] == "paid":
        return
    if charge is None:
        raise invalid(
            "This customer has no attached payment source or default payment method.",
            None,
            "resource_missing",
        )
    if behavior == "error_if_incomplete":
        message = charge["failure_message"]
        raise ApiError(402, "card_error", charge["failure_code"], message)


def _told_to_end(call: Call, subscription: Json) -> Json:
    given = call.params
    if "cancel_at_period_end" in given and "cancel_at" in given:
        raise bad_parameter("Give cancel_at or cancel_at_period_end, not both.", "cancel_at")
    if "cancel_at_period_end" in given:
        return _ending(call, subscription, given["cancel_at_period_end"])
    return _ending_at(call, subscription, given["cancel_at"]) if "cancel_at" in given else {}


def _ending(call: Call, subscription: Json, at_period_end: bool) -> Json:
    last = max(item["current_period_end"] for item in subscription["items"]["data"])
    return {
        "cancel_at_period_end": at_period_end,
        "cancel_at": last if at_period_end else None,
        "canceled_at": call.now if at_period_end else None,
    }


def _ending_at(call: Call, subscription: Json, moment: Any) -> Json:
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    named = {"min_period_end": min(ends), "max_period_end": max(ends), "": None}
    at = named.get(moment, moment) if isinstance(moment, str) else moment
    if isinstance(at, str):
        raise bad_parameter("The sandbox does not model this cancel_at.", "cancel_at")
    canceled_at = None if at is None else call.now
    return {"cancel_at": at, "cancel_at_period_end": False, "canceled_at": canceled_at}


def _render(call: Call, customer: Json, currency: str) -> Json:
    given = call.params
    method = given.get("default_payment_method")
    if method:
        method = api_payment_methods.resolve(call, method, "default_payment_method")["id"]
    blanks: dict[str, Any] = dict.fromkeys((
        "application", "billing_cycle_anchor_config",
        "cancel_at", "canceled_at", "default_source",
        "ended_at", "latest_invoice", "next_pending_invoice_item_invoice",
        "pause_collection", "pending_invoice_item_interval", "pending_setup_intent",
        "pending_update", "schedule", "test_clock", "trial_end", "trial_start",
    ))  # fmt: skip
    ending = given.get("cancel_at_period_end", False)
    named = phase_fields.given_to_subscription(given) | {"default_payment_method": method or None}
    return (
        blanks
        | {
            "id": call.new_id("sub"),
            "object": "subscription",
            "billing_cycle_anchor": call.now,
            "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
            "billing_schedules": [],
            "cancel_at_period_end": ending,
            "cancellation_details": {"comment": None, "feedback": None, "reason": None},
            "created": call.now,
            "currency": currency,
            "customer": customer["id"],
            "days_until_due": given.get("days_until_due"),
            "livemode": False,
            "metadata": merged_metadata({}, given.get("metadata")),
            "payment_settings": {
                "payment_method_options": None,
                "payment_method_types": None,
                "save_default_payment_method": "off",
            },
            "start_date": call.now,
            "status": "incomplete",
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        }
        | copy.deepcopy(phase_fields.SHARED)
        | named
    )
