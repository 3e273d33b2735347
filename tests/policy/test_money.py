"""Money: born valid, exact in its arithmetic, in Stripe's own steps and digits."""

import pytest

from policy.money import Money


def money(amount_minor, currency="usd"):
    return Money(amount_minor=amount_minor, currency=currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        pytest.param(1234, "usd", "12.34 USD", id="two decimals"),
        pytest.param(5, "eur", "0.05 EUR", id="less than one unit"),
        pytest.param(0, "gbp", "0.00 GBP", id="nothing"),
        pytest.param(500, "jpy", "500 JPY", id="no decimals"),
        pytest.param(1230, "kwd", "1.230 KWD", id="three decimals"),
        pytest.param(150000, "isk", "1500 ISK", id="sent with cents that do not exist"),
        pytest.param(150001, "ugx", "1500.01 UGX", id="cents that should not exist are shown"),
        pytest.param(17500, "huf", "175.00 HUF", id="forint has cents for charges"),
    ],
)
def test_text(amount_minor, currency, text):
    """Money is written with the digits of its currency and the code in capitals."""
    assert text == str(money(amount_minor, currency))


@pytest.mark.parametrize(
    ("amount_minor", "currency", "refundable"),
    [
        pytest.param(1239, "usd", 1239, id="cents are exact"),
        pytest.param(1239, "jpy", 1239, id="yen are exact"),
        pytest.param(1239, "kwd", 1230, id="dinar in tens"),
        pytest.param(9, "omr", 0, id="less than one step"),
        pytest.param(1299, "isk", 1200, id="krona in hundreds"),
    ],
)
def test_rounding_for_refunds(amount_minor, currency, refundable):
    """A refund is rounded down to the step that Stripe takes, never up."""
    assert money(refundable, currency) == money(amount_minor, currency).rounded_for_refund()


@pytest.mark.parametrize(
    ("amount_minor", "currency", "field"),
    [
        pytest.param(-1, "usd", "amount_minor", id="negative"),
        pytest.param(True, "usd", "amount_minor", id="a truth is no amount"),
        pytest.param(1.0, "usd", "amount_minor", id="a float"),
        pytest.param("1", "usd", "amount_minor", id="a text"),
        pytest.param(None, "usd", "amount_minor", id="nothing at all"),
        pytest.param(1, "USD", "currency", id="capitals"),
        pytest.param(1, "us", "currency", id="two letters"),
        pytest.param(1, "usdc", "currency", id="four letters"),
        pytest.param(1, "ußd", "currency", id="a letter of another alphabet"),
        pytest.param(1, None, "currency", id="no currency"),
        pytest.param(1, "usd\n", "currency", id="a line end"),
    ],
)
def test_birth(amount_minor, currency, field):
    """What is not money is refused with the name of the field."""
    with pytest.raises(ValueError, match=f"^{field} must be "):
        Money(amount_minor=amount_minor, currency=currency)


def test_arithmetic():
    """Sums and differences are exact whole numbers."""
    assert money(300) == money(100) + money(200)
    assert money(2**62 + 1) == money(2**62) + money(1)
    assert money(50) == money(200) - money(150)


def test_arithmetic_refuses():
    """Currencies never mix and money never becomes negative."""
    with pytest.raises(ValueError, match="different currencies"):
        money(1) + money(1, "eur")
    with pytest.raises(ValueError, match="different currencies"):
        money(1) - money(1, "eur")
    with pytest.raises(ValueError, match="amount_minor"):
        money(1) - money(2)


def test_fields():
    """The JSON fields of money read back as the same money."""
    assert money(7, "jpy") == Money.from_fields(money(7, "jpy").to_fields())
    with pytest.raises(ValueError, match="unknown keys: cents"):
        Money.from_fields({"amount_minor": 1, "currency": "usd", "cents": 1})
