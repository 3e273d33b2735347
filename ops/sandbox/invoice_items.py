"""Invoice items (https://docs.stripe.com/api/invoiceitems): what waits for an invoice, prorations among it.

A pending item belongs to a customer, and to one of the customer's subscriptions where it names it; the
next invoice of that subscription takes it in. Amounts are minor units.
"""

from collections.abc import Sequence
from typing import Any

from ops.sandbox import invoice_making as making
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter, invalid
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json


def create(call: Call) -> Json:
    """Add one line to a draft, or leave it pending for the next invoice; emits invoiceitem.created."""
    given = call.params
    if "invoice" in given:
        return _on_draft(call, call.fetch("invoices", given["invoice"], "invoice"))
    if "customer" not in given:
        raise bad_parameter("Give customer or invoice.", "customer", "parameter_missing")
    customer = call.fetch("customers", given["customer"], "customer")
    subscription = None
    if "subscription" in given:
        subscription = call.fetch("subscriptions", given["subscription"], "subscription")
    price, amount = _priced(call)
    item = _render(call, customer["id"], given.get("currency", "usd"), amount)
    item |= {
        "description": given.get("description"),
        "metadata": merged_metadata({}, given.get("metadata")),
        "parent": None if subscription is None else _parent(subscription["id"], None),
        "pricing": _pricing(price),
        "quantity": given.get("quantity", 1),
    }
    return _emitted(call, item)


def retrieve(call: Call) -> Json:
    """Return one invoice item."""
    return call.fetch("invoiceitems")


def list_all(call: Call) -> Json:
    """List invoice items; filters: customer, invoice, pending, created."""
    pending = call.params.get("pending")

    def keep(item: Json) -> bool:
        return pending is None or (item["invoice"] is None) == pending

    return list_objects(call, "invoiceitems", "customer", "invoice", keep=keep)


def delete(call: Call) -> Json:
    """Delete an item that no finalized invoice bears; emits invoiceitem.deleted."""
    item = call.fetch("invoiceitems")
    if item["invoice"] is not None:
        raise invalid("The invoice item is attached to an invoice that cannot be edited.", "id")
    call.book.remove("invoiceitems", item["id"])
    call.emit("invoiceitem.deleted", item)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


def prorate(call: Call, subscription: Json, proration: Json) -> Json:
    """Leave one proration pending: {"item", "amount", "description", "period"}."""
    start, end = proration["period"]
    old = proration["item"]
    item = _render(call, subscription["customer"], subscription["currency"], proration["amount"])
    item |= {
        "description": proration["description"],
        "parent": _parent(subscription["id"], old["id"]),
        "period": {"end": end, "start": start},
        "pricing": _pricing(old["price"]),
        "proration": True,
        "quantity": old["quantity"],
    }
    return _emitted(call, item)


def waiting(call: Call, subscription: Json) -> list[Json]:
    """The items that the next invoice of a subscription takes in, oldest first."""
    of_customer = call.book.newest_first("invoiceitems", {"customer": subscription["customer"]})
    found = [
        item
        for item in of_customer
        if item["invoice"] is None and _subscription_of(item) in (None, subscription["id"])
    ]
    return found[::-1]


def take_in(call: Call, invoice: Json, item: Json, rates: Sequence[Json] = ()) -> None:
    """Put a pending item on a draft; its taxes go by these rates."""
    price_id = item["pricing"]["price_details"]["price"] if item["pricing"] else None
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None} if item["proration"] else None,
        "subscription": _subscription_of(item),
    }
    kind = "invoice_item_details"
    if item["proration"]:
        kind = "subscription_item_details"
        details["subscription_item"] = item["parent"]["subscription_details"]["subscription_item"]
    parent: Json = {"invoice_item_details": None, "subscription_item_details": None, "type": kind}
    making.add_line(
        call,
        invoice,
        item["amount"],
        description=item["description"],
        price=None if price_id is None else call.fetch("prices", price_id),
        quantity=item["quantity"],
        period=(item["period"]["start"], item["period"]["end"]),
        parent=parent | {kind: details},
        rates=rates,
    )
    call.save("invoiceitems", item | {"invoice": invoice["id"]})


def _on_draft(call: Call, invoice: Json) -> Json:
    if invoice["status"] != "draft":
        raise invalid("The invoice is no longer a draft.", "invoice", "invoice_not_editable")
    price, amount = _priced(call)
    item = _render(call, invoice["customer"], invoice["currency"], amount)
    item |= {
        "description": call.params.get("description"),
        "metadata": merged_metadata({}, call.params.get("metadata")),
        "pricing": _pricing(price),
        "quantity": call.params.get("quantity", 1),
    }
    item["quantity_decimal"] = str(item["quantity"])
    call.save("invoiceitems", item)
    take_in(call, invoice, item)
    call.save("invoices", invoice)
    item = call.fetch("invoiceitems", item["id"])
    call.emit("invoiceitem.created", item)
    return item


def _priced(call: Call) -> tuple[Json | None, int]:
    given, price = call.params, None
    if "pricing" in given:
        price = call.fetch("prices", given["pricing"].get("price", ""), "pricing[price]")
    amount = price["unit_amount"] * given.get("quantity", 1) if price else given.get("amount")
    if amount is None:
        raise bad_parameter("Give amount or pricing[price].", "amount", "parameter_missing")
    return price, int(amount)


def _pricing(price: Json | None) -> Json | None:
    if price is None:
        return None
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def _parent(subscription_id: str, item_id: str | None) -> Json:
    details = {"subscription": subscription_id, "subscription_item": item_id}
    return {"subscription_details": details, "type": "subscription_details"}


def _subscription_of(item: Json) -> Any:
    parent = item["parent"]
    return None if parent is None else parent["subscription_details"]["subscription"]


def _emitted(call: Call, item: Json) -> Json:
    item["quantity_decimal"] = str(item["quantity"])
    call.save("invoiceitems", item)
    call.emit("invoiceitem.created", item)
    return item


def _render(call: Call, customer_id: str, currency: str, amount_minor: int) -> Json:
    return {
        "id": call.new_id("ii"),
        "object": "invoiceitem",
        "amount": amount_minor,
        "currency": currency,
        "customer": customer_id,
        "date": call.now,
        "description": None,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount_minor,
        "parent": None,
        "period": {"end": call.now, "start": call.now},
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
        "test_clock": None,
    }
