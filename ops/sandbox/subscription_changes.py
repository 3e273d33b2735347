"""Changes of a subscription's items: plan changes, prorations, renewals.

Sources: https://docs.stripe.com/billing/subscriptions/change, …/prorations, …/pending-updates.
A change of interval, or `billing_cycle_anchor[type]=now`, begins a new period and bills it at once;
other changes keep the period and bill prorations as `proration_behavior` says. A trial lasts whatever the price,
has nothing to prorate, and ends early by `trial_end=now` only.
"""

import copy

from ops.sandbox import invoice_items, pending_updates, phase_fields
from ops.sandbox import subscription_billing as billing
from ops.sandbox.api_call import Call
from ops.sandbox.api_errors import ApiError, bad_parameter, invalid, missing
from ops.sandbox.book_tables import Json


def apply(call: Call, subscription: Json, fields: Json) -> Json:
    """Carry out an update: simple `fields` and, if given, the items of the call."""
    given = call.params
    before = copy.deepcopy(subscription)
    subscription |= fields
    changed = _change_items(call, subscription, given.get("items", []))
    restart = _begins_anew(call, before, changed)
    lines = [] if before["status"] == "trialing" else _prorations(call, before, changed, restart)
    if restart:
        _restart_periods(call, subscription)
    for item in subscription["items"]["data"] if "trial_end" in given and not restart else []:
        item |= {"current_period_start": call.now, "current_period_end": given["trial_end"]}
    _follow_schedule(call, subscription, changed)
    call.save("subscriptions", subscription)
    for line in lines:
        invoice_items.prorate(call, subscription, line)
    if restart or (lines and given.get("proration_behavior") == "always_invoice"):
        if not _bill_change(call, subscription, before, full=restart):
            return pending_updates.park(call, before, subscription)
        subscription = call.fetch("subscriptions", subscription["id"])
    call.emit("customer.subscription.updated", subscription, before)
    return subscription


def _begins_anew(call: Call, before: Json, changed: list[tuple[Json, Json | None]]) -> bool:
    """Whether a new period begins with the change, and is billed in full."""
    anchor = call.params.get("billing_cycle_anchor", {}).get("type", "unchanged")
    if anchor == "now" and "proration_date" in call.params:
        raise bad_parameter("proration_date cannot go with an anchor of now.", "proration_date")
    if "trial_end" in call.params:
        return bool(call.params["trial_end"] == "now")
    if before["status"] == "trialing":
        if anchor == "now":
            raise bad_parameter(
                "The billing cycle cannot begin before the trial ends: end the trial.",
                "billing_cycle_anchor",
                "subscription_update_trial_after_billing_cycle_anchor",
            )
        return False
    return anchor == "now" or any(
        old["price"]["recurring"] != new["price"]["recurring"] for old, new in changed if new
    )


def _prorations(
    call: Call, subscription: Json, changed: list[tuple[Json, Json | None]], restart: bool
) -> list[Json]:
    """What the change charges and credits in part; where a new period begins, only the credits."""
    if call.params.get("proration_behavior", "create_prorations") == "none":
        return []
    lines = [
        line for old, new in changed for line in billing.prorations(call, subscription, old, new)
    ]
    return [line for line in lines if not restart or line["amount"] < 0]


def renew(call: Call, subscription: Json, before: Json) -> tuple[Json, Json, Json | None]:
    """Move every item one period on and charge it; returns (subscription, invoice, charge).

    `before` is the subscription as it was before a schedule changed its prices for the new period.
    """
    anchor = subscription["billing_cycle_anchor"]
    for item in subscription["items"]["data"]:
        item.update(billing.period_of(item["price"], item["current_period_end"], anchor))
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    call.save("subscriptions", subscription)
    invoice = billing.bill(call, subscription, "subscription_cycle", full=True)
    subscription["latest_invoice"] = invoice["id"]
    call.save("subscriptions", subscription)
    call.emit("customer.subscription.updated", subscription, before, automatic=True)
    invoice, charge = billing.charge(call, subscription, invoice)
    subscription = call.fetch("subscriptions", subscription["id"])
    if invoice["status"] != "paid":
        call.update(
            "subscriptions",
            subscription,
            "customer.subscription.updated",
            automatic=True,
            status="past_due",
        )
    return subscription, invoice, charge


