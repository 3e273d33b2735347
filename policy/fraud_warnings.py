"""What an early fraud warning leads to: does the payment go back before the bank takes it?

Who waits loses the payment and the fee where the warning becomes a dispute; who gives it back loses what the customer
has used where it would not have become one. The smaller of the two expected costs decides. Source: policy § Clauses
`FRAUD-REFUND`, `FRAUD-CANCEL`; § How they combine 1 (no window applies to what the merchant finds), 9, 10 and 13.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.checks import (
    MalformedFactError,
    require_count,
    require_flag,
    require_member,
    require_text,
)
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.fraud_effects import fraud_clauses, fraud_credits
from policy.fraud_terms import PERCENT_MAX, WarningTerms
from policy.money import Money
from policy.payments import DisputeStanding, Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms

_FIELDS = (
    "payment",
    "warning_id",
    "fraud_type",
    "actionable",
    "liability_shifted",
    "used_percent",
    "warned_before",
    "disputed_before",
    "near_threshold",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningFacts:
    """A payment that an issuer warned of, and what there is to weigh.

    `fraud_type` and `actionable` are Stripe's. `liability_shifted`: the bank bears a fraud dispute (3-D Secure).
    `used_percent`: how much of what was bought is used up. Of `warned_before` warnings that were left alone,
    `disputed_before` became disputes. `near_threshold`: a network's monitoring programme is close. None: not known.
    Raises MalformedFactError at birth.
    """

    payment: Payment
    warning_id: str
    fraud_type: str
    actionable: bool
    liability_shifted: bool | None
    used_percent: int | None
    warned_before: int
    disputed_before: int
    near_threshold: bool

    def __post_init__(self) -> None:
        """Refuse wrong types and facts that contradict each other."""
        require_member("payment", self.payment, Payment)
        require_text("warning_id", self.warning_id)
        require_text("fraud_type", self.fraud_type)
        for name in ("actionable", "near_threshold"):
            require_flag(name, getattr(self, name))
        if self.liability_shifted is not None:
            require_flag("liability_shifted", self.liability_shifted)
        require_count("used_percent", self.used_percent, optional=True)
        for name in ("warned_before", "disputed_before"):
            require_count(name, getattr(self, name))
        if (self.used_percent or 0) > PERCENT_MAX:
            raise MalformedFactError("used_percent can be 100 at most")
        if self.disputed_before > self.warned_before:
            raise MalformedFactError("disputed_before can be warned_before at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Both expected costs, in hundredths of minor units, and what they were reckoned from."""

    percent: int
    measured: bool
    fee_minor: int
    waiting: int
    refunding: int

    @property
    def refund(self) -> bool:
        """Whether giving it back costs less, or the same."""
        return self.refunding <= self.waiting


def decide_warning(facts: WarningFacts, terms: Terms) -> Decision:
    """Approves all that is left, denies, or names what a person has to find out."""
    rules, left = terms.fraud_warnings, facts.payment.left()
    if _nothing_to_do(facts, rules, left):
        return _decision(facts, terms, [_refund(facts, None, holds=False)])
    if left.currency not in rules.dispute_fees_minor:
        unpriced = f"What does a dispute in {left.currency} cost? The terms do not say."
        return _decision(facts, terms, [_refund(facts, None, holds=None)], unpriced)
    used = (0, PERCENT_MAX) if facts.used_percent is None else (facts.used_percent,)
    weighed = [_weigh(facts, rules, left, one) for one in used]
    refunds = {one.refund for one in weighed}
    if refunds == {False}:
        return _decision(facts, terms, [_refund(facts, weighed[-1], holds=False)])
    question = _question(facts, rules, left, certain=len(refunds) == 1)
    if question is not None:
        return _decision(facts, terms, [_refund(facts, weighed[-1], holds=None)], question)
    return _approved(facts, terms, weighed[-1], left)


