"""One hearing of a request: the facts, the terms, and how each clause came out so far.

A rule asks for a fact by `known`; where it is not known the hearing ends with `FactMissing`, and
`policy/request_decisions.py` tries what it could be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policy.canonical_json import JsonScalar
from policy.clauses import Clause
from policy.decision import ClauseResult, Verdict
from policy.money import Money
from policy.request_facts import Plan, RequestFacts
from policy.request_terms import RequestTerms


class FactMissing(Exception):
    """A rule needs the fact `name`; `results` are the clauses that came out before it was asked for."""

    def __init__(self, name: str, results: tuple[ClauseResult, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.results = results


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a hearing came to; the fields are a Decision's."""

    verdict: Verdict
    clauses: tuple[ClauseResult, ...]
    amount: Money | None = None
    revokes_credits: bool = False
    ends_subscription: bool = False
    undecided: tuple[str, ...] = ()

    @property
    def effect(self) -> tuple[Verdict, Money | None, bool, bool]:
        """What it leads to, whatever the reasons."""
        return self.verdict, self.amount, self.revokes_credits, self.ends_subscription

    @property
    def said(self) -> str:
        """What it leads to, as half a sentence."""
        if self.verdict is Verdict.REVIEW:
            return "a person decides"
        return "nothing goes back" if self.amount is None else f"{self.amount} goes back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """The facts under the terms; `results` grows as rules come out."""

    facts: RequestFacts
    terms: RequestTerms
    results: list[ClauseResult] = field(default_factory=list)

    def cite(
        self, clause: Clause, compared: Mapping[str, JsonScalar], *, holds: bool | None
    ) -> bool:
        """Write down how a clause came out; returns whether it holds."""
        self.results.append(ClauseResult(clause=clause, holds=holds, compared=dict(compared)))
        return bool(holds)

    def number(self, name: str) -> int:
        """A fact that is a whole number. Raises FactMissing."""
        found: int = self._known(name)
        return found

    def flag(self, name: str) -> bool:
        """A fact that is true or false. Raises FactMissing."""
        found: bool = self._known(name)
        return found

    def plan(self) -> Plan:
        """What was bought. Raises FactMissing."""
        found: Plan = self._known("plan")
        return found

    def deny(self) -> Outcome:
        """Nothing goes back, for the reasons cited."""
        return Outcome(verdict=Verdict.DENY, clauses=tuple(self.results))

    def review(self, *sentences: str) -> Outcome:
        """A person decides what the sentences say."""
        return Outcome(
            verdict=Verdict.REVIEW, clauses=tuple(self.results), undecided=tuple(sentences)
        )

    def _known(self, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - typed by its callers
        value = getattr(self.facts, name)
        if value is None:
            raise FactMissing(name, tuple(self.results))
        return value
