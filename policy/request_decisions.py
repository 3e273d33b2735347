"""The decision about a refund request, whatever is known of it.

Where a rule needs a fact that is not known, everything that it could be is tried: if all of it leads to
the same, that is the decision, and otherwise a person decides and reads what each answer would lead to.
Source: policy § How they combine, the sentence before 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from policy.canonical_json import Json, JsonScalar, exact_keys
from policy.clauses import Clause
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.possible_answers import answers_to, clause_of, question_about
from policy.request_facts import RequestFacts, request_from_json, request_to_json
from policy.request_hearing import FactMissing, Hearing, Outcome
from policy.request_rules import judge
from policy.request_terms import RequestTerms
from policy.terms_file import Terms


def decide_request(facts: RequestFacts, terms: Terms) -> Decision:
    """What the terms say about the request; equal facts give equal decisions."""
    outcome = _Tribunal(terms.requests).decide(facts)
    approved = outcome.amount is not None
    return Decision(
        verdict=outcome.verdict,
        amount=outcome.amount,
        clauses=outcome.clauses,
        terms_version=terms.version,
        undecided=outcome.undecided,
        facts={"request": request_to_json(facts)},
        credits=CreditEffect(
            revoked=outcome.revokes_credits,
            restored=0,
            ends_subscription=outcome.ends_subscription,
        )
        if approved
        else None,
    )


def redecide_request(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; with the same terms, the same.

    Raises MalformedFactError for facts that no decision of this module could have had.
    """
    known = exact_keys(facts, "facts", ("request",))
    return decide_request(request_from_json(known["request"]), terms)


class _Tribunal:
    """Hears a request as often as its unknown facts could have values that matter."""

    def __init__(self, terms: RequestTerms) -> None:
        self._terms = terms

    def decide(self, facts: RequestFacts) -> Outcome:
        """The one outcome, or a review that names the facts it hangs on."""
        try:
            return judge(self._hearing(facts))
        except FactMissing as missing:
            return self._settled(facts) or self._open(facts, missing)

    def _hearing(self, facts: RequestFacts) -> Hearing:
        return Hearing(facts=facts, terms=self._terms)

    def _settled(self, facts: RequestFacts) -> Outcome | None:
        """What every possible value of the unknown facts leads to; None as soon as two differ."""
        try:
            return judge(self._hearing(facts))
        except FactMissing as missing:
            name = missing.name
        outcomes: list[Outcome] = []
        for answer in answers_to(name, facts, self._terms):
            outcome = self._settled(replace(facts, **{name: answer.value}))
            if outcome is None or (outcomes and outcome.effect != outcomes[0].effect):
                return None
            outcomes.append(outcome)
        return replace(outcomes[0], clauses=_agreed(outcomes), undecided=_sentences(outcomes))

    def _open(self, facts: RequestFacts, missing: FactMissing) -> Outcome:
        """A review: what is not known, and what each answer would lead to."""
        cited = ClauseResult(
            clause=clause_of(missing.name), holds=None, compared={missing.name: None}
        )
        return Outcome(
            verdict=Verdict.REVIEW,
            clauses=(*missing.results, cited),
            undecided=tuple(self._questions(facts, missing)),
        )

    def _questions(self, facts: RequestFacts, missing: FactMissing) -> Iterator[str]:
        """A sentence on the missing fact, and on those that are missed when it is answered."""
        found: list[tuple[str, str]] = []
        deeper: list[str] = []
        for answer in answers_to(missing.name, facts, self._terms):
            answered = replace(facts, **{missing.name: answer.value})
            try:
                outcome: Outcome | None = judge(self._hearing(answered))
            except FactMissing as more:
                outcome = self._settled(answered)
                if outcome is None and not deeper:
                    deeper = list(self._questions(answered, more))
            said = "it hangs on the rest" if outcome is None else outcome.said
            found.append((answer.label, said))
        yield f"{question_about(missing.name, facts, self._terms)} {_answers_said(found)}"
        yield from deeper


def _answers_said(found: Sequence[tuple[str, str]]) -> str:
    """One "if" for each run of answers that lead to the same."""
    runs: list[tuple[list[str], str]] = []
    for label, said in found:
        if runs and runs[-1][1] == said:
            runs[-1][0].append(label)
        else:
            runs.append(([label], said))
    text = "; ".join(f"if {_either(labels)}, {said}" for labels, said in runs)
    return f"{text[0].upper()}{text[1:]}."


def _either(labels: Sequence[str]) -> str:
    *most, last = labels
    return f"{', '.join(most)} or {last}" if most else last


def _sentences(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said for outcome in outcomes for said in outcome.undecided))


def _agreed(outcomes: Sequence[Outcome]) -> tuple[ClauseResult, ...]:
    """Every clause that an outcome cites; it holds or not where all of them say the same, else it is open."""
    cited: dict[Clause, list[ClauseResult]] = {}
    for outcome in outcomes:
        for result in outcome.clauses:
            cited.setdefault(result.clause, []).append(result)
    return tuple(_merged(results, len(outcomes)) for results in cited.values())


def _merged(results: Sequence[ClauseResult], outcomes: int) -> ClauseResult:
    first, *others = results
    agree = len(results) == outcomes and all(other.holds == first.holds for other in others)
    compared: dict[str, JsonScalar] = {
        name: value if all(other.compared.get(name) == value for other in others) else None
        for name, value in first.compared.items()
    }
    return ClauseResult(
        clause=first.clause, holds=first.holds if agree else None, compared=compared
    )
