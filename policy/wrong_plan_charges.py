"""What goes back of a payment that a change of plan made against the terms had taken, without anybody asking.

Source: policy § Plan changes (nothing is charged before the period's end) and § How they combine 1 (no window
applies to what the merchant finds himself), 9, 10 and 13. What was refunded before counts against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.checks import MalformedFactError, require_count, require_flag, require_member
from policy.clauses import Clause
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.money import Money
from policy.payments import DisputeStanding, Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms

_FIELDS = ("payment", "invoice", "clause", "wrong_minor", "whole")
_CLAUSES = frozenset({Clause.CHANGE_UP, Clause.CHANGE_DOWN, Clause.CHANGE_ANNUAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongChargeFacts:
    """A payment of an invoice, and what of it (minor units) the table of plan changes does not know.

    `clause` says when the change should have been; `whole`: nothing on the invoice was due, so what it
    issued goes back with it. Raises MalformedFactError at birth.
    """

    payment: Payment
    invoice: str
    clause: Clause
    wrong_minor: int
    whole: bool

    def __post_init__(self) -> None:
        """Refuse wrong types and facts that contradict each other."""
        require_member("payment", self.payment, Payment)
        require_count("wrong_minor", self.wrong_minor)
        require_flag("whole", self.whole)
        if self.clause not in _CLAUSES:
            raise MalformedFactError("clause must be one of the table of plan changes")
        if self.wrong_minor > self.payment.captured_minor:
            raise MalformedFactError("wrong_minor can be what was captured at most")


def decide_wrong_charge(facts: WrongChargeFacts, terms: Terms) -> Decision:
    """All of what was wrongly taken, less what went back before."""
    payment = facts.payment
    owed = Money(
        amount_minor=max(0, facts.wrong_minor - payment.refunded_minor), currency=payment.currency
    ).rounded_for_refund()
    amount = min(owed, payment.left(), key=lambda one: one.amount_minor)
    taken: dict[str, JsonScalar] = {"invoice": facts.invoice, "wrong_minor": facts.wrong_minor}
    money: dict[str, JsonScalar] = {
        "dispute": payment.dispute.value,
        "refunded_minor": payment.refunded_minor,
        "left_minor": payment.left().amount_minor,
    }
    clauses = [ClauseResult(clause=facts.clause, holds=False, compared=taken)]
    if owed.amount_minor and payment.dispute in (DisputeStanding.OPEN, DisputeStanding.WON):
        clauses.append(ClauseResult(clause=Clause.METHOD, holds=None, compared=money))
        question = f"Does {owed} go back, although the payment's dispute is {payment.dispute}?"
        return _decision(facts, terms, clauses, question=question)
    possible = amount.amount_minor > 0 and payment.dispute is not DisputeStanding.LOST
    clauses.append(ClauseResult(clause=Clause.METHOD, holds=possible, compared=money))
    if not possible:
        return _decision(facts, terms, clauses)
    currency: dict[str, JsonScalar] = {"currency": payment.currency}
    clauses.append(ClauseResult(clause=Clause.CURRENCY, holds=True, compared=currency))
    return _decision(facts, terms, clauses, amount=amount)


def redecide_wrong_charge(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had.
    """
    outer = exact_keys(facts, "facts", ("plan_charge",))
    written = exact_keys(outer["plan_charge"], "plan_charge", _FIELDS)
    if written["clause"] not in list(_CLAUSES):
        raise MalformedFactError("plan_charge.clause must be one of the table of plan changes")
    again = written | {
        "payment": payment_from_json(written["payment"]),
        "clause": Clause(str(written["clause"])),
    }
    return decide_wrong_charge(WrongChargeFacts(**again), terms)


def _decision(
    facts: WrongChargeFacts,
    terms: Terms,
    clauses: list[ClauseResult],
    *,
    question: str | None = None,
    amount: Money | None = None,
) -> Decision:
    verdict = Verdict.DENY if amount is None else Verdict.APPROVE
    effect = CreditEffect(revoked=facts.whole, restored=0, ends_subscription=False)
    return Decision(
        verdict=verdict if question is None else Verdict.REVIEW,
        amount=amount,
        clauses=tuple(clauses),
        terms_version=terms.version,
        undecided=() if question is None else (question,),
        facts={
            "plan_charge": {
                "payment": payment_to_json(facts.payment),
                "invoice": facts.invoice,
                "clause": facts.clause.value,
                "wrong_minor": facts.wrong_minor,
                "whole": facts.whole,
            }
        },
        credits=None if amount is None else effect,
    )
