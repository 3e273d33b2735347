"""From what the clauses give to what goes back: fees, earlier refunds, disputes, what is left.

Source: policy § How they combine, 9, 10 and 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.canonical_json import JsonScalar
from policy.clauses import Clause
from policy.decision import Verdict
from policy.invoice_taking import COUNTED
from policy.money import Money
from policy.payments import DisputeStanding
from policy.request_hearing import Hearing, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a clause gives, in minor units before fees, and what it ends when it is paid."""

    entitled_minor: int
    fee_kept: bool
    revokes_credits: bool = False
    ends_subscription: bool = False


def still_owed_minor(hearing: Hearing, wrong_minor: int) -> int:
    """What of a proven wrong charge has not gone back and still could, in steps that Stripe takes."""
    payment = hearing.facts.payment
    if payment.dispute is DisputeStanding.LOST:
        return 0
    owed_minor = max(0, wrong_minor - hearing.facts.returned_minor)
    # While a dispute is open its money is away, and may come back.
    if payment.dispute is not DisputeStanding.OPEN:
        owed_minor = min(owed_minor, hearing.facts.rest_minor)
    return (
        Money(amount_minor=owed_minor, currency=payment.currency).rounded_for_refund().amount_minor
    )


def nothing_left(hearing: Hearing) -> Outcome | None:
    """A denial when the charge's money went back or a dispute took it; None while some may be left."""
    payment = hearing.facts.payment
    if payment.dispute is DisputeStanding.OPEN:
        return None
    if payment.dispute is not DisputeStanding.LOST and hearing.facts.left().amount_minor > 0:
        return None
    return _denied(hearing)


def pay(hearing: Hearing, claims: Sequence[Claim]) -> Outcome:
    """The best claim as a refund, as far as the charge's money is there."""
    payment = hearing.facts.payment
    net_minor, claim = max(
        ((_net_minor(hearing, claim), claim) for claim in claims), key=lambda one: one[0]
    )
    if claim.fee_kept:
        compared = {
            "fee_minor": hearing.number("fee_minor"),
            "entitled_minor": claim.entitled_minor,
        }
        hearing.cite(Clause.FEES, compared, holds=True)
    owed = Money(
        amount_minor=max(0, net_minor - hearing.facts.returned_minor), currency=payment.currency
    ).rounded_for_refund()
    if owed.amount_minor == 0:
        # Where something went back before, that is why; else the clauses cited give nothing.
        return _denied(hearing) if hearing.facts.returned_minor else hearing.deny()
    if payment.dispute in (DisputeStanding.OPEN, DisputeStanding.WON):
        return _disputed(hearing, owed)
    left = hearing.facts.left()
    return _approved(hearing, claim, min(owed, left, key=lambda money: money.amount_minor))


def _net_minor(hearing: Hearing, claim: Claim) -> int:
    fee_minor = hearing.number("fee_minor") if claim.fee_kept else 0
    return claim.entitled_minor - fee_minor


def _approved(hearing: Hearing, claim: Claim, amount: Money) -> Outcome:
    payment = hearing.facts.payment
    hearing.cite(
        Clause.METHOD, {"refund_to_charge": payment.charge_id} | _took(hearing), holds=True
    )
    hearing.cite(Clause.CURRENCY, {"currency": payment.currency}, holds=True)
    return Outcome(
        verdict=Verdict.APPROVE,
        amount=amount,
        clauses=tuple(hearing.results),
        revokes_credits=claim.revokes_credits and hearing.terms.revoke_credits,
        ends_subscription=claim.ends_subscription and hearing.terms.end_subscription,
    )


def _took(hearing: Hearing) -> dict[str, JsonScalar]:
    """What the invoice really took, where that is more than the plan's price on the charge."""
    took = hearing.facts.took
    if took is None or took.plan_minor == hearing.facts.payment.captured_minor:
        return {}
    return {name: getattr(took, name) for name in COUNTED}


def _denied(hearing: Hearing) -> Outcome:
    payment = hearing.facts.payment
    compared = {
        "dispute": payment.dispute.value,
        "refunded_minor": payment.refunded_minor,
        "left_minor": hearing.facts.left().amount_minor,
    }
    hearing.cite(Clause.METHOD, compared, holds=False)
    return hearing.deny()


def _disputed(hearing: Hearing, owed: Money) -> Outcome:
    """A dispute that is open, or that the merchant won, is a person's matter."""
    payment = hearing.facts.payment
    hearing.cite(Clause.METHOD, {"dispute": payment.dispute.value}, holds=None)
    if payment.dispute is DisputeStanding.WON:
        return hearing.review(
            f"Does {owed} go back, although the bank decided the dispute for the merchant?"
        )
    return hearing.review(
        "How does the open dispute of this payment end? While it is open no refund is possible; if "
        f"the merchant wins it, up to {owed} may go back; if it is lost, the customer has the money."
    )
