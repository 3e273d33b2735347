"""What the credits of a purchase name as their source: its charge, and the invoice that it paid."""

from sqlalchemy import Connection

from ledger.cases import DUPLICATE_CHARGE, cases_about
from ledger.decisions import last_decision
from policy.decision import Verdict
from policy.payments import Payment


def sources_of(connection: Connection, payment: Payment) -> tuple[str, ...]:
    """The ids of the charge and its invoice; of a second payment of the invoice, the charge alone.

    A second payment brought nothing: the invoice's credits belong to the payment that stays. Until it
    is clear that a payment is none, it counts as one.
    """
    if payment.invoice is None or _may_be_duplicate(connection, payment.charge_id):
        return (payment.charge_id,)
    return payment.charge_id, payment.invoice.invoice_id


def _may_be_duplicate(connection: Connection, charge_id: str) -> bool:
    about = cases_about(connection, DUPLICATE_CHARGE, [charge_id]).values()
    decided = [last_decision(connection, case.case_id) for case in about]
    return any(one is None or one.verdict != Verdict.DENY.value for one in decided)
