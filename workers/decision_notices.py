"""What a decision tells: an e-mail to the customer and a webhook to the product, in the terms' own words."""

from collections.abc import Mapping, Sequence
from typing import Final

from ledger.notice_tables import NoticeChannel
from ledger.notices import REFUND_DECIDED, NewNotice, decision_key
from policy.canonical_json import Json, JsonScalar
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.terms_file import Terms

#: Clauses about how something is done; they decide nothing, so they are no reasons for a customer.
_PROCEDURE: Final = frozenset(
    {
        Clause.INTAKE,
        Clause.METHOD,
        Clause.CURRENCY,
        Clause.TIMING,
        Clause.NOTIFY,
        Clause.REVIEW_3BD,
        Clause.REPLY_24H,
        Clause.APPEAL,
    }
)
_CREDIT_CLAUSES: Final = frozenset({Clause.PART_CREDITS, Clause.PART_LOST})
_EXCLUDING: Final = frozenset(clause for clause in Clause if clause.value.startswith("X-"))


def notices_of_decision(
    decision: Decision,
    terms: Terms,
    *,
    decision_id: int,
    case_id: int,
    customer_id: str | None,
    recipient: str | None,
    to_product: bool,
    explanation: str | None = None,
) -> tuple[NewNotice, ...]:
    """The notices of one decision, to be written in the transaction that appends it.

    `terms` are the version that decided. `recipient` is the customer's address; None where there is none
    to tell. `to_product` says whether the product has an endpoint. `explanation` is what a person who denied
    said; of an approval it is internal and stays out. In observe mode nothing follows from a
    decision, so nobody is to be told of it either. Raises ValueError for an address that is none.
    """
    made = []
    if recipient is not None:
        said = explanation if decision.verdict is Verdict.DENY else None
        told = _email(decision, terms, decision_id, case_id, recipient=recipient, explanation=said)
        made.append(told)
    if to_product:
        made.append(_webhook(decision, terms, decision_id, case_id, customer_id))
    return tuple(made)


def _email(
    decision: Decision,
    terms: Terms,
    decision_id: int,
    case_id: int,
    *,
    recipient: str,
    explanation: str | None,
) -> NewNotice:
    effect = decision.credits
    requests = terms.requests
    content: dict[str, Json] = {
        "template": _template(decision),
        "case": case_id,
        "terms_version": decision.terms_version,
        "amount": None if decision.amount is None else decision.amount.to_fields(),
        "reasons": [_clause(result, terms) for result in _reasons(decision)],
        "missing": _missing(decision),
        "given_back": _given_back(decision),
        "explanation": explanation,
        "credits_restored": 0 if effect is None else effect.restored,
        "credits_revoked": effect is not None and effect.revoked,
        "subscription_ends": effect is not None and effect.ends_subscription,
        "arrival_days": [requests.arrival_business_days_min, requests.arrival_business_days_max],
        "review_business_days": requests.review_business_days,
    }
    return NewNotice(
        key=decision_key(decision_id, NoticeChannel.EMAIL),
        channel=NoticeChannel.EMAIL,
        event=REFUND_DECIDED,
        subject_id=str(case_id),
        recipient=recipient,
        content=content,
    )


def _webhook(
    decision: Decision, terms: Terms, decision_id: int, case_id: int, customer_id: str | None
) -> NewNotice:
    content: dict[str, Json] = {
        "case_id": case_id,
        "decision_id": decision_id,
        "customer_id": customer_id,
        "verdict": decision.verdict.value,
        "amount": None if decision.amount is None else decision.amount.to_fields(),
        "credits": None if decision.credits is None else decision.credits.to_fields(),
        "clauses": [_clause(result, terms) for result in decision.clauses],
        "undecided": list(decision.undecided),
        "terms_version": decision.terms_version,
    }
    return NewNotice(
        key=decision_key(decision_id, NoticeChannel.WEBHOOK),
        channel=NoticeChannel.WEBHOOK,
        event=REFUND_DECIDED,
        subject_id=str(case_id),
        content=content,
    )


def _template(decision: Decision) -> str:
    if decision.verdict is Verdict.REVIEW:
        return "request_review"
    if decision.verdict is Verdict.DENY:
        return "refund_denied"
    return "credits_restored" if decision.amount is None else "refund_approved"


def _clause(result: ClauseResult, terms: Terms) -> Mapping[str, Json]:
    clause = result.clause
    return {"id": clause.value, "title": terms.title(clause), "holds": result.holds}


def _reasons(decision: Decision) -> Sequence[ClauseResult]:
    """The clauses that decided: those that hold; of a denial what excludes, or else what is not met."""
    cited = [result for result in decision.clauses if result.clause not in _PROCEDURE]
    if decision.verdict is Verdict.APPROVE:
        # An excluding clause may hold and be overruled, as by an outage: it decided nothing.
        return [result for result in cited if result.holds and result.clause not in _EXCLUDING]
    if decision.verdict is Verdict.REVIEW:
        return [result for result in cited if result.holds is None]
    if _given_back(decision) is not None:
        return []
    excluding = [result for result in cited if result.holds and result.clause in _EXCLUDING]
    return excluding or [
        result for result in cited if result.holds is False and result.clause not in _EXCLUDING
    ]


def _missing(decision: Decision) -> list[str]:
    """What the request did not name, as `IntakeField`s."""
    return [
        name
        for result in decision.clauses
        if result.clause is Clause.INTAKE and result.holds is False
        for name, named in result.compared.items()
        if named is False
    ]


def _given_back(decision: Decision) -> str | None:
    """Of a denial, what had come back before: `money` or `credits`. Then no other clause is its reason."""
    if decision.verdict is not Verdict.DENY:
        return None
    for result in decision.clauses:
        if result.clause is Clause.METHOD and result.holds is False:
            return "money"
        if result.clause in _CREDIT_CLAUSES and _came_back(result.compared):
            return "credits"
    return None


def _came_back(compared: Mapping[str, JsonScalar]) -> bool:
    """Whether all credits that a claim shows were restored for it before."""
    shown, restored = compared["documented"], compared["restored"]
    if shown is None:
        shown = compared["claimed"]
    return isinstance(restored, int) and isinstance(shown, int) and restored >= shown > 0
