"""What an unknown fact of a request could be: for each stretch of values that the rules treat alike, one.

A rule compares with limits, so the values just below, at and just above each limit stand for all. An
amount that grows with a fact differs between its least and its greatest value, or not at all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy.clauses import Clause
from policy.request_facts import Plan, RequestFacts
from policy.request_terms import RequestTerms

_HOUR_SECONDS = 3600
#: Longer than anything that is paid for once.
_AGES_SECONDS = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A possible value and how it is told: "if …"."""

    value: Any
    label: str


def answers_to(name: str, facts: RequestFacts, terms: RequestTerms) -> list[Answer]:
    """Values of the unknown fact `name` that stand for all it could have, beside what is known."""
    if name == "plan":
        return [Answer(value=plan, label=f"it is {_PLANS[plan]}") for plan in Plan]
    numbers = _NUMBERS.get(name)
    if numbers is None:
        return [Answer(value=True, label="yes"), Answer(value=False, label="no")]
    return [Answer(value=value, label=str(value)) for value in sorted(set(numbers(facts, terms)))]


def question_about(name: str, facts: RequestFacts, terms: RequestTerms) -> str:
    """The question to the person who decides."""
    return _QUESTIONS[name].format(
        used=facts.used, percent=terms.use_percent, currency=facts.payment.currency.upper()
    )


def clause_of(name: str) -> Clause:
    """The clause that asks for the fact."""
    return _CLAUSES[name]


def _issued(facts: RequestFacts, terms: RequestTerms) -> Iterator[int]:
    if facts.used is None:
        # So many that any share of them can still have been used.
        yield 100 * (100 * (facts.successful or 0) + 1)
        return
    limit, rest = divmod(facts.used * 100, terms.use_percent)
    around = (facts.used, limit if rest else limit - 1, limit, limit + 1)
    yield from (value for value in around if value >= max(facts.used, 1))


def _used(facts: RequestFacts, terms: RequestTerms) -> Iterator[int]:
    least = facts.successful or 0
    if facts.issued is None:
        yield from (least, max(least, 1))
        return
    limit, rest = divmod(facts.issued * terms.use_percent, 100)
    around = (least, 1, limit if rest else limit - 1, limit, limit + 1, facts.issued)
    yield from (value for value in around if least <= value <= facts.issued)


def _wrong_minor(facts: RequestFacts, _terms: RequestTerms) -> Iterator[int]:
    captured_minor = facts.payment.captured_minor
    yield from (0, min(1, captured_minor), captured_minor)


def _fee_minor(facts: RequestFacts, _terms: RequestTerms) -> Iterator[int]:
    yield from (0, facts.payment.captured_minor)


def _period_seconds(facts: RequestFacts, _terms: RequestTerms) -> Iterator[int]:
    lost_seconds = facts.lost_seconds or 0
    yield from (max(lost_seconds, 1), lost_seconds + _AGES_SECONDS)


def _lost_seconds(facts: RequestFacts, _terms: RequestTerms) -> Iterator[int]:
    yield from (0, facts.period_seconds or _AGES_SECONDS)


def _longest_outage(_facts: RequestFacts, terms: RequestTerms) -> Iterator[int]:
    limit = terms.outage_hours * _HOUR_SECONDS
    yield from (0, limit, limit + 1)


def _longest_failure(_facts: RequestFacts, terms: RequestTerms) -> Iterator[int]:
    limit = terms.failure_hours * _HOUR_SECONDS
    yield from (0, limit - 1, limit)


_NUMBERS: Mapping[str, Callable[[RequestFacts, RequestTerms], Iterator[int]]] = {
    "issued": _issued,
    "used": _used,
    "wrong_minor": _wrong_minor,
    "fee_minor": _fee_minor,
    "period_seconds": _period_seconds,
    "lost_seconds": _lost_seconds,
    "longest_outage_seconds": _longest_outage,
    "longest_failure_seconds": _longest_failure,
}
_PLANS = {
    Plan.PACK: "a credit pack",
    Plan.MONTHLY: "a monthly plan",
    Plan.ANNUAL: "an annual plan",
}
_QUESTIONS = {
    "plan": "What was bought?",
    "initial": "Was it the first purchase of the annual plan?",
    "issued": "How many credits were issued?",
    "used": "How many of the credits were used?",
    "expired": "Had the credits expired?",
    "breach": "Was the account suspended or closed for breaking the terms of service?",
    "wrongly_flagged": "Was the account flagged by mistake?",
    "abuse": "Was the service abused?",
    "wrong_minor": "How much of the charge is wrong, in minor units of {currency}?",
    "period_seconds": "How many seconds does what was paid for last?",
    "lost_seconds": "For how many seconds of it was the service down?",
    "longest_outage_seconds": "For how many seconds was the service down without a break?",
    "longest_failure_seconds": "For how many seconds did faults keep the customer from working?",
    "fee_minor": "What did processing the payment cost, in minor units of {currency}?",
    "ruled_little": "Exactly {percent} % of the credits ({used}) were used. Does that count as little?",
    "ruled_renewal": "The charge renewed a yearly plan; the terms speak of its first purchase only."
    " Do the unused full months go back?",
}
_CLAUSES = {
    "plan": Clause.USE_SUB,
    "initial": Clause.ANNUAL,
    "issued": Clause.X_USE,
    "used": Clause.X_USE,
    "ruled_little": Clause.X_USE,
    "ruled_renewal": Clause.ANNUAL,
    "expired": Clause.X_EXPIRED,
    "breach": Clause.X_TERMS,
    "wrongly_flagged": Clause.FLAG_ERROR,
    "abuse": Clause.X_ABUSE,
    "wrong_minor": Clause.BILLING,
    "period_seconds": Clause.PART_OUTAGE,
    "lost_seconds": Clause.PART_OUTAGE,
    "longest_outage_seconds": Clause.OUTAGE,
    "longest_failure_seconds": Clause.TECH,
    "fee_minor": Clause.FEES,
}
