"""Money as people type it on the command line: `12.50`, in the currency that the payment has."""

from decimal import Decimal, InvalidOperation

import click

from policy.money import exponent
from policy.payments import Payment
from runtime.limits import FACT_NUMBER_MAX

EVERYTHING = "all"


def read_amount_minor(typed: str, payment: Payment) -> int:
    """Minor units of the payment's currency; `all` is what is left of it. Raises click.UsageError."""
    text = typed.strip().lower()
    if text == EVERYTHING:
        left_minor = payment.left().amount_minor
        if left_minor == 0:
            raise click.ClickException(f"Nothing is left of {payment.charge_id}.")
        return left_minor
    places = exponent(payment.currency)
    try:
        minor = Decimal(text).scaleb(places)
    except InvalidOperation:
        minor = Decimal(0)
    exact = minor.is_finite() and minor == minor.to_integral_value()
    if not exact or not 0 < minor <= FACT_NUMBER_MAX:
        currency = payment.currency.upper()
        raise click.UsageError(
            f"--amount is money in {currency} with {places} decimals, such as"
            f" {Decimal(1250).scaleb(-places)}, or {EVERYTHING}; not {typed}."
        )
    return int(minor)
