"""What a payment was for must be known before it is given back unasked: what goes with the money hangs on it."""

from typing import Final

from sqlalchemy import Connection

from ledger.look_ups import want_look_up
from ledger.payment_facts import INVOICES_OF_PAYMENT_INTENT
from policy.payments import Payment

WAITS: Final = "waits for Stripe to say what the payment was for"


def purchase_known(payment: Payment) -> bool:
    """Whether the ledger knows the invoice behind a payment, or that there is none."""
    return payment.invoice_known and (payment.invoice is None or payment.invoice.told)


def ask_for_purchase(connection: Connection, payment: Payment, now_ms: int) -> set[int]:
    """Have Stripe asked about it; the question to be rung for, none when it waits already."""
    asked = want_look_up(
        connection,
        INVOICES_OF_PAYMENT_INTENT,
        str(payment.payment_intent_id),
        "a refund takes with it what the payment was for",
        now_ms,
    )
    return set() if asked is None else {asked}
