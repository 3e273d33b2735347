"""Products and prices (https://docs.stripe.com/api/products, …/prices)."""

from ops.sandbox import amounts
from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json


def create_product(call: Call) -> Json:
    """Create a product; emits product.created."""
    given = call.params
    product: Json = {
        "id": given.get("id") or call.new_id("prod"),
        "object": "product",
        "active": given.get("active", True),
        "created": call.now,
        "default_price": None,
        "description": given.get("description"),
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": merged_metadata({}, given.get("metadata")),
        "name": given["name"],
        "package_dimensions": None,
        "shippable": given.get("shippable"),
        "statement_descriptor": given.get("statement_descriptor"),
        "tax_code": None,
        "type": "service",
        "unit_label": given.get("unit_label"),
        "updated": call.now,
        "url": given.get("url"),
    }
    call.save("products", product)
    call.emit("product.created", product)
    return product


def retrieve_product(call: Call) -> Json:
    """Return one product."""
    return call.fetch("products")


def list_products(call: Call) -> Json:
    """List products; filters: active, created."""
    active = call.params.get("active")
    return list_objects(
        call, "products", keep=None if active is None else lambda row: row["active"] is active
    )


def create_price(call: Call) -> Json:
    """Create a price of an existing product, or with product_data a product as well."""
    given = call.params
    amounts.check_currency(given["currency"])
    if "unit_amount" not in given or given["unit_amount"] < 0:
        raise bad_parameter("The sandbox's prices need a unit_amount of 0 or more.", "unit_amount")
    product_id = given.get("product")
    if product_id is None:
        product_id = _product_of(call)["id"]
    call.fetch("products", product_id, "product")
    recurring = given.get("recurring")
    price: Json = {
        "id": call.new_id("price"),
        "object": "price",
        "active": given.get("active", True),
        "billing_scheme": "per_unit",
        "created": call.now,
        "currency": given["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": given.get("lookup_key"),
        "metadata": merged_metadata({}, given.get("metadata")),
        "nickname": given.get("nickname"),
        "product": product_id,
        "recurring": None if recurring is None else _recurring(recurring),
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time" if recurring is None else "recurring",
        "unit_amount": given["unit_amount"],
        "unit_amount_decimal": str(given["unit_amount"]),
    }
    call.save("prices", price)
    call.emit("price.created", price)
    return price


def retrieve_price(call: Call) -> Json:
    """Return one price."""
    return call.fetch("prices")


def update_price(call: Call) -> Json:
    """Change what may be changed of a price: whether it is sold, its nickname, its metadata."""
    price = call.fetch("prices")
    given = call.params
    fields: Json = {name: given[name] for name in ("active", "nickname") if name in given}
    fields["metadata"] = merged_metadata(price["metadata"], given.get("metadata"))
    return call.update("prices", price, "price.updated", **fields)


def list_prices(call: Call) -> Json:
    """List prices; filters: product, active, currency, type, created."""
    names = ("product", "active", "currency", "type")
    wanted = {name: call.params[name] for name in names if name in call.params}
    return list_objects(
        call, "prices", keep=lambda row: all(row[name] == value for name, value in wanted.items())
    )


def _product_of(call: Call) -> Json:
    data = call.params.get("product_data")
    if data is None:
        raise bad_parameter("Give product or product_data.", "product", "parameter_missing")
    given, call.params = call.params, data
    try:
        return create_product(call)
    finally:
        call.params = given


def _recurring(given: Json) -> Json:
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": given.get("usage_type", "licensed"),
    }
