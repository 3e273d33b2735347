"""Coupons (https://docs.stripe.com/api/coupons), and what they take off the lines of an invoice, in minor units.

A discount is named by its coupon here. Those of an item come before those of its subscription; prorations are of net
prices already (`proration_discounts` is "included" in the flexible billing mode), and have none of their own.
"""

from typing import Any

from ops.sandbox import amounts
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter
from ops.sandbox.book_tables import Json

_DURATIONS = ("forever", "once")


def create(call: Call) -> Json:
    """Create a coupon of a percentage or an amount; emits coupon.created."""
    given = call.params
    duration = given.get("duration", "once")
    if duration not in _DURATIONS:
        raise bad_parameter(f"The sandbox's durations are {', '.join(_DURATIONS)}.", "duration")
    if ("percent_off" in given) == ("amount_off" in given):
        raise bad_parameter("Give percent_off or amount_off.", "percent_off")
    percent = given.get("percent_off")
    coupon: Json = {
        "id": given.get("id") or call.new_id("co"),
        "object": "coupon",
        "amount_off": given.get("amount_off"),
        "created": call.now,
        "currency": given.get("currency"),
        "duration": duration,
        "duration_in_months": None,
        "livemode": False,
        "max_redemptions": None,
        "metadata": merged_metadata({}, given.get("metadata")),
        "name": given.get("name"),
        "percent_off": None if percent is None else float(percent),
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }
    call.save("coupons", coupon)
    call.emit("coupon.created", coupon)
    return coupon


def retrieve(call: Call) -> Json:
    """Return one coupon."""
    return call.fetch("coupons")


def check(call: Call, given: Json, where: str = "") -> None:
    """Refuse a call that names a coupon which is not there, on the subscription, an item or a phase."""
    for index, discount in enumerate(given.get("discounts") or []):
        place = f"{where}discounts[{index}]"
        if discount.get("promotion_code"):
            raise bad_parameter("The sandbox has no promotion codes.", f"{place}[promotion_code]")
        for kind in ("coupon", "discount"):
            if discount.get(kind):
                call.fetch("coupons", discount[kind], f"{place}[{kind}]")
    for name in ("items", "phases"):
        for index, part in enumerate(given.get(name) or []):
            check(call, part, f"{where}{name}[{index}].")


def taken_off(call: Call, subscription: Json, item: Json, amount_minor: int) -> list[Json]:
    """What discounts take off a full period of an item: [{"amount", "discount"}], never more than it costs."""
    found: list[Json] = []
    left = amount_minor
    for name in item["discounts"] or subscription["discounts"]:
        coupon = call.fetch("coupons", name)
        off = min(left, _off(coupon, left))
        left -= off
        found.append({"amount": off, "discount": name})
    return found


def spend(call: Call, subscription: Json) -> None:
    """Forget the coupons that were for one invoice; in place, and saved."""
    names: list[Any] = subscription["discounts"]
    lasting = [name for name in names if call.fetch("coupons", name)["duration"] == "forever"]
    if lasting != names:
        subscription["discounts"] = lasting
        call.save("subscriptions", subscription)


def _off(coupon: Json, amount_minor: int) -> int:
    if coupon["percent_off"] is None:
        return int(coupon["amount_off"])
    return amounts.share(amount_minor, coupon["percent_off"])
