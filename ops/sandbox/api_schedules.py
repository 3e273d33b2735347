"""Subscription schedules (https://docs.stripe.com/billing/subscriptions/subscription-schedules).

A schedule is made from a subscription; its phases have a `duration` or an `end_date`. Fields that
an update leaves out of a phase are unset, as at Stripe.
"""

import copy
from typing import Any

from ops.sandbox import (
    api_subscriptions,
    coupons,
    phase_fields,
    subscription_changes,
    tax_rates,
)
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter, invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json
from policy import billing_periods

_LIVE = ("not_started", "active")


def create(call: Call) -> Json:
    """Make a schedule whose one phase is the subscription's current period."""
    given = call.params
    if "from_subscription" not in given or set(given) - {"from_subscription", "expand"}:
        raise bad_parameter(
            "The sandbox makes schedules by from_subscription alone; update them afterwards.",
            "from_subscription",
        )
    subscription = call.fetch("subscriptions", given["from_subscription"], "from_subscription")
    if subscription["schedule"] is not None:
        raise invalid("The subscription already has a schedule attached.", "from_subscription")
    items = subscription["items"]["data"]
    phase = _phase(
        subscription["currency"],
        items[0]["current_period_start"],
        max(item["current_period_end"] for item in items),
        [_shown_item(item) for item in items],
        phase_fields.of_subscription(subscription),
    )
    schedule = _render(call, subscription, phase)
    call.save("subscription_schedules", schedule)
    call.emit("subscription_schedule.created", schedule)
    call.update(
        "subscriptions", subscription, "customer.subscription.updated", schedule=schedule["id"]
    )
    return schedule


def retrieve(call: Call) -> Json:
    """Return one schedule."""
    return call.fetch("subscription_schedules")


def list_all(call: Call) -> Json:
    """List schedules; filters: customer, created."""
    return list_objects(call, "subscription_schedules", "customer")


def update(call: Call) -> Json:
    """Replace the phases, end_behavior or metadata; emits subscription_schedule.updated."""
    schedule = _live(call)
    given = call.params
    coupons.check(call, given)
    tax_rates.resolve(call, given)
    before = copy.deepcopy(schedule)
    schedule["metadata"] = merged_metadata(schedule["metadata"] or {}, given.get("metadata"))
    schedule["end_behavior"] = given.get("end_behavior", schedule["end_behavior"])
    if "phases" in given:
        schedule["phases"] = _phases(call, before, given["phases"])
        first = schedule["phases"][0]
        schedule["current_phase"] = _span(first)
        _apply_now(call, schedule, first)
    call.save("subscription_schedules", schedule)
    call.emit("subscription_schedule.updated", schedule, before)
    return schedule


def release(call: Call) -> Json:
    """Let the subscription go on by itself; emits subscription_schedule.released."""
    return let_go(call, _live(call), automatic=False)


def cancel(call: Call) -> Json:
    """Cancel the schedule and, as at Stripe, the subscription with it."""
    schedule = _live(call)
    subscription = call.fetch("subscriptions", schedule["subscription"])
    api_subscriptions.end(call, subscription, {}, automatic=False)
    return call.fetch("subscription_schedules")


def let_go(call: Call, schedule: Json, *, automatic: bool) -> Json:
    """Detach a schedule from its subscription."""
    subscription = call.fetch("subscriptions", schedule["subscription"])
    schedule |= {
        "status": "released",
        "released_at": call.now,
        "released_subscription": subscription["id"],
        "current_phase": None,
    }
    schedule["subscription"] = None
    call.save("subscription_schedules", schedule)
    call.emit("subscription_schedule.released", schedule, automatic=automatic)
    name = "customer.subscription.updated"
    call.update("subscriptions", subscription, name, automatic=automatic, schedule=None)
    return schedule


def advance(call: Call, subscription: Json) -> None:
    """Enter the phase that begins where the subscription's period ends; in place, unsaved."""
    schedule = call.fetch("subscription_schedules", subscription["schedule"])
    moment = max(item["current_period_end"] for item in subscription["items"]["data"])
    phase = next((p for p in schedule["phases"] if p["start_date"] <= moment < p["end_date"]), None)
    if phase is None:
        let_go(call, schedule, automatic=True)
        subscription["schedule"] = None
        return
    subscription_changes.set_prices(call, subscription, phase["items"])
    if schedule["current_phase"] != _span(phase):
        subscription |= phase_fields.to_subscription(subscription, phase)
        call.update(
            "subscription_schedules",
            schedule,
            "subscription_schedule.updated",
            automatic=True,
            current_phase=_span(phase),
        )


