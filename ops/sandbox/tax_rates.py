"""Tax rates (https://docs.stripe.com/api/tax_rates), and the taxes of an invoice's lines, in minor units.

Rates are given by their ids and shown as objects. Those of an item come before those of its subscription.
"""

from decimal import Decimal

from ops.sandbox import amounts
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.book_tables import Json

_NAMES = ("default_tax_rates", "tax_rates")


def create(call: Call) -> Json:
    """Create a rate that comes on top of prices, or is in them (`inclusive`); emits tax_rate.created."""
    given = call.params
    rate: Json = {
        "id": call.new_id("txr"),
        "object": "tax_rate",
        "active": True,
        "country": given.get("country"),
        "created": call.now,
        "description": given.get("description"),
        "display_name": given["display_name"],
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": given["inclusive"],
        "jurisdiction": given.get("jurisdiction"),
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "percentage": float(given["percentage"]),
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
    }
    call.save("tax_rates", rate)
    call.emit("tax_rate.created", rate)
    return rate


def retrieve(call: Call) -> Json:
    """Return one tax rate."""
    return call.fetch("tax_rates")


def resolve(call: Call, given: Json, where: str = "") -> None:
    """Put the rates in the place of the ids that a call names, on the subscription, an item or a phase."""
    for name in _NAMES:
        if given.get(name):
            ids = enumerate(given[name])
            given[name] = [
                call.fetch("tax_rates", rate_id, f"{where}{name}[{index}]")
                for index, rate_id in ids
            ]
    for name in ("items", "phases"):
        for index, part in enumerate(given.get(name) or []):
            resolve(call, part, f"{where}{name}[{index}].")


def rates_of(subscription: Json, item: Json) -> list[Json]:
    """The rates that an item is billed with."""
    found: list[Json] = item["tax_rates"] or subscription["default_tax_rates"]
    return found


def taxes(rates: list[Json], amount_minor: int) -> list[Json]:
    """The `taxes` of a line that costs so much after its discounts."""
    inclusive = sum(Decimal(str(rate["percentage"])) for rate in rates if rate["inclusive"])
    net = amounts.half_up(Decimal(amount_minor) * 100 / (100 + inclusive))
    return [
        {
            "amount": amounts.share(net, rate["percentage"]),
            "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
            "tax_rate_details": {"tax_rate": rate["id"]},
            "taxability_reason": "standard_rated",
            "taxable_amount": net,
            "type": "tax_rate_details",
        }
        for rate in rates
    ]


def on_top(found: list[Json]) -> int:
    """What of a line's taxes is not in its amount."""
    return sum(tax["amount"] for tax in found if tax["tax_behavior"] == "exclusive")
