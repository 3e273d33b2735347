"""What the signals of one payment come to: nothing, a look by a person, or the money back unasked.

Each signal has a weight in the terms, and their sum is the payment's score. A signal that is not known weighs
nothing: it is no fact that the decision needs. Source: policy § Clauses `FRAUD-REFUND`, `FRAUD-CANCEL`,
`FRAUD-SUSPEND`; § How they combine 1, 9, 10 and 13; § Fraud.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.checks import MalformedFactError, require_member
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.fraud_effects import fraud_clauses, fraud_credits, suspension_clause
from policy.fraud_signals import CATEGORIES, COUNTS, Signal, require_signals
from policy.fraud_terms import ScoreTerms
from policy.payments import DisputeStanding, Payment, payment_from_json, payment_to_json
from policy.terms_file import Terms

#: What exempts a payment: somebody vouches for it, or has it left alone for a while.
EXEMPTIONS = ("allow", "snooze")
_FIELDS = ("payment", "signals", "exempt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFacts:
    """A payment with its signals by name (`policy/fraud_signals.py`), None for one that is not known.

    `exempt` is "allow" or "snooze" where the list exempts it. Raises MalformedFactError at birth.
    """

    payment: Payment
    signals: Mapping[str, Signal]
    exempt: str | None

    def __post_init__(self) -> None:
        """Refuse wrong types, and signals that are missing or unknown."""
        require_member("payment", self.payment, Payment)
        require_member("signals", self.signals, dict)
        require_signals(self.signals)
        if self.exempt is not None and self.exempt not in EXEMPTIONS:
            raise MalformedFactError(f"exempt must be allow, snooze or null, not {self.exempt!r}")


def weigh(signals: Mapping[str, Signal], rules: ScoreTerms) -> dict[str, int]:
    """The weight of each signal, by name; their sum is the score."""
    weights = {name: rules.categories[name].get(str(signals[name]), 0) for name in CATEGORIES}
    for name in COUNTS:
        count = signals[name]
        weights[name] = rules.counts[name].of(count) if isinstance(count, int) else 0
    return weights


def band(score: int, rules: ScoreTerms, *, exempt: str | None) -> Verdict:
    """What a score alone comes to: let through, looked at, or given back."""
    if exempt is not None or score < rules.review_score:
        return Verdict.DENY
    return Verdict.REVIEW if score < rules.refund_score else Verdict.APPROVE


def decide_score(facts: ScoreFacts, terms: Terms) -> Decision:
    """Approves all that is left, denies, or asks a person, by the band that the score falls into."""
    rules, left = terms.fraud_scores, facts.payment.left()
    score = sum(weigh(facts.signals, rules).values())
    untouched = facts.payment.dispute in (DisputeStanding.NONE, DisputeStanding.WON)
    verdict = band(score, rules, exempt=facts.exempt)
    if verdict is Verdict.DENY:
        return _decision(facts, terms, Verdict.DENY, [_refund(facts, rules, score, holds=False)])
    if not untouched or left.amount_minor == 0:
        clauses = [_refund(facts, rules, score, holds=False)]
        # The account rests all the same: the money is only out of our hands.
        clauses += [suspension_clause(terms)] if verdict is Verdict.APPROVE else []
        return _decision(facts, terms, Verdict.DENY, clauses)
    if verdict is Verdict.REVIEW:
        return _decision(facts, terms, Verdict.REVIEW, [_refund(facts, rules, score, holds=None)])
    clauses = [_refund(facts, rules, score, holds=True), *fraud_clauses(terms, left)]
    return _decision(facts, terms, Verdict.APPROVE, clauses)


def redecide_score(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had.
    """
    outer = exact_keys(facts, "facts", ("fraud",))
    return decide_score(score_facts_from_json(outer["fraud"]), terms)


def score_facts_from_json(value: Json) -> ScoreFacts:
    """The facts of a JSON object with a key for each field. Raises MalformedFactError."""
    written = exact_keys(value, "fraud", _FIELDS)
    return ScoreFacts(**written | {"payment": payment_from_json(written["payment"])})


def _refund(
    facts: ScoreFacts, rules: ScoreTerms, score: int, *, holds: bool | None
) -> ClauseResult:
    compared: dict[str, JsonScalar] = {
        "score": score,
        "review_score": rules.review_score,
        "refund_score": rules.refund_score,
        "certain": score >= rules.certain_score,
        "exempt": facts.exempt,
        "dispute": facts.payment.dispute.value,
        "left_minor": facts.payment.left().amount_minor,
    }
    for name, weight in weigh(facts.signals, rules).items():
        compared |= {name: facts.signals[name], f"{name}_weight": weight}
    return ClauseResult(clause=Clause.FRAUD_REFUND, holds=holds, compared=compared)


def _decision(
    facts: ScoreFacts, terms: Terms, verdict: Verdict, clauses: Iterable[ClauseResult]
) -> Decision:
    left = facts.payment.left()
    approved = verdict is Verdict.APPROVE
    question = f"Is this payment fraud? If so, {left} goes back."
    return Decision(
        verdict=verdict,
        amount=left if approved else None,
        clauses=tuple(clauses),
        terms_version=terms.version,
        undecided=(question,) if verdict is Verdict.REVIEW else (),
        facts={
            "fraud": {
                "payment": payment_to_json(facts.payment),
                "signals": dict(facts.signals),
                "exempt": facts.exempt,
            }
        },
        credits=fraud_credits(terms) if approved else None,
    )
