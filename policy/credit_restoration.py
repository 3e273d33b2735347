"""Do credits come back that failures or losses of the platform took?

Source: policy § Clauses `PART-CREDITS` (generations that system errors made fail) and `PART-LOST`
(credits that a platform problem lost). No money moves: the decision approves credits.
"""

from collections.abc import Mapping
from dataclasses import asdict

from policy.canonical_json import Json, exact_keys
from policy.clauses import Clause
from policy.credit_losses import CreditClaim, CreditLoss
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.terms_file import Terms


def decide_restoration(claim: CreditClaim, terms: Terms) -> Decision:
    """How many credits come back: what is claimed and documented, less what came back before."""
    most = max(0, claim.claimed - claim.restored)
    owed = (
        most if claim.documented is None else min(most, max(0, claim.documented - claim.restored))
    )
    if claim.our_fault is False or owed == 0:
        return _decision(claim, terms, Verdict.DENY)
    if claim.our_fault is None:
        question = f"Was the platform the cause? If yes, {_up_to(claim, owed)}; if no, none do."
        return _decision(claim, terms, Verdict.REVIEW, undecided=question)
    if claim.documented is None:
        question = f"How many of the {claim.claimed} credits are shown to have gone? As many come back, {most} at most."
        return _decision(claim, terms, Verdict.REVIEW, undecided=question)
    return _decision(claim, terms, Verdict.APPROVE, owed=owed)


def redecide_restoration(facts: Mapping[str, Json], terms: Terms) -> Decision:
    """The decision made anew from the facts of an earlier one; MalformedFactError for other facts."""
    known = exact_keys(facts, "facts", ("credit_claim",))
    names = ("loss", "claimed", "documented", "our_fault", "restored")
    fields = exact_keys(known["credit_claim"], "credit_claim", names)
    return decide_restoration(CreditClaim(**fields | {"loss": CreditLoss(fields["loss"])}), terms)


def _up_to(claim: CreditClaim, owed: int) -> str:
    return (
        f"{owed} credits come back" if claim.documented is not None else f"up to {owed} come back"
    )


def _decision(
    claim: CreditClaim,
    terms: Terms,
    verdict: Verdict,
    *,
    owed: int = 0,
    undecided: str | None = None,
) -> Decision:
    written = asdict(claim) | {"loss": claim.loss.value}
    clause = Clause.PART_CREDITS if claim.loss is CreditLoss.FAILED else Clause.PART_LOST
    holds = None if verdict is Verdict.REVIEW else verdict is Verdict.APPROVE
    return Decision(
        verdict=verdict,
        amount=None,
        clauses=(ClauseResult(clause=clause, holds=holds, compared=written),),
        terms_version=terms.version,
        undecided=() if undecided is None else (undecided,),
        facts={"credit_claim": written},
        credits=CreditEffect(revoked=False, restored=owed, ends_subscription=False),
    )
