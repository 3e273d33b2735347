"""What goes back of a payment because the service was down, without anybody asking.

Source: policy § Clauses `PART-OUTAGE`, § How they combine 1 (no window applies to what the merchant
finds himself), 9, 10 and 13. All outages of the paid period count together, and what was refunded
before counts against them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.checks import MalformedFactError, require_count, require_member
from policy.clauses import Clause
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.money import Money
from policy.payments import DisputeStanding, Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms

_FIELDS = ("payment", "plan_minor", "period_seconds", "lost_seconds", "fee_minor")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageFacts:
    """A payment, how long what it bought lasts, and for how much of that the service was down (seconds).

    `plan_minor` is what its invoice asked for the period, which a customer's balance may have helped to pay, and
    prorations of other plans may stand beside (null: the payment itself is the price). `fee_minor` is what
    processing the payment cost. None: not known. Raises MalformedFactError at birth.
    """

    payment: Payment
    plan_minor: int | None
    period_seconds: int | None
    lost_seconds: int
    fee_minor: int | None

    def __post_init__(self) -> None:
        """Refuse wrong types and facts that contradict each other."""
        require_member("payment", self.payment, Payment)
        require_count("plan_minor", self.plan_minor, optional=True)
        require_count("period_seconds", self.period_seconds, optional=True)
        require_count("lost_seconds", self.lost_seconds)
        require_count("fee_minor", self.fee_minor, optional=True)
        if self.period_seconds is not None and self.lost_seconds > self.period_seconds:
            raise MalformedFactError("lost_seconds can be period_seconds at most")
        if self.period_seconds == 0:
            raise MalformedFactError("period_seconds must be null or more than zero")


def decide_outage(facts: OutageFacts, terms: Terms) -> Decision:
    """The share of the price that the lost time is, less what went back before."""
    payment = facts.payment
    if facts.period_seconds is None:
        share: dict[str, JsonScalar] = {"lost_seconds": facts.lost_seconds, "period_seconds": None}
        question = "How long does what was paid for last? The share of it that was lost goes back."
        return _decision(facts, terms, [_cited(Clause.PART_OUTAGE, share, holds=None)], question)
    price_minor = payment.captured_minor if facts.plan_minor is None else facts.plan_minor
    share_minor = price_minor * facts.lost_seconds // facts.period_seconds
    clauses = [
        _cited(
            Clause.PART_OUTAGE,
            {
                "price_minor": price_minor,
                "lost_seconds": facts.lost_seconds,
                "period_seconds": facts.period_seconds,
                "share_minor": share_minor,
            },
            holds=share_minor > 0,
        )
    ]
    fee_minor = 0
    if terms.requests.fee_kept_on_our_error:
        fees: dict[str, JsonScalar] = {"fee_minor": facts.fee_minor, "entitled_minor": share_minor}
        clauses.append(_cited(Clause.FEES, fees, holds=None if facts.fee_minor is None else True))
        if facts.fee_minor is None:
            return _decision(facts, terms, clauses, "What did processing the payment cost?")
        fee_minor = facts.fee_minor
    owed = Money(
        amount_minor=max(0, share_minor - fee_minor - payment.refunded_minor),
        currency=payment.currency,
    ).rounded_for_refund()
    return _paid(facts, terms, clauses, owed)


def redecide_outage(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had.
    """
    outage = exact_keys(facts, "facts", ("outage",))["outage"]
    if isinstance(outage, Mapping):
        # Decisions of before the plan's own lines were known went by the payment.
        outage = {"plan_minor": None} | dict(outage)
    written = exact_keys(outage, "outage", _FIELDS)
    return decide_outage(
        OutageFacts(**written | {"payment": payment_from_json(written["payment"])}), terms
    )


def _paid(facts: OutageFacts, terms: Terms, clauses: list[ClauseResult], owed: Money) -> Decision:
    payment = facts.payment
    left = payment.left()
    money: dict[str, JsonScalar] = {
        "dispute": payment.dispute.value,
        "refunded_minor": payment.refunded_minor,
        "left_minor": left.amount_minor,
    }
    if owed.amount_minor and payment.dispute in (DisputeStanding.OPEN, DisputeStanding.WON):
        clauses.append(_cited(Clause.METHOD, money, holds=None))
        question = f"Does {owed} go back, although the payment's dispute is {payment.dispute}?"
        return _decision(facts, terms, clauses, question)
    amount = min(owed, left, key=lambda one: one.amount_minor)
    possible = amount.amount_minor > 0 and payment.dispute is not DisputeStanding.LOST
    clauses.append(_cited(Clause.METHOD, money, holds=possible))
    if not possible:
        return _decision(facts, terms, clauses)
    clauses.append(_cited(Clause.CURRENCY, {"currency": payment.currency}, holds=True))
    return _decision(facts, terms, clauses, amount=amount)


def _cited(
    clause: Clause, compared: Mapping[str, JsonScalar], *, holds: bool | None
) -> ClauseResult:
    return ClauseResult(clause=clause, holds=holds, compared=dict(compared))


def _decision(
    facts: OutageFacts,
    terms: Terms,
    clauses: list[ClauseResult],
    question: str | None = None,
    amount: Money | None = None,
) -> Decision:
    verdict = Verdict.DENY if amount is None else Verdict.APPROVE
    return Decision(
        verdict=verdict if question is None else Verdict.REVIEW,
        amount=amount,
        clauses=tuple(clauses),
        terms_version=terms.version,
        undecided=() if question is None else (question,),
        facts={
            "outage": {
                "payment": payment_to_json(facts.payment),
                "plan_minor": facts.plan_minor,
                "period_seconds": facts.period_seconds,
                "lost_seconds": facts.lost_seconds,
                "fee_minor": facts.fee_minor,
            }
        },
        credits=None
        if amount is None
        else CreditEffect(revoked=False, restored=0, ends_subscription=False),
    )
