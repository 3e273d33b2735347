"""What a dispute leads to, in each of Stripe's states: an answer, the money back, or what goes with a loss.

An inquiry moved no money, and giving all of it back ends it without a fee. A chargeback took the money already, so that
nothing goes back; what was bought rests while it is open, goes when it is lost, and is free again when it is won. `lost`
is no end: a late win exists. Source: policy § How they combine 13, § Clauses `FRAUD-*`; Stripe: /api/disputes/object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.checks import require_count, require_member, require_text
from policy.clauses import Clause
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.fraud_effects import fraud_clauses, fraud_credits, suspension_clause
from policy.money import Money
from policy.payments import DisputeStanding, Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms

_FIELDS = ("payment", "dispute_id", "status", "reason", "amount_minor", "due_by")


class DisputeStage(StrEnum):
    """Where a dispute stands for the merchant, whatever Stripe calls it."""

    INQUIRY = "inquiry"  # the bank asks, and waits for an answer
    ANSWER = "answer"  # money was taken; evidence may be handed in
    AT_BANK = "at_bank"  # answered, or nothing to answer: the bank decides
    WON = "won"
    LOST = "lost"
    OVER = "over"  # it came to nothing: an inquiry that was closed, a dispute that was prevented


_STAGES: Final[Mapping[str, DisputeStage]] = {
    "warning_needs_response": DisputeStage.INQUIRY,
    "warning_under_review": DisputeStage.AT_BANK,
    "warning_closed": DisputeStage.OVER,
    "needs_response": DisputeStage.ANSWER,
    "under_review": DisputeStage.AT_BANK,
    "won": DisputeStage.WON,
    "lost": DisputeStage.LOST,
    "charge_refunded": DisputeStage.LOST,
    "prevented": DisputeStage.OVER,
    "appeal_needs_response": DisputeStage.ANSWER,
    "appeal_under_review": DisputeStage.AT_BANK,
}


def stage_of(status: str) -> DisputeStage:
    """The stage of one of Stripe's statuses; one that is not known yet waits for an answer, by a person."""
    return _STAGES.get(status, DisputeStage.ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFacts:
    """One dispute of a payment. `status` and `reason` are Stripe's; `due_by` (unix seconds) is None without a deadline.

    `amount_minor` may exceed the payment. Raises MalformedFactError at birth.
    """

    payment: Payment
    dispute_id: str
    status: str
    reason: str | None
    amount_minor: int
    due_by: int | None

    def __post_init__(self) -> None:
        """Refuse wrong types."""
        require_member("payment", self.payment, Payment)
        require_text("dispute_id", self.dispute_id)
        require_text("status", self.status)
        require_text("reason", self.reason, optional=True)
        require_count("amount_minor", self.amount_minor)
        require_count("due_by", self.due_by, optional=True)

    @property
    def took_money(self) -> bool:
        """Whether it is no inquiry: the bank has taken the money, for now or for good."""
        return not self.status.startswith("warning_")


def decide_dispute(facts: DisputeFacts, terms: Terms) -> Decision:
    """Approves the whole of a small inquiry, asks a person for an answer, or says that the bank decides."""
    stage, left = stage_of(facts.status), facts.payment.left()
    if stage is DisputeStage.INQUIRY:
        if _goes_back(facts, terms, left):
            clauses = [_refund(facts, terms, holds=True), *_taken(terms, left)]
            return _decision(facts, terms, clauses, left, credits=fraud_credits(terms))
        question = f"Answer the bank{_by_when(facts)}, or give {left} back, which ends the inquiry."
        return _decision(facts, terms, [_refund(facts, terms, holds=None)], question=question)
    if stage is DisputeStage.ANSWER:
        question = f"Hand in evidence{_by_when(facts)}, or let the dispute be lost?"
        clauses = [_refund(facts, terms, holds=None), *_rests(facts, stage, terms)]
        return _decision(facts, terms, clauses, question=question)
    clauses = [_refund(facts, terms, holds=False), *_rests(facts, stage, terms)]
    lost = stage is DisputeStage.LOST
    return _decision(facts, terms, clauses, credits=_lost(terms) if lost else None)


def redecide_dispute(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had.
    """
    outer = exact_keys(facts, "facts", ("dispute",))
    return decide_dispute(dispute_facts_from_json(outer["dispute"]), terms)


def dispute_facts_from_json(value: Json) -> DisputeFacts:
    """The facts of a JSON object with a key for each field. Raises MalformedFactError."""
    written = exact_keys(value, "dispute", _FIELDS)
    return DisputeFacts(**written | {"payment": payment_from_json(written["payment"])})


def _goes_back(facts: DisputeFacts, terms: Terms, left: Money) -> bool:
    rules = terms.disputes
    most = rules.inquiry_refund_minor.get(left.currency, 0)
    standing = facts.payment.dispute in (DisputeStanding.INQUIRY, DisputeStanding.WON)
    return standing and facts.reason in rules.inquiry_reasons and 0 < left.amount_minor <= most


def _taken(terms: Terms, left: Money) -> tuple[ClauseResult, ...]:
    """What goes with an inquiry that is given back: the account stays open, nobody spoke of a thief yet."""
    return tuple(
        one for one in fraud_clauses(terms, left) if one.clause is not Clause.FRAUD_SUSPEND
    )


def _rests(facts: DisputeFacts, stage: DisputeStage, terms: Terms) -> tuple[ClauseResult, ...]:
    """What rests while the bank has the money, and what goes when it is lost."""
    rules = terms.disputes
    if not facts.took_money or stage in (DisputeStage.WON, DisputeStage.OVER):
        return ()
    rests = (suspension_clause(terms),) if facts.reason in rules.suspend_reasons else ()
    if stage is not DisputeStage.LOST:
        return rests
    takes: dict[str, JsonScalar] = {
        "takes_credits": rules.lost_takes_credits,
        "ends_subscription": rules.lost_ends_subscription,
    }
    holds = rules.lost_takes_credits or rules.lost_ends_subscription
    return (*rests, ClauseResult(clause=Clause.FRAUD_CANCEL, holds=holds, compared=takes))


def _lost(terms: Terms) -> CreditEffect:
    rules = terms.disputes
    return CreditEffect(
        revoked=rules.lost_takes_credits,
        restored=0,
        ends_subscription=rules.lost_ends_subscription,
    )


def _by_when(facts: DisputeFacts) -> str:
    # The case carries the moment as its deadline; a decision has no calendar.
    return "" if facts.due_by is None else " in time"


def _refund(facts: DisputeFacts, terms: Terms, *, holds: bool | None) -> ClauseResult:
    left = facts.payment.left()
    compared: dict[str, JsonScalar] = {
        "status": facts.status,
        "reason": facts.reason,
        "certain": False,
        "amount_minor": facts.amount_minor,
        "due_by": facts.due_by,
        "left_minor": left.amount_minor,
        "inquiry_refund_minor": terms.disputes.inquiry_refund_minor.get(left.currency),
    }
    return ClauseResult(clause=Clause.FRAUD_REFUND, holds=holds, compared=compared)


def _decision(
    facts: DisputeFacts,
    terms: Terms,
    clauses: list[ClauseResult],
    amount: Money | None = None,
    *,
    question: str | None = None,
    credits: CreditEffect | None = None,  # noqa: A002 - the field's own word
) -> Decision:
    verdict = Verdict.DENY if amount is None else Verdict.APPROVE
    written: dict[str, Json] = {name: getattr(facts, name) for name in _FIELDS}
    return Decision(
        verdict=verdict if question is None else Verdict.REVIEW,
        amount=amount,
        clauses=tuple(clauses),
        terms_version=terms.version,
        undecided=() if question is None else (question,),
        facts={"dispute": written | {"payment": payment_to_json(facts.payment)}},
        credits=credits,
    )
