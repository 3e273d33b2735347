"""From a finding to a decision: does the duplicate payment go back, and how much of it?

Source: policy § Clauses `BILLING`, `METHOD`, `CURRENCY`; how they combine, 1, 9, 10 and 13. The
window for requests does not apply, because nobody had to ask; fees are not deducted, because the
error was not the customer's.
"""

from collections.abc import Mapping

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.duplicate_findings import Doubt, Finding, finding_from_json, finding_to_json
from policy.money import Money
from policy.payments import DisputeStanding, Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms


def decide_duplicate(finding: Finding, payment: Payment, terms: Terms) -> Decision:
    """What happens to `payment`, which `finding` says repeats another one.

    Approves all that is left of it; denies when the money went back already or the finding is too
    weak; otherwise a person decides. Raises MalformedFactError when the two do not belong together.
    """
    if finding.charge_id != payment.charge_id:
        raise MalformedFactError(f"the finding is about {finding.charge_id}, not this payment")
    if payment.dispute is DisputeStanding.OPEN:
        return _review(finding, payment, terms, (_dispute_sentence(payment),))
    lost = payment.dispute is DisputeStanding.LOST
    nothing_left = payment.left().amount_minor == 0
    if lost or nothing_left or finding.confidence < terms.duplicates.review_at:
        return _decision(Verdict.DENY, finding, payment, terms)
    doubts = _open_doubts(finding, payment, terms)
    if doubts:
        sentences = tuple(_doubt_sentence(doubt, payment.left()) for doubt in doubts)
        return _review(finding, payment, terms, sentences)
    return _decision(Verdict.APPROVE, finding, payment, terms)


def decide_cleared(payment: Payment, terms: Terms) -> Decision:
    """The decision for a payment that looked like a duplicate and, with what is known now, is none.

    Always denies: `BILLING` does not hold.
    """
    return _decision(Verdict.DENY, None, payment, terms)


def redecide(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had.
    """
    known = exact_keys(facts, "facts", ("finding", "payment"))
    payment = payment_from_json(known["payment"])
    if known["finding"] is None:
        return decide_cleared(payment, terms)
    return decide_duplicate(finding_from_json(known["finding"]), payment, terms)


def _open_doubts(finding: Finding, payment: Payment, terms: Terms) -> tuple[Doubt, ...]:
    doubts: list[Doubt] = []
    if finding.confidence < terms.duplicates.refund_at:
        doubts.extend(finding.doubts or (Doubt.PROBABLE,))
    if payment.dispute is DisputeStanding.WON:
        doubts.append(Doubt.WON)
    if payment.rest_minor < payment.captured_minor:
        doubts.append(Doubt.ACTED_ON)
    return tuple(doubts)


def _doubt_sentence(doubt: Doubt, left: Money) -> str:
    return f"{doubt.question} If yes, {left} goes back; if no, nothing does."


def _dispute_sentence(payment: Payment) -> str:
    undisputed_minor = max(0, payment.captured_minor - payment.refunded_minor)
    if_won = Money(amount_minor=undisputed_minor, currency=payment.currency).rounded_for_refund()
    return (
        "How does the open dispute of this payment end? While it is open no refund is possible; "
        f"if the merchant wins it, {if_won} may go back; if it is lost, the customer has the money."
    )


def _review(
    finding: Finding, payment: Payment, terms: Terms, undecided: tuple[str, ...]
) -> Decision:
    return _decision(Verdict.REVIEW, finding, payment, terms, undecided)


def _decision(
    verdict: Verdict,
    finding: Finding | None,
    payment: Payment,
    terms: Terms,
    undecided: tuple[str, ...] = (),
) -> Decision:
    approved = verdict is Verdict.APPROVE
    billing = ClauseResult(
        clause=Clause.BILLING,
        holds=None if verdict is Verdict.REVIEW else approved,
        compared=_compared(finding, payment, terms),
    )
    return Decision(
        verdict=verdict,
        amount=payment.left() if approved else None,
        clauses=(billing, *_execution(payment)) if approved else (billing,),
        terms_version=terms.version,
        undecided=undecided,
        facts={
            "finding": None if finding is None else finding_to_json(finding),
            "payment": payment_to_json(payment),
        },
    )


def _compared(finding: Finding | None, payment: Payment, terms: Terms) -> Mapping[str, JsonScalar]:
    money: dict[str, JsonScalar] = {
        "captured_minor": payment.captured_minor,
        "refunded_minor": payment.refunded_minor,
        "left_minor": payment.left().amount_minor,
        "dispute": payment.dispute.value,
    }
    if finding is None:
        return money
    return {
        **finding.compared,
        **money,
        "kind": finding.kind.value,
        "kept_charge_id": finding.kept_charge_id,
        "confidence": finding.confidence,
        "refund_at": terms.duplicates.refund_at,
        "review_at": terms.duplicates.review_at,
    }


def _execution(payment: Payment) -> tuple[ClauseResult, ClauseResult]:
    """Both hold by construction: a refund of the charge goes its way back in its currency."""
    return (
        ClauseResult(
            clause=Clause.METHOD,
            holds=True,
            compared={"refund_to_charge": payment.charge_id},
        ),
        ClauseResult(
            clause=Clause.CURRENCY,
            holds=True,
            compared={"currency": payment.currency},
        ),
    )
