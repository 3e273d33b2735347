"""What Stripe accepts as an amount: integers in minor units, by currency.

Source: https://docs.stripe.com/currencies (minimum charges, three-decimal currencies).
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ops.sandbox.api_errors import bad_parameter, invalid

THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_AMOUNT_MAX = 99_999_999
_CURRENCY_CHARS = 3

# The least that may be charged, in minor units; refunds have no such limit.
_CHARGE_MIN = (
    dict.fromkeys(("usd", "eur", "aud", "brl", "cad", "chf", "inr", "nzd", "sgd"), 50)
    | dict.fromkeys(("aed", "pln", "ron", "myr"), 200)
    | dict.fromkeys(("nok", "sek"), 300)
    | {"gbp": 30, "bgn": 100, "czk": 1500, "dkk": 250, "hkd": 400, "huf": 17500, "jpy": 50}
    | {"mxn": 1000, "thb": 1000}
)


def check_currency(currency: str) -> None:
    """Raise a 400 unless `currency` is three lower-case letters."""
    if len(currency) != _CURRENCY_CHARS or not (currency.isalpha() and currency.islower()):
        raise bad_parameter(f"Invalid currency: {currency[:10]}", "currency")


def check_positive(amount_minor: int, param: str, currency: str) -> None:
    """Raise a 400 for zero, negative, absurd amounts and for a stray digit of three decimals."""
    if amount_minor < 1:
        raise bad_parameter(
            f"This value must be greater than or equal to 1 (it currently is '{amount_minor}').",
            param,
            "parameter_invalid_integer",
        )
    if amount_minor > _AMOUNT_MAX:
        raise invalid("Amount must be no more than 99999999", param, "amount_too_large")
    if currency in THREE_DECIMAL and amount_minor % 10:
        raise invalid(
            f"Amounts in {currency} must be rounded to the nearest ten: the last digit must be 0.",
            param,
            "invalid_charge_amount",
        )


def check_charge(amount_minor: int, currency: str) -> None:
    """Raise a 400 when an amount may not be charged in this currency."""
    check_positive(amount_minor, "amount", currency)
    if amount_minor < _CHARGE_MIN.get(currency, 1):
        raise invalid(
            f"Amount must be at least {_CHARGE_MIN[currency]} {currency}",
            "amount",
            "amount_too_small",
        )


def fee(amount_minor: int) -> int:
    """Return Stripe's fee on a charge: 2.9 % rounded half up, plus 30 minor units."""
    return (amount_minor * 29 + 500) // 1000 + 30


def half_up(exact: Decimal) -> int:
    """Return a whole number of minor units, halves rounded away from zero."""
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def share(amount_minor: int, percent: Any) -> int:
    """Return so many percent of an amount, rounded half up."""
    return half_up(Decimal(amount_minor) * Decimal(str(percent)) / 100)
