"""What ties payments together, as names to lock: a group is judged by one worker at a time."""

from sqlalchemy import Connection, select

from ledger.stripe_tables import charges, invoice_payments
from policy.payments import Payment


def ties(payment: Payment) -> list[str]:
    """The names of everything that other payments could share with this one."""
    invoice_id = None if payment.invoice is None else payment.invoice.invoice_id
    return _names(
        payment.customer_id, payment.card_fingerprint, payment.order_reference, invoice_id
    )


def ties_of_charge(connection: Connection, charge_id: str) -> list[str]:
    """The same names for a charge of the ledger; none when it is not known."""
    rows = connection.execute(
        select(
            charges.c.customer_id,
            charges.c.card_fingerprint,
            charges.c.order_reference,
            invoice_payments.c.invoice_id,
        )
        .outerjoin(
            invoice_payments, invoice_payments.c.payment_intent_id == charges.c.payment_intent_id
        )
        .where(charges.c.charge_id == charge_id)
    ).all()
    return sorted({name for row in rows for name in _names(*row)})


def _names(
    customer_id: str | None,
    card_fingerprint: str | None,
    order_reference: str | None,
    invoice_id: str | None,
) -> list[str]:
    shared = {
        "customer": customer_id,
        "card": card_fingerprint,
        "order": order_reference,
        "invoice": invoice_id,
    }
    return [f"{kind}:{value}" for kind, value in shared.items() if value is not None]