def redecide_warning(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had.
    """
    outer = exact_keys(facts, "facts", ("warning",))
    return decide_warning(warning_from_json(outer["warning"]), terms)


def warning_from_json(value: Json) -> WarningFacts:
    """The facts of a JSON object with a key for each field. Raises MalformedFactError."""
    written = exact_keys(value, "warning", _FIELDS)
    return WarningFacts(**written | {"payment": payment_from_json(written["payment"])})


def _nothing_to_do(facts: WarningFacts, rules: WarningTerms, left: Money) -> bool:
    """Whether the warning is over, or is none of the merchant's."""
    disputed = facts.payment.dispute is not DisputeStanding.NONE
    borne = bool(facts.liability_shifted) and rules.liability_shift_ends_it
    return not facts.actionable or disputed or borne or left.amount_minor == 0


def _question(
    facts: WarningFacts, rules: WarningTerms, left: Money, *, certain: bool
) -> str | None:
    """What must be known before money goes back; None where all that matters is."""
    if not certain:
        return f"How much of what was bought is used up? If little, {left} goes back."
    if facts.liability_shifted is None and rules.liability_shift_ends_it:
        return (
            f"Does the bank bear a dispute of this payment (3-D Secure)? If not, {left} goes back."
        )
    return None


def _weigh(facts: WarningFacts, rules: WarningTerms, left: Money, used_percent: int) -> Weighed:
    measured = facts.warned_before >= rules.history_warnings
    percent = rules.dispute_percent
    if measured:
        percent = facts.disputed_before * PERCENT_MAX // facts.warned_before
    fee_minor = rules.dispute_fees_minor[left.currency]
    if facts.near_threshold:
        fee_minor = fee_minor * rules.near_threshold_percent // PERCENT_MAX
    # Where it is fraud the payment is lost either way, so that the fee alone is saved.
    return Weighed(
        percent=percent,
        measured=measured,
        fee_minor=fee_minor,
        waiting=percent * fee_minor,
        refunding=(PERCENT_MAX - percent) * left.amount_minor * used_percent // PERCENT_MAX,
    )


def _approved(facts: WarningFacts, terms: Terms, weighed: Weighed, left: Money) -> Decision:
    certain = facts.fraud_type in terms.fraud_effects.certain_fraud_types
    refund = _refund(facts, weighed, holds=True, certain=certain)
    return _decision(facts, terms, [refund, *fraud_clauses(terms, left)], amount=left)


def _refund(
    facts: WarningFacts,
    weighed: Weighed | None,
    *,
    holds: bool | None,
    certain: bool = False,
) -> ClauseResult:
    compared: dict[str, JsonScalar] = {
        "fraud_type": facts.fraud_type,
        "certain": certain,
        "actionable": facts.actionable,
        "dispute": facts.payment.dispute.value,
        "liability_shifted": facts.liability_shifted,
        "left_minor": facts.payment.left().amount_minor,
        "used_percent": facts.used_percent,
    }
    if weighed is not None:
        compared |= {
            "dispute_percent": weighed.percent,
            "measured": weighed.measured,
            "dispute_fee_minor": weighed.fee_minor,
            # Shown in whole minor units, each to its own disadvantage; compared exactly.
            "waiting_costs_minor": weighed.waiting // PERCENT_MAX,
            "refunding_costs_minor": -(-weighed.refunding // PERCENT_MAX),
        }
    return ClauseResult(clause=Clause.FRAUD_REFUND, holds=holds, compared=compared)


def _decision(
    facts: WarningFacts,
    terms: Terms,
    clauses: list[ClauseResult],
    question: str | None = None,
    amount: Money | None = None,
) -> Decision:
    verdict = Verdict.DENY if amount is None else Verdict.APPROVE
    written: dict[str, Json] = {name: getattr(facts, name) for name in _FIELDS}
    return Decision(
        verdict=verdict if question is None else Verdict.REVIEW,
        amount=amount,
        clauses=tuple(clauses),
        terms_version=terms.version,
        undecided=() if question is None else (question,),
        facts={"warning": written | {"payment": payment_to_json(facts.payment)}},
        credits=None if amount is None else fraud_credits(terms),
    )
