"""How much of an invoice was paid before each of its payments.

An invoice may be paid in parts, so two payments of one invoice are not yet a duplicate: a payment
is one when those before it had covered the invoice. Money that went back by refund or dispute
covers nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy.payments import DisputeStanding, Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The state of an invoice just before one payment of it, in minor units.

    `due_minor` is None when no payment knows it; `covered_minor` is what the merchant holds of the
    payments before, `contested_minor` what an open dispute may yet give or take.
    """

    due_minor: int | None
    covered_minor: int
    contested_minor: int


def coverage_before_each(ordered: Sequence[Payment]) -> Mapping[str, Coverage]:
    """For each charge id with an invoice its coverage; `ordered` runs from the earliest payment."""
    dues = _dues(ordered)
    covered: dict[str, int] = {}
    contested: dict[str, int] = {}
    before: dict[str, Coverage] = {}
    for payment in ordered:
        if payment.invoice is None:
            continue
        invoice_id = payment.invoice.invoice_id
        before[payment.charge_id] = Coverage(
            due_minor=dues.get(invoice_id),
            covered_minor=covered.get(invoice_id, 0),
            contested_minor=contested.get(invoice_id, 0),
        )
        taken = contested if payment.dispute is DisputeStanding.OPEN else covered
        taken[invoice_id] = taken.get(invoice_id, 0) + _held_minor(payment)
    return before


def _dues(ordered: Sequence[Payment]) -> Mapping[str, int]:
    """The largest amount due that any payment knows of each invoice.

    The largest, so that two renderings that disagree never make a payment look superfluous. Zero
    is no amount that anyone could have paid and counts as unknown.
    """
    dues: dict[str, int] = {}
    for payment in ordered:
        if payment.invoice is not None and payment.invoice.amount_due_minor:
            invoice_id, due_minor = payment.invoice.invoice_id, payment.invoice.amount_due_minor
            dues[invoice_id] = max(dues.get(invoice_id, due_minor), due_minor)
    return dues


def _held_minor(payment: Payment) -> int:
    """What counts of a payment: all that was not given back, disputed or not."""
    if payment.dispute is DisputeStanding.LOST:
        return 0
    return max(0, payment.captured_minor - payment.refunded_minor)
