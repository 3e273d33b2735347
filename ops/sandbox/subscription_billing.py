"""What a subscription's items cost, and the invoices that ask for it.

Amounts are minor units; prorations are whole units of money by seconds of the period, rounded
towards the customer.
"""

from ops.sandbox import coupons, invoice_items, tax_rates
from ops.sandbox import invoice_making as making
from ops.sandbox.api_call import Call
from ops.sandbox.api_lists import sublist
from ops.sandbox.book_tables import Json
from policy import billing_periods


def new_item(call: Call, subscription_id: str, price: Json, quantity: int, start: int) -> Json:
    """Return a subscription item for a price, its current period beginning at `start`."""
    item: Json = {
        "id": call.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": call.now,
        "discounts": [],
        "metadata": {},
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }
    return item | priced(price) | period_of(price, start, start)


def priced(price: Json) -> Json:
    """Return the fields `price` and the deprecated `plan` of an item."""
    recurring = price["recurring"]
    plan = {
        "id": price["id"],
        "object": "plan",
        "active": True,
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": {},
        "meter": None,
        "nickname": None,
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
    return {"plan": plan, "price": price}


def period_of(price: Json, start: int, anchor: int) -> Json:
    """Return current_period_start/_end of an item whose period begins at `start`."""
    recurring = price["recurring"]
    end = billing_periods.period_end(
        start, recurring["interval"], recurring["interval_count"], anchor
    )
    return {"current_period_start": start, "current_period_end": end}


def items_list(subscription_id: str, items: list[Json]) -> Json:
    """Return the `items` of a subscription."""
    return sublist(f"/v1/subscription_items?subscription={subscription_id}", items)


def amount_of(item: Json) -> int:
    """Return what one full period of an item costs, in minor units."""
    return int(item["price"]["unit_amount"] * item["quantity"])


def bill(call: Call, subscription: Json, reason: str, *, full: bool) -> Json:
    """Write, announce and finalize an invoice: what waits for it, then (`full`) one period of each item."""
    customer = call.fetch("customers", subscription["customer"])
    invoice = making.draft(call, customer, subscription["currency"], reason, subscription)
    for waiting in invoice_items.waiting(call, subscription):
        rates = subscription["default_tax_rates"] if waiting["proration"] else []
        invoice_items.take_in(call, invoice, waiting, rates)
    for item in subscription["items"]["data"] if full else []:
        making.add_line(
            call,
            invoice,
            amount_of(item),
            description=f"{item['quantity']} x {item['price']['id']}",
            price=item["price"],
            quantity=item["quantity"],
            period=(item["current_period_start"], item["current_period_end"]),
            parent=making.subscription_line_parent(subscription, item),
            taken_off=coupons.taken_off(call, subscription, item, amount_of(item)),
            rates=tax_rates.rates_of(subscription, item),
        )
    if full:
        coupons.spend(call, subscription)
    call.save("invoices", invoice)
    automatic = reason == "subscription_cycle"
    call.emit("invoice.created", invoice, automatic=automatic)
    return making.finalize(call, invoice, automatic=automatic)


def charge(call: Call, subscription: Json, invoice: Json) -> tuple[Json, Json | None]:
    """Collect an invoice from the subscription's card; returns (invoice, charge)."""
    customer = call.fetch("customers", subscription["customer"])
    method = making.paying_method(call, customer, subscription["default_payment_method"])
    return making.collect(call, invoice, method)


def net_amount(call: Call, subscription: Json, item: Json) -> int:
    """Return what one full period of an item costs after its discounts, before taxes."""
    amount = amount_of(item)
    taken_off = coupons.taken_off(call, subscription, item, amount)
    return amount - sum(int(one["amount"]) for one in taken_off)


def prorations(call: Call, subscription: Json, old: Json, new: Json | None) -> list[Json]:
    """Return the credit for the unused rest of `old` and the charge for `new` over the same rest."""
    start, end = old["current_period_start"], old["current_period_end"]
    now = min(max(call.now, start), end)
    rest, whole = end - now, end - start
    lines = [
        {
            "item": old,
            "amount": -net_amount(call, subscription, old) * rest // whole,
            "description": f"Unused time on {old['price']['id']}",
            "period": [now, end],
        }
    ]
    if new is not None:
        lines.append(
            {
                "item": new,
                "amount": net_amount(call, subscription, new) * rest // whole,
                "description": f"Remaining time on {new['price']['id']}",
                "period": [now, end],
            }
        )
    return lines