def set_prices(call: Call, subscription: Json, wanted: list[Json]) -> None:
    """Give a subscription the items of a schedule's phase."""
    items = subscription["items"]["data"]
    start = items[0]["current_period_start"]
    kept = []
    for place, item in enumerate(wanted):
        price = call.fetch("prices", item["price"], "items")
        if place < len(items):
            own = phase_fields.to_item(item) | {"quantity": item["quantity"]}
            kept.append(items[place] | billing.priced(price) | own)
        else:
            quantity = item["quantity"]
            kept.append(billing.new_item(call, subscription["id"], price, quantity, start))
    subscription["items"]["data"] = kept


def _change_items(
    call: Call, subscription: Json, given: list[Json]
) -> list[tuple[Json, Json | None]]:
    """Change the items in place; returns (old, new) of those whose cost changed."""
    items = subscription["items"]["data"]
    changed: list[tuple[Json, Json | None]] = []
    for index, wanted in enumerate(given):
        if "id" not in wanted:
            items.append(_added(call, subscription, wanted, index))
            continue
        item = next((row for row in items if row["id"] == wanted["id"]), None)
        if item is None:
            raise missing("subscription_item", wanted["id"], f"items[{index}][id]")
        old = dict(item)
        if wanted.get("deleted"):
            items.remove(item)
            changed.append((old, None))
            continue
        if "price" in wanted:
            price = call.fetch("prices", wanted["price"], f"items[{index}][price]")
            # Stripe falls back to a quantity of 1 when a new price comes without one.
            item |= billing.priced(price) | {"quantity": 1}
        item["quantity"] = wanted.get("quantity", item["quantity"])
        if (old["price"]["id"], old["quantity"]) != (item["price"]["id"], item["quantity"]):
            changed.append((old, item))
    if not items:
        raise invalid("A subscription must have at least one item.", "items")
    return changed


def _added(call: Call, subscription: Json, wanted: Json, index: int) -> Json:
    price = call.fetch("prices", wanted.get("price", ""), f"items[{index}][price]")
    first = subscription["items"]["data"][0]
    start = first["current_period_start"]
    return billing.new_item(call, subscription["id"], price, wanted.get("quantity", 1), start)


def _restart_periods(call: Call, subscription: Json) -> None:
    subscription["billing_cycle_anchor"] = call.now
    for item in subscription["items"]["data"]:
        item.update(billing.period_of(item["price"], call.now, call.now))


def _follow_schedule(
    call: Call, subscription: Json, changed: list[tuple[Json, Json | None]]
) -> None:
    """Rewrite the current phase of an attached schedule, as direct item updates do."""
    if subscription["schedule"] is None or not changed:
        return
    schedule = call.fetch("subscription_schedules", subscription["schedule"])
    for phase in schedule["phases"]:
        if phase["start_date"] <= call.now < phase["end_date"]:
            by_price = {old["price"]["id"]: new for old, new in changed if new}
            for item in phase["items"]:
                new = by_price.get(item["price"])
                if new is not None:
                    item |= {"price": new["price"]["id"], "quantity": new["quantity"]}
    call.save("subscription_schedules", schedule)
    call.emit("subscription_schedule.updated", schedule)


def _bill_change(call: Call, subscription: Json, before: Json, *, full: bool) -> bool:
    """Bill a change at once; False when it must wait for its payment (pending_if_incomplete)."""
    behavior = call.params.get("payment_behavior", "allow_incomplete")
    invoice = billing.bill(call, subscription, "subscription_update", full=full)
    subscription["latest_invoice"] = invoice["id"]
    call.save("subscriptions", subscription)
    invoice, charge = billing.charge(call, subscription, invoice)
    if invoice["status"] == "paid":
        return True
    if behavior == "error_if_incomplete":
        failure = charge or {"failure_code": "resource_missing", "failure_message": "No card."}
        code = failure["failure_code"]
        if code == "authentication_required":
            code = "subscription_payment_intent_requires_action"
        raise ApiError(402, "card_error", code, failure["failure_message"])
    if behavior == "pending_if_incomplete":
        before["latest_invoice"] = invoice["id"]
        return False
    stored = call.fetch("subscriptions", subscription["id"])
    call.save("subscriptions", stored | {"status": "past_due"})
    return True
