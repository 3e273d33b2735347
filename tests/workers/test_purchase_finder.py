"""Which purchase a request means: each row with its reason."""

from datetime import UTC, datetime, timedelta

import pytest

from runtime.email_digest import email_digest
from tests.fakes.pack_shop import EMAIL
from workers.purchase_finder import Found, find_purchase


def find(shop, product="images-500", days=0, email=EMAIL):
    """The charge that is found, or the list of candidates; `days` from today."""
    day = datetime.fromtimestamp(shop.clock.now_ms() / 1000, UTC).date() + timedelta(days=days)
    with shop.store.read() as connection:
        found = find_purchase(
            connection,
            shop.catalogue,
            email_digest=email_digest(email),
            purchase_date=day,
            product=product,
        )
    if isinstance(found, Found):
        return found.purchase.charge_id
    return [one.charge_id for one in found.candidates]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="by the product's id"),
        pytest.param({"product": "500 Image Credits "}, id="by the catalogue's name"),
        pytest.param({"product": "IMAGES-500"}, id="in other letters"),
        pytest.param({"days": -1}, id="the customer's clock is behind"),
        pytest.param({"days": 1}, id="the customer's clock is ahead"),
        pytest.param({"email": " Buyer@Shop.Example "}, id="the address in other letters"),
    ],
)
def test_found(shop, given):
    """The one purchase that fits is found."""
    charge, _ = shop.buy()

    assert charge == find(shop, **given)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"days": 2}, id="too early"),
        pytest.param({"days": -2}, id="too late"),
        pytest.param({"email": "other@shop.example"}, id="another address"),
    ],
)
def test_nothing_fits(shop, given):
    """Where nothing fits there is nothing to choose from."""
    shop.buy()

    assert [] == find(shop, **given)


def test_another_product(shop):
    """A product that nobody bought is no reason to take the only purchase: a person looks at it."""
    charge, _ = shop.buy()

    assert [charge] == find(shop, product="video-10")


def test_two_that_fit(shop):
    """Of two purchases of one product on one day none is taken."""
    first, _ = shop.buy()
    second, _ = shop.buy()

    assert [first, second] == find(shop)


def test_the_day_itself(shop):
    """What was bought on the named day comes before what was bought on a day beside it."""
    shop.buy()
    shop.clock.advance(86_400)
    second, _ = shop.buy()

    assert second == find(shop)


def test_guest(shop):
    """A guest is known by the address on his charge."""
    shop.pay(
        None,
        2000,
        None,
        metadata={"product_id": "images-500"},
        receipt_email="guest@shop.example",
    )
    shop.settle(30)

    assert [] != find(shop, email="guest@shop.example")


def test_request_without_a_charge(shop):
    """A request that names address, day and product is judged without anybody's help."""
    charge, _ = shop.buy()
    request_id = shop.ask(None, product="500 image credits")
    shop.settle(60)

    assert ("judged", charge) == (
        shop.request(request_id).state,
        shop.request(request_id).charge_id,
    )
    assert [charge] == [refund["charge"] for refund in shop.refunds()]


def test_ambiguous_request(shop):
    """A request that could mean two purchases waits with both, and is judged when one is named."""
    both = [shop.buy()[0], shop.buy()[0]]
    request_id = shop.ask(None)
    shop.settle(60)

    assert ("unmatched", tuple(both)) == (
        shop.request(request_id).state,
        shop.request(request_id).candidates,
    )
    assert [] == shop.refunds()
