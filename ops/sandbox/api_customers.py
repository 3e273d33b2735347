"""Customers of the sandbox (https://docs.stripe.com/api/customers)."""

from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

_TEXT_FIELDS = ("description", "email", "name", "phone")


def create(call: Call) -> Json:
    """Create a customer; emits customer.created."""
    given = call.params
    customer: Json = {
        "id": call.new_id("cus"),
        "object": "customer",
        "address": given.get("address"),
        "balance": given.get("balance", 0),
        "created": call.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": given.get("description"),
        "email": given.get("email"),
        "invoice_prefix": "".join(call.rng.choices("0123456789ABCDEF", k=8)),
        "invoice_settings": _invoice_settings({}, given),
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata")),
        "name": given.get("name"),
        "next_invoice_sequence": 1,
        "phone": given.get("phone"),
        "preferred_locales": given.get("preferred_locales", []),
        "shipping": given.get("shipping"),
        "tax_exempt": "none",
        "test_clock": None,
    }
    call.save("customers", customer)
    call.emit("customer.created", customer)
    return customer


def retrieve(call: Call) -> Json:
    """Return one customer."""
    return call.fetch("customers")


def update(call: Call) -> Json:
    """Change a customer; emits customer.updated with what changed."""
    customer = call.fetch("customers")
    given = call.params
    fields: Json = {name: given[name] or None for name in _TEXT_FIELDS if name in given}
    fields |= {name: given[name] for name in ("address", "shipping", "balance") if name in given}
    fields["metadata"] = merged_metadata(customer["metadata"], given.get("metadata"))
    fields["invoice_settings"] = _invoice_settings(customer["invoice_settings"], given)
    return call.update("customers", customer, "customer.updated", **fields)


def list_all(call: Call) -> Json:
    """List customers; filters: created, email."""
    email = call.params.get("email")
    return list_objects(
        call, "customers", keep=None if email is None else lambda row: row["email"] == email
    )


def _invoice_settings(old: Json, given: Json) -> Json:
    blank: Json = {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
    }
    chosen: Json = given.get("invoice_settings", {})
    return blank | old | chosen
