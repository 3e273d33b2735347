"""Lists, expansions, parameters, the event list and webhook endpoints."""

import pytest
import stripe

from ops.sandbox.api_routes import ROUTES
from ops.sandbox.form_params import read_params

NOON = 1793620800


def test_pages_are_newest_first_and_complete(shop):
    """Auto-paging visits every object once, in either direction."""
    made = [shop.customer(name=str(n)).id for n in range(7)]

    page = shop.v1.customers.list({"limit": 3})
    forwards = [row.id for row in page.auto_paging_iter()]
    newer = shop.v1.customers.list({"limit": 2, "ending_before": made[0]})

    assert (len(page.data), page.has_more, page.url) == (3, True, "/v1/customers")
    assert made[::-1] == forwards
    assert [made[2], made[1]] == [row.id for row in newer.data]
    assert made[1:] == [row.id for row in newer.auto_paging_iter()]


def test_long_lists_are_scanned_in_pieces(shop):
    """More objects than one piece of a scan are still listed once each."""
    for n in range(120):
        shop.sandbox.book.put("customers", {"id": f"cus_{n}", "created": NOON + n // 3})

    ids = [row.id for row in shop.v1.customers.list({"limit": 100}).auto_paging_iter()]

    assert [f"cus_{n}" for n in reversed(range(120))] == ids


@pytest.mark.parametrize(
    ("params", "param"),
    [
        pytest.param({"limit": 0}, "limit", id="too few"),
        pytest.param({"limit": 101}, "limit", id="too many"),
        pytest.param({"starting_after": "cus_none"}, "starting_after", id="unknown cursor"),
        pytest.param(
            {"starting_after": "a", "ending_before": "b"}, "starting_after", id="both cursors"
        ),
    ],
)
def test_impossible_pages_are_refused(shop, params, param):
    """The error names the parameter."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.customers.list(params)

    assert param == caught.value.param


def test_lists_filter_by_time(shop):
    """The filter `created` takes a moment or gt, gte, lt, lte."""
    for _ in range(3):
        shop.customer()
        shop.clock.advance(10)

    def count(created):
        return len(shop.v1.customers.list({"created": created}).data)

    assert (
        count(NOON), count({"gt": NOON}), count({"lt": NOON + 10}),
        count({"gte": NOON, "lte": NOON + 10}), count({"gte": NOON}),
    ) == (1, 2, 1, 2, 3)  # fmt: skip


def test_charges_are_listed_by_customer_and_payment(shop):
    """The filters that the processor uses."""
    ann, bob = shop.customer(), shop.customer()
    first = shop.pay(customer=ann.id)
    shop.pay(customer=bob.id)

    by_customer = shop.v1.charges.list({"customer": ann.id}).data
    by_intent = shop.v1.charges.list({"payment_intent": first.payment_intent}).data

    assert [first.id] == [c.id for c in by_customer] == [c.id for c in by_intent]


def test_expansions_replace_ids(shop):
    """At most four levels; lists inside are walked; unknown names are refused."""
    customer = shop.customer()
    charge = shop.pay(customer=customer.id)
    refund = shop.v1.refunds.create({
        "charge": charge.id, "amount": 10, "expand": ["charge.balance_transaction", "charge.customer"],
    })  # fmt: skip

    assert (59, customer.id) == (refund.charge.balance_transaction.fee, refund.charge.customer.id)
    with_refunds = shop.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert [refund.id] == [row.id for row in with_refunds.refunds.data]
    assert "refunds" not in shop.v1.charges.retrieve(charge.id)
    for path in ("nonsense", "status", "charge.a.b.c.d"):
        with pytest.raises(stripe.InvalidRequestError):
            shop.v1.refunds.retrieve(refund.id, {"expand": [path]})


def test_list_members_are_expanded(shop):
    """data.… goes through every row."""
    customer = shop.customer(name="Ann")
    shop.pay(customer=customer.id)

    (charge,) = shop.v1.charges.list({"expand": ["data.customer"]}).data

    assert charge.customer.name == "Ann"


@pytest.mark.parametrize(
    ("pairs", "param", "code"),
    [
        pytest.param([("foo", "1")], "foo", "parameter_unknown", id="unknown"),
        pytest.param(
            [("address[planet]", "x")], "address[planet]", "parameter_unknown", id="unknown inside"
        ),
        pytest.param([("balance", "x")], "balance", "parameter_invalid_integer", id="no integer"),
        pytest.param([("name[a]", "x")], "name", None, id="an object for a text"),
        pytest.param([("metadata[a][b]", "x")], "metadata", None, id="nested metadata"),
        pytest.param([("expand", "customer")], "expand", None, id="a text for a list"),
        pytest.param([("name", "a"), ("name", "b")], "name", None, id="given twice"),
        pytest.param([("[a]", "b")], "[a]", None, id="no name"),
        pytest.param([("a" + "[b]" * 12, "c")], "a" + "[b]" * 12, None, id="too deep"),
        pytest.param([("tax_exempt", "maybe")], "tax_exempt", None, id="unknown member"),
    ],
)
def test_parameters_are_checked_against_stripes_types(shop, pairs, param, code):
    """Stricter than Stripe: every unknown or ill-typed parameter is a 400 that names it."""
    headers = {"Authorization": "Bearer sk_test_x"}

    answer = shop.sandbox.request("POST", "/v1/customers", pairs, headers)

    error = answer.json()["error"]
    assert (400, param, code) == (answer.status, error["param"], error.get("code"))


def test_missing_parameters_are_named(shop):
    """A required one has the code parameter_missing."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.create({"amount": 100})

    assert (caught.value.code, caught.value.param) == ("parameter_missing", "currency")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
def test_every_route_has_its_definition_in_stripe(route):
    """Each call names a TypedDict of the installed client, and all of its types are understood."""
    nonsense = [("surely_not_a_parameter", "1")]

    with pytest.raises(Exception, match="unknown parameter"):
        read_params(nonsense, route.accepts, route.extra)


def test_events_are_listed_by_type_and_delivery(shop):
    """types, delivery_success and cursors work as in the recovery procedure."""
    shop.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["*"]})
    shop.pay()
    shop.pay()
    first, *_, last = [event for _, event in shop.book.events_after(0)]
    for _, event in shop.book.events_after(0)[:4]:
        shop.book.set_pending_webhooks(event["id"], 0)

    def ids(**params):
        return [event.id for event in shop.v1.events.list(params).data]

    assert len(ids(types=["charge.succeeded"])) == 2
    assert len(ids(type="charge.*")) == 4
    assert len(ids(delivery_success=False)) == 4
    assert last["id"] == ids(ending_before=first["id"], limit=7)[0]
    assert first["id"] == shop.v1.events.retrieve(first["id"]).id


