"""Lists and expansions: pages with cursors, filters, and ids replaced by their objects.

Pages are newest first, 1 to 100 long, default 10 (https://docs.stripe.com/api/pagination);
expansions are at most four deep (https://docs.stripe.com/api/expanding_objects).
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ops.sandbox.api_call import Call, public
from ops.sandbox.api_errors import bad_parameter, invalid, missing
from ops.sandbox.book_tables import Json

_PAGE_DEFAULT = 10
_PAGE_MAX = 100
_EXPAND_DEPTH_MAX = 4

# The field that may be expanded, and the kind that its id names.
_EXPANDABLE = {
    "balance_transaction": "balance_transactions",
    "charge": "charges",
    "customer": "customers",
    "default_payment_method": "payment_methods",
    "failure_balance_transaction": "balance_transactions",
    "invoice": "invoices",
    "latest_charge": "charges",
    "latest_invoice": "invoices",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "price": "prices",
    "product": "products",
    "review": "reviews",
    "schedule": "subscription_schedules",
    "subscription": "subscriptions",
}

Keep = Callable[[Json], bool]
Scan = Callable[[str | None, bool], Iterator[Json]]


def list_objects(call: Call, kind: str, *columns: str, keep: Keep | None = None) -> Json:
    """Answer a list call over `kind`, filtered by `created`, reference columns and `keep`."""
    where = {name: call.params[name] for name in columns if name in call.params}

    def scan(cursor: str | None, ascending: bool) -> Iterator[Json]:
        return call.book.newest_first(
            kind, where, created_range(call.params), cursor_id=cursor, ascending=ascending
        )

    return page(call, scan, keep)


def page(call: Call, scan: Scan, keep: Keep | None = None) -> Json:
    """Cut one page out of a scan, by limit, starting_after or ending_before."""
    limit = call.params.get("limit", _PAGE_DEFAULT)
    if not 1 <= limit <= _PAGE_MAX:
        raise bad_parameter(f"Invalid limit: must be 1 to {_PAGE_MAX}", "limit")
    after, before = call.params.get("starting_after"), call.params.get("ending_before")
    if after and before:
        raise bad_parameter("Give starting_after or ending_before, not both", "starting_after")
    rows = scan(after or before, bool(before))
    try:
        found = list(islice((row for row in rows if keep is None or keep(row)), limit + 1))
    except KeyError as error:
        param = "ending_before" if before else "starting_after"
        raise missing("object", str(error.args[0]), param) from error
    data = found[:limit]
    if before:
        data.reverse()
    return {
        "object": "list",
        "url": call.path,
        "has_more": len(found) > limit,
        "data": [public(row) for row in data],
    }


def created_range(params: Json) -> tuple[int, int]:
    """Return the inclusive (first, last) unix seconds of a `created` filter."""
    created = params.get("created")
    if created is None:
        return (0, 2**62)
    if isinstance(created, int):
        return (created, created)
    first = max(created.get("gte", 0), created.get("gt", -1) + 1)
    last = min(created.get("lte", 2**62), created.get("lt", 2**62) - 1)
    return (first, last)


def sublist(url: str, data: list[Any]) -> Json:
    """Return a list object that stands inside another object, such as the lines of an invoice."""
    return {"object": "list", "data": data, "has_more": False, "url": url}


def expand(call: Call, body: Json, paths: list[str]) -> Json:
    """Replace ids by objects along dotted paths such as "data.invoice"."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > _EXPAND_DEPTH_MAX + (steps[0] == "data"):
            raise invalid("You cannot expand more than 4 levels of a property.", "expand")
        _expand(call, body, steps, path)
    return body


def _expand(call: Call, node: Any, steps: list[str], path: str) -> None:
    if node is None:
        return
    if isinstance(node, list):
        for member in node:
            _expand(call, member, steps, path)
        return
    name = steps[0]
    value = _member(call, node, name) if isinstance(node, dict) else ""
    if isinstance(value, str):
        # A text that no kind is known for, or no such member at all.
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    if len(steps) > 1:
        _expand(call, value, steps[1:], path)


def _member(call: Call, node: Json, name: str) -> Any:
    """Return a member of an object, its id replaced by the object that it names; "" if there is none."""
    _render_on_demand(call, node, name)
    if isinstance(node.get(name), str) and name in _EXPANDABLE:
        node[name] = public(call.fetch(_EXPANDABLE[name], node[name]))
    return node.get(name, "")


def _render_on_demand(call: Call, node: Json, name: str) -> None:
    """Add the lists that Stripe leaves out until they are asked for (since 2022-11-15 and basil)."""
    if node.get("object") == "charge" and name == "refunds" and name not in node:
        rows = call.book.newest_first("refunds", {"charge": node["id"]})
        node[name] = sublist(f"/v1/charges/{node['id']}/refunds", [public(row) for row in rows])
    if node.get("object") == "invoice" and name == "payments" and name not in node:
        rows = call.book.newest_first("invoice_payments", {"invoice": node["id"]})
        node[name] = sublist("/v1/invoice_payments", [public(row) for row in rows])