def _live(call: Call) -> Json:
    schedule = call.fetch("subscription_schedules")
    if schedule["status"] not in _LIVE:
        raise invalid(f"The schedule is {schedule['status']}, so it cannot be changed.")
    return schedule


def _phases(call: Call, schedule: Json, given: list[Json]) -> list[Json]:
    currency, begun = schedule["phases"][0]["currency"], schedule["current_phase"]["start_date"]
    start = given[0].get("start_date", begun)
    if start != begun:
        raise invalid(
            "The first phase must keep the start_date of the current phase.",
            "phases[0][start_date]",
        )
    phases = []
    for index, phase in enumerate(given):
        if phase.get("start_date", start) != start:
            raise invalid(
                "A phase must start where the one before it ends.", f"phases[{index}][start_date]"
            )
        items = [_item(call, item, index) for item in phase["items"]]
        end = _end(phase, start, index)
        if end <= call.now:
            raise invalid("A phase cannot end in the past.", f"phases[{index}][end_date]")
        phases.append(_phase(currency, start, end, items, phase))
        start = end
    return phases


def _item(call: Call, item: Json, index: int) -> Json:
    price = call.fetch("prices", item.get("price", ""), f"phases[{index}][items][0][price]")
    return {"price": price["id"], "quantity": item.get("quantity", 1)} | phase_fields.of_item(item)


def _shown_item(item: Json) -> Json:
    shown = {"price": item["price"]["id"], "quantity": item["quantity"]}
    return shown | phase_fields.of_item(item)


def _end(phase: Json, start: int, index: int) -> int:
    end: Any = phase.get("end_date")
    duration: Any = phase.get("duration")
    if (end is None) == (duration is None) or isinstance(end, str):
        raise bad_parameter(
            "Give each phase an end_date or a duration.", f"phases[{index}][duration]"
        )
    if duration is not None:
        count = duration.get("interval_count", 1)
        end = billing_periods.period_end(start, duration["interval"], count, start)
    if end <= start:
        raise invalid("A phase must end after it starts.", f"phases[{index}][end_date]")
    return int(end)


def _apply_now(call: Call, schedule: Json, phase: Json) -> None:
    """Bring the running subscription to the items of the current phase."""
    subscription = call.fetch("subscriptions", schedule["subscription"])
    before = copy.deepcopy(subscription)
    subscription_changes.set_prices(call, subscription, phase["items"])
    subscription |= phase_fields.to_subscription(subscription, phase)
    if subscription != before:
        call.save("subscriptions", subscription)
        call.emit("customer.subscription.updated", subscription, before)


def _span(phase: Json) -> Json:
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}


def _phase(currency: str, start: int, end: int, items: list[Json], given: Json) -> Json:
    extras: Json = {"billing_thresholds": None, "discounts": [], "metadata": {}, "tax_rates": []}
    return phase_fields.shown(given) | {
        "add_invoice_items": [],
        "currency": currency,
        "end_date": end,
        "items": [extras | {"plan": item["price"]} | item for item in items],
        "proration_behavior": given.get("proration_behavior", "create_prorations"),
        "start_date": start,
    }


def _render(call: Call, subscription: Json, phase: Json) -> Json:
    settings: Json = dict.fromkeys((
        "application_fee_percent", "billing_thresholds", "default_payment_method", "description",
        "on_behalf_of", "transfer_data",
    ))  # fmt: skip
    return {
        "id": call.new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": subscription["billing_mode"],
        "canceled_at": None,
        "completed_at": None,
        "created": call.now,
        "current_phase": _span(phase),
        "customer": subscription["customer"],
        "default_settings": settings
        | {
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic",
            "collection_method": "charge_automatically",
            "invoice_settings": {
                "account_tax_ids": None,
                "days_until_due": None,
                "issuer": {"type": "self"},
            },
        },
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "pause_schedules": [],
        "phases": [phase],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": None,
    }
