"""A person's ruling on a case, followed like any other decision; and an appeal against one.

Everything happens in the caller's transaction. Refused rulings change nothing: RulingRefused says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ledger.cases import DISPUTE_PREFIX, FRAUD, Case, case_by_id, count_appeal, move_case
from ledger.decisions import last_decision
from ledger.payment_facts import payments_by_charge
from ledger.refund_intents import Intent, intents_of_cases, refund_under_way
from ledger.refund_requests import judge_anew, requests_of_case
from ledger.states import CaseState
from policy.canonical_json import Json
from policy.decision import Decision
from policy.payments import Payment
from policy.rulings import Ruling, RulingRefused, decide_ruling
from runtime.probes import probe
from workers.case_following import (
    BEYOND_JUDGEMENT,
    CaseAtHand,
    Desk,
    Followed,
    Telling,
    Verdicts,
    follow_decision,
    tell_decision,
)
from workers.refund_consequences import decided_payment
from workers.terms_book import TermsBook

#: Of more than this many appeals against one case, the later ones go straight to a person.
_APPEALS_JUDGED_MAX = 1
_APPEALED_AGAIN = "appealed again: a person decides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """The decision that a ruling became, and what has to be rung for after the commit."""

    decision: Decision
    followed: Followed


def rule_on_case(
    desk: Desk,
    terms_book: TermsBook,
    case_id: int,
    *,
    amount_minor: int | None,
    keeps_credits: bool = False,
    keeps_subscription: bool = False,
    explanation: str | None = None,
) -> Ruled:
    """Approve `amount_minor` (minor units of the charge's currency) of a case, or deny it by None.

    The refund of all that is left takes credits and subscription as the terms say, unless they are to
    be kept; a refund of a part takes neither. `explanation` is what the customer reads of a denial. Raises
    RulingRefused.
    """
    case = _case(desk, case_id)
    intent = _open_intent(desk, case)
    payment = _payment(desk, case)
    terms = terms_book.in_force(payment.created)
    whole = amount_minor is not None and amount_minor == payment.left().amount_minor
    decision = decide_ruling(
        Ruling(
            payment=payment,
            amount_minor=amount_minor,
            revokes_credits=whole and terms.requests.revoke_credits and not keeps_credits,
            ends_subscription=whole
            and payment.invoice is not None
            and payment.invoice.subscription_id is not None
            and terms.requests.end_subscription
            and not keeps_subscription,
            appealed=case.appeals > 0,
        ),
        terms,
    )
    # Nobody asked for a refund of what only a finding or a bank spoke of.
    asked = case.kind != FRAUD and not case.kind.startswith(DISPUTE_PREFIX)
    verdicts = Verdicts(
        stripe_reason="requested_by_customer" if asked else None,
        denied="denied by a person",
        ruled=True,
    )
    at_hand = CaseAtHand(case=case, intent=intent, payment=payment)
    followed = follow_decision(desk, at_hand, decision, verdicts)
    requests = requests_of_case(desk.connection, case.case_id)
    if requests:
        told = Telling(
            decision=decision,
            terms=terms,
            email=requests[-1].email,
            explanation=explanation,
        )
        tell_decision(desk, case, followed, told)
    return Ruled(decision=decision, followed=followed)


def appeal_case(desk: Desk, case_id: int, stated: Mapping[str, Json]) -> int | None:
    """Have the newest request of a denied or paid case looked at again, with facts that were stated.

    Returns the id of the request that is judged again; None when a person decides at once. Raises
    RulingRefused for a case that no request is about.
    """
    case = _case(desk, case_id)
    requests = requests_of_case(desk.connection, case_id)
    if not requests:
        raise RulingRefused(
            "no request is about this case: rule on it by `cases approve` or `deny`"
        )
    _open_intent(desk, case)
    count_appeal(desk.connection, case_id, desk.now_ms)
    if case.appeals >= _APPEALS_JUDGED_MAX:
        probe("appeal.again")
        move_case(
            desk.connection, case_id, CaseState.REVIEW, note=_APPEALED_AGAIN, now_ms=desk.now_ms
        )
        return None
    judge_anew(desk.connection, requests[-1], desk.now_ms, stated=stated)
    return requests[-1].request_id


def _case(desk: Desk, case_id: int) -> Case:
    case = case_by_id(desk.connection, case_id, lock=True)
    if case is None:
        raise RulingRefused(f"there is no case {case_id}")
    return case


def _open_intent(desk: Desk, case: Case) -> Intent | None:
    """The case's refund, while a ruling can still change it."""
    intent = intents_of_cases(desk.connection, [case.case_id]).get(case.case_id)
    if intent is not None and intent.state in BEYOND_JUDGEMENT:
        probe("ruling.too_late")
        raise RulingRefused(f"the refund of this case is {intent.state} already")
    if refund_under_way(desk.connection, case.charge_id, case.case_id):
        raise RulingRefused(
            "another refund of this payment is under way; wait until that has ended"
        )
    return intent


def _payment(desk: Desk, case: Case) -> Payment:
    payment = payments_by_charge(desk.connection, [case.charge_id]).get(case.charge_id)
    if payment is None:
        raise RulingRefused(f"the ledger does not know the charge {case.charge_id}")
    before = last_decision(desk.connection, case.case_id)
    if before is None or (payment.invoice is not None and payment.invoice.told):
        return payment
    # The events that tell of its invoice may be on their way; the last decision saw what Stripe said.
    decided = decided_payment(Decision.from_json(before.body))
    if decided.invoice is None:
        return payment
    return replace(payment, invoice=decided.invoice, invoice_known=True)