def test_events_are_gone_after_30_days(shop):
    """Stripe keeps events for 30 days only."""
    shop.customer()
    (event,) = shop.events("customer.created")
    shop.clock.advance(30 * 86400 + 1)

    assert shop.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.events.retrieve(event["id"])


def test_an_endpoints_secret_is_told_once(shop):
    """The secret is in the answer to its creation and nowhere else."""
    made = shop.v1.webhook_endpoints.create({
        "url": "http://127.0.0.1:9/hook", "enabled_events": ["charge.succeeded"],
        "api_version": "2026-10-28.endive",
    })  # fmt: skip

    assert made.secret.startswith("whsec_")
    again = shop.v1.webhook_endpoints.retrieve(made.id)
    assert "secret" not in again
    assert made.secret not in str(shop.control("GET", "/sandbox/book?kind=webhook_endpoints"))
    assert made.secret == shop.book.get("webhook_endpoints", made.id)["_secret"]


def test_endpoints_are_switched_off_and_deleted(shop):
    """An event counts only the enabled endpoints that want it."""
    one = shop.v1.webhook_endpoints.create({
        "url": "http://127.0.0.1:9/", "enabled_events": ["customer.created"],
    })  # fmt: skip

    shop.customer()
    shop.v1.webhook_endpoints.update(one.id, {"disabled": True})
    shop.customer()
    shop.v1.webhook_endpoints.delete(one.id)

    assert [event["pending_webhooks"] for event in shop.events("customer.created")] == [1, 0]
    assert shop.v1.webhook_endpoints.list().data == []


def test_products_and_prices_are_listed(shop):
    """Prices filter by product and by being active."""
    price = shop.v1.prices.create({
        "currency": "usd", "unit_amount": 500, "product_data": {"name": "Book"},
    })  # fmt: skip
    shop.v1.products.create({"name": "Other", "active": False})

    (product,) = shop.v1.products.list({"active": True}).data
    listed = shop.v1.prices.list({"product": price.product, "active": True}).data

    assert (product.id, "one_time") == (price.product, price.type)
    assert [price.id] == [row.id for row in listed]
    assert shop.v1.prices.retrieve(price.id, {"expand": ["product"]}).product.name == "Book"
