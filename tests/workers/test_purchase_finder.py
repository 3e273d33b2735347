"""Which purchase a request means: each row with its reason."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from ledger.purchase_matching import CANDIDATES_MAX
from ledger.stripe_tables import charges, customers
from runtime.email_digest import email_digest
from tests.fakes.ledger_rows import put_charge
from tests.fakes.pack_shop import EMAIL, PackShop
from tests.workers.test_credit_issuing import price_of, subscribe
from workers.purchase_finder import Found, find_purchase
from workers.request_judging import NOT_FOUND

DIGEST = email_digest(EMAIL)


def today(shop):
    """The day that it is in the shop (UTC)."""
    return datetime.fromtimestamp(shop.clock.now_ms() / 1000, UTC).date()


def midnight(shop):
    """The unix second at which that day began."""
    return shop.clock.now_ms() // 1000 // 86_400 * 86_400


def find(shop, product="images-500", days=0, email=EMAIL, day=None):
    """The charge that is found, or the list of candidates; `days` from today, or on a `day`."""
    day = day or today(shop) + timedelta(days=days)
    with shop.store.read() as connection:
        found = find_purchase(
            connection,
            shop.catalogue,
            email_digest=email_digest(email),
            purchase_date=day,
            product=product,
            livemode=shop.settings.livemode,
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
    charge = shop.pay(
        None,
        2000,
        None,
        metadata={"product_id": "images-500"},
        receipt_email="guest@shop.example",
    )
    shop.settle(30)

    assert charge == find(shop, email="guest@shop.example")


def test_address_of_the_card(shop):
    """The address that was given with the card counts before the one that the receipt went to."""
    card = {"type": "card", "card": {"token": "tok_visa"}}
    card["billing_details"] = {"email": "payer@shop.example"}
    paid_by = shop.v1.payment_methods.create(card).id
    charge = shop.pay(
        None,
        2000,
        None,
        metadata={"product_id": "images-500"},
        payment_method=paid_by,
        receipt_email="receipts@shop.example",
    )
    shop.settle(30)

    assert charge == find(shop, email="payer@shop.example")
    assert [] == find(shop, email="receipts@shop.example")


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        pytest.param((-86_401,), [], id="two days before, by a second"),
        pytest.param((-86_400,), "ch_0", id="the first second of the day before"),
        pytest.param((2 * 86_400 - 1,), "ch_0", id="the last second of the day after"),
        pytest.param((2 * 86_400,), [], id="two days after, by a second"),
        pytest.param((-1, 0), "ch_1", id="the day itself, from its first second"),
        pytest.param((86_399, 86_400), "ch_0", id="the day itself, to its last second"),
        pytest.param((-1, 86_400), ["ch_0", "ch_1"], id="a day before and a day after"),
        pytest.param((0, 86_399), ["ch_0", "ch_1"], id="twice on the day itself"),
    ],
)
def test_days(shop, seconds, found):
    """A day is one of UTC; the days around it count where it has nothing that fits."""
    with shop.store.write() as connection:
        for number, second in enumerate(seconds):
            put_charge(
                connection,
                f"ch_{number}",
                email_digest=DIGEST,
                product="images-500",
                created=midnight(shop) + second,
            )

    assert found == find(shop)


@pytest.mark.parametrize("day", [date.min, date.max, date(1970, 1, 1)], ids=str)
def test_far_days(shop, day):
    """The first and the last day that a calendar has are days on which nothing was bought."""
    shop.buy()

    assert [] == find(shop, day=day)


def test_more_than_are_read(shop):
    """Of more purchases than are read none is taken, though only one of those that were read fits."""
    with shop.store.write() as connection:
        for number in range(CANDIDATES_MAX - 1):
            put_charge(
                connection,
                f"ch_before_{number:02}",
                email_digest=DIGEST,
                product="video-10",
                created=midnight(shop) - 1,
            )
        for number in range(2):
            put_charge(
                connection,
                f"ch_fits_{number}",
                email_digest=DIGEST,
                product="images-500",
                created=midnight(shop) + number,
            )

    assert CANDIDATES_MAX == len(find(shop))


def test_other_mode(shop):
    """What was paid in the other mode is not offered: Stripe would not know it by our key."""
    charge, _ = shop.buy()
    with shop.store.write() as connection:
        put_charge(
            connection,
            "ch_live",
            email_digest=DIGEST,
            product="images-500",
            livemode=not shop.settings.livemode,
            created=midnight(shop),
        )

    assert charge == find(shop)


def test_plan(shop):
    """A plan is known by its price's id and by the name that the price itself carries."""
    price = price_of(shop, redress_credits="100", redress_name="Creator, monthly")
    subscribe(shop, price)
    shop.settle(30)
    charge = shop.rows(charges)[0].charge_id

    assert [charge, charge] == [find(shop, price), find(shop, " creator, MONTHLY")]


def test_any_order_of_arrival(shop):
    """Whatever order the events come in, and how often, the same purchase is found."""
    charge, told = bought_after_the_address_changed(shop)

    random.Random(shop.store.dialect).shuffle(told)
    for event in [*told, *told]:
        shop.receive(event)
        shop.drain()
    shop.settle(60)

    assert charge == find(shop, email="new@shop.example")
    assert [] == find(shop)


def test_every_digest_in_any_order(memory, tmp_path):
    """Sixty orders of all events about one purchase leave the same digests behind."""
    shop = PackShop(memory.world, tmp_path)
    _, told = bought_after_the_address_changed(shop)
    start, chance, left = memory.save(), random.Random(7), set()

    for _ in range(60):
        memory.restore(start)
        for event in chance.sample(told, len(told)):
            shop.receive(event)
        shop.settle(30)
        with shop.store.read() as connection:
            left.add(
                (
                    *connection.execute(select(customers.c.email_digest)).scalars(),
                    *connection.execute(select(charges.c.email_digest)).scalars(),
                )
            )

    assert {(email_digest("new@shop.example"), email_digest("receipts@shop.example"))} == left


def bought_after_the_address_changed(shop):
    """The charge of a customer who got a new address before, and all that Stripe tells of it."""
    customer = shop.customer()
    shop.clock.advance(1)
    shop.v1.customers.update(customer, {"email": "new@shop.example"})
    shop.clock.advance(1)
    charge = shop.pay(
        customer,
        2000,
        None,
        metadata={"product_id": "images-500"},
        receipt_email="receipts@shop.example",
    )
    return charge, shop.new_events()


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


def test_request_of_an_impossible_day(shop):
    """A day far from any purchase is looked for as often as any, and then waits for a person."""
    shop.buy()
    request_id = shop.ask(None, purchase_date=date.max)
    shop.settle(300)

    request = shop.request(request_id)
    assert ("unmatched", NOT_FOUND, ()) == (request.state, request.note, request.candidates)


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
