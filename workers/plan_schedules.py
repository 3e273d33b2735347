"""The parameters of the calls that change a plan. Whatever a phase does not name, Stripe unsets.

Source: docs.stripe.com/billing/subscriptions/subscription-schedules, /api/subscription_schedules/update,
/api/subscriptions/update (2026-10-28.endive). Times are unix seconds (UTC).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workers.gateway import Rendered
from workers.plan_at_stripe import PriceAtHand, SubscriptionAtHand
from workers.rendered_fields import RenderedFields, UnreadableRendering

#: The key in a schedule's metadata whose value names the change that it carries out.
CHANGE_MARK = "redress_change"

Given = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch at a period's end: from the current phase of a schedule to another price."""

    price_id: str
    interval: str  # as in PriceAtHand: "month", "3 month"
    new_interval: bool
    starts_at: int
    mark: str


def schedule_params(subscription_id: str) -> str:
    """A schedule that goes on as the subscription does; Stripe takes nothing else beside its id."""
    return _text({"from_subscription": subscription_id})


def phases_params(schedule: Rendered, switch: Switch) -> str:
    """The current phase as it is until the switch, then the same at the new price for one period.

    Raises UnreadableRendering when the schedule shows no current phase.
    """
    current = _current_phase(schedule)
    before = _carried(current) | {
        "start_date": RenderedFields(current, "phase").whole("start_date"),
        "end_date": switch.starts_at,
        "proration_behavior": "none",
    }
    count, _, unit = switch.interval.rpartition(" ")
    after = _carried(current) | {
        "duration": {"interval": unit, "interval_count": int(count or 1)},
        "proration_behavior": "none",
    }
    after["items"] = [item | {"price": switch.price_id} for item in after["items"]]
    # The trial is the first phase's alone, and so is an anchor that it was given.
    for name in ("trial_end", "billing_cycle_anchor"):
        after.pop(name, None)
    if switch.new_interval:
        # Subscriptions with flexible billing never move their anchor by themselves.
        after["billing_cycle_anchor"] = "phase_start"
    return _text(
        {
            "end_behavior": "release",
            "metadata": {CHANGE_MARK: switch.mark},
            "phases": [before, after],
            "proration_behavior": "none",
        }
    )


def switch_params(subscription: SubscriptionAtHand, wanted: PriceAtHand) -> str:
    """The change at once: a new period at the new price, charged in full, or nothing at all."""
    item = subscription.items[0]
    # Without the item's id a second item is added; without the quantity it becomes 1.
    changed = {"id": item.item_id, "price": wanted.price_id, "quantity": item.quantity}
    return _text(
        {
            "billing_cycle_anchor": {"type": "now"},
            "items": [changed],
            "payment_behavior": "error_if_incomplete",
            "proration_behavior": "none",
        }
    )


def bears_mark(schedule: Rendered, mark: str) -> bool:
    """Whether a schedule carries out the change of this mark."""
    return RenderedFields(schedule, "schedule").part("metadata").raw(CHANGE_MARK) == mark


def _text(given: Given) -> str:
    # Not the canonical form, which has no place for a fee of 2.5 %.
    return json.dumps(given, sort_keys=True, separators=(",", ":"))


def _current_phase(schedule: Rendered) -> Mapping[str, Any]:
    fields = RenderedFields(schedule, "subscription_schedule")
    start = fields.part("current_phase").whole("start_date")
    fields.parts("phases")  # says so where it is no list
    for phase in schedule.get("phases") or []:
        if phase.get("start_date") == start:
            return dict(phase)
    raise UnreadableRendering("subscription_schedule.phases shows no current phase")


def _carried(phase: Mapping[str, Any]) -> Given:
    """Every field of a phase as the parameter that sets it, but for when it begins and ends."""
    return _picked(phase, _PHASE)


def _picked(shown: Mapping[str, Any], names: Mapping[str, Callable[[Any], Any]]) -> Given:
    picked = {
        name: read(shown[name]) for name, read in names.items() if shown.get(name) is not None
    }
    return {name: value for name, value in picked.items() if value not in ({}, [], None)}


def _as_it_is(value: Any) -> Any:
    return value


def _id(value: Any) -> Any:
    """An object that stands as its id, or expanded."""
    return value["id"] if isinstance(value, Mapping) else value


def _ids(values: Any) -> Any:
    return [_id(value) for value in values]


def _only(*names: str) -> Callable[[Any], Any]:
    return lambda shown: _picked(shown, dict.fromkeys(names, _as_it_is))


def _discounts(shown: Any) -> Any:
    """Each discount by what names it: the discount that runs, else the code, else the coupon."""
    found = []
    for discount in shown:
        if isinstance(discount, str):
            found.append({"discount": discount})
            continue
        name = next(one for one in _DISCOUNT_NAMES if discount.get(one) is not None)
        found.append({name: _id(discount[name])})
    return found


def _issuer(shown: Any) -> Any:
    return _picked(shown, {"type": _as_it_is, "account": _id})


def _automatic_tax(shown: Any) -> Any:
    return _picked(shown, {"enabled": _as_it_is, "liability": _issuer})


def _invoice_settings(shown: Any) -> Any:
    names = {"account_tax_ids": _ids, "days_until_due": _as_it_is, "issuer": _issuer}
    return _picked(shown, names)


def _transfer(shown: Any) -> Any:
    return _picked(shown, {"amount_percent": _as_it_is, "destination": _id})


def _items(shown: Any) -> Any:
    return [_picked(item, _ITEM) for item in shown]


_DISCOUNT_NAMES = ("discount", "promotion_code", "coupon")
_ITEM: Mapping[str, Callable[[Any], Any]] = {
    "billing_thresholds": _only("usage_gte"),
    "discounts": _discounts,
    "metadata": _as_it_is,
    "price": _id,
    "quantity": _as_it_is,
    "tax_rates": _ids,
}
_PHASE: Mapping[str, Callable[[Any], Any]] = {
    "application_fee_percent": _as_it_is,
    "automatic_tax": _automatic_tax,
    "billing_cycle_anchor": _as_it_is,
    "billing_thresholds": _only("amount_gte", "reset_billing_cycle_anchor"),
    "collection_method": _as_it_is,
    "default_payment_method": _id,
    "default_tax_rates": _ids,
    "description": _as_it_is,
    "discounts": _discounts,
    "invoice_settings": _invoice_settings,
    "items": _items,
    "metadata": _as_it_is,
    "on_behalf_of": _id,
    "transfer_data": _transfer,
    "trial_end": _as_it_is,
}
