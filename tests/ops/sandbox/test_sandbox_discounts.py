"""Coupons and tax rates, and what they make of the lines and totals of invoices; in minor units."""

import pytest
import stripe

DAY = 86_400


@pytest.fixture
def v1(plans):
    """The client of the shop."""
    return plans.shop.v1


def first_invoice(plans, **params):
    """The first invoice of a subscription at 10.00 that is made with these parameters."""
    return plans.shop.v1.invoices.retrieve(plans.subscribe(**params).latest_invoice)


def tax(v1, percentage, *, inclusive):
    given = {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive}
    return v1.tax_rates.create(given).id


@pytest.mark.parametrize(
    ("coupon", "off"),
    [
        ({"percent_off": 25}, 250),
        ({"percent_off": 33.35}, 334),  # 333.5 is rounded up
        ({"amount_off": 300, "currency": "usd"}, 300),
        ({"amount_off": 5_000, "currency": "usd"}, 1_000),
    ],
)
def test_what_a_coupon_takes_off(plans, v1, coupon, off):
    """A share or an amount of each full period, never more than it costs."""
    made = v1.coupons.create(coupon | {"duration": "forever"}).id
    invoice = first_invoice(plans, discounts=[{"coupon": made}])

    assert (1_000, 1_000 - off) == (invoice.subtotal, invoice.total)
    assert [(off, made)] == [
        (one.amount, one.discount) for one in invoice.lines.data[0].discount_amounts
    ]
    assert [off] == [one.amount for one in invoice.total_discount_amounts]


def test_a_coupon_for_one_invoice(plans, v1):
    """A coupon whose duration is `once` is gone with the first invoice."""
    made = v1.coupons.create({"percent_off": 50, "duration": "once"}).id
    subscription = plans.subscribe(discounts=[{"coupon": made}])

    assert 500 == v1.invoices.retrieve(subscription.latest_invoice).total
    assert 1_000 == plans.renew(subscription)["invoice"]["total"]
    assert [] == v1.subscriptions.retrieve(subscription.id).discounts


@pytest.mark.parametrize(
    ("inclusive", "totals", "taxed"), [(False, (1_190, 1_000), 190), (True, (1_000, 840), 160)]
)
def test_taxes(plans, v1, inclusive, totals, taxed):
    """A tax comes on top of the price or is in it: 1000 / 1.19 = 840.3."""
    rate = tax(v1, 19, inclusive=inclusive)
    invoice = first_invoice(plans, default_tax_rates=[rate])

    assert (1_000, *totals) == (invoice.subtotal, invoice.total, invoice.total_excluding_tax)
    (found,) = invoice.lines.data[0].taxes
    behavior = "inclusive" if inclusive else "exclusive"
    assert (taxed, behavior, rate) == (
        found.amount,
        found.tax_behavior,
        found.tax_rate_details.tax_rate,
    )


def test_tax_after_the_discount(plans, v1):
    """What a discount took off is not taxed."""
    coupon = v1.coupons.create({"percent_off": 50, "duration": "forever"}).id
    rate = tax(v1, 10, inclusive=False)
    invoice = first_invoice(plans, discounts=[{"coupon": coupon}], default_tax_rates=[rate])

    assert (1_000, 550) == (invoice.subtotal, invoice.total)


def test_prorations_are_of_net_prices(plans, v1):
    """Half a month at half the price, with tax on what is charged and on what is credited."""
    coupon = v1.coupons.create({"percent_off": 50, "duration": "forever"}).id
    rate = tax(v1, 10, inclusive=False)
    subscription = plans.subscribe(discounts=[{"coupon": coupon}], default_tax_rates=[rate])
    plans.shop.clock.advance(15 * DAY)
    item = subscription["items"].data[0].id
    changed = v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item, "price": plans.pro.id}],
            "proration_behavior": "always_invoice",
        },
    )
    invoice = v1.invoices.retrieve(changed.latest_invoice)

    # Of 30 days 15: 500 / 2 is credited and 1250 / 2 charged; 10 % of both.
    assert [-250, 625] == [line.amount for line in invoice.lines.data]
    assert [-25, 63] == [line.taxes[0].amount for line in invoice.lines.data]
    assert -250 + 625 - 25 + 63 == invoice.total


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"discounts": [{"coupon": "nope"}]}, "discounts[0][coupon]"),
        ({"discounts": [{"promotion_code": "nope"}]}, "discounts[0][promotion_code]"),
        ({"default_tax_rates": ["nope"]}, "default_tax_rates[0]"),
    ],
)
def test_what_is_not_there(plans, params, param):
    """A coupon or a rate that nobody made is refused by its name."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        plans.subscribe(**params)

    assert param == refused.value.param


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"duration": "once"}, "percent_off"),
        ({"duration": "once", "percent_off": 5, "amount_off": 5}, "percent_off"),
        ({"duration": "repeating", "percent_off": 5}, "duration"),
    ],
)
def test_coupons_that_are_none(v1, given, param):
    """A coupon takes off a share or an amount, once or for ever."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        v1.coupons.create(given)

    assert param == refused.value.param


def test_they_can_be_read(v1):
    """Both are found by their ids."""
    coupon = v1.coupons.create({"id": "half", "percent_off": 50, "duration": "once"})
    rate = tax(v1, 19, inclusive=True)

    assert ("half", 50.0) == (coupon.id, v1.coupons.retrieve("half").percent_off)
    assert 19.0 == v1.tax_rates.retrieve(rate).percentage
