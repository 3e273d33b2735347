"""A person clears a suspicion: its refund is withdrawn unless it has left, and all that it took comes back.

Everything happens in the caller's transaction. Refused clearings change nothing: RulingRefused says why.
"""

from dataclasses import dataclass

from ledger.accounts import account_of
from ledger.cases import DISPUTE_PREFIX, FRAUD, Case, case_by_id, list_cases
from ledger.fraud_facts import payments_of_card
from ledger.list_entries import ListEntry, add_entry
from ledger.payment_facts import payments_by_charge
from ledger.refund_intents import intents_of_cases
from ledger.revoked_credits import return_revoked
from ledger.states import CaseState, IntentState, ListName, ListSubject, Standing, StandingCause
from ledger.suspensions import suspension_of
from policy.clearing import Clearing, decide_clearing
from policy.payments import Payment
from policy.rulings import RulingRefused
from runtime.limits import SWEEP_ROWS_MAX
from workers.case_following import (
    BEYOND_JUDGEMENT,
    CaseAtHand,
    Desk,
    Verdicts,
    follow_decision,
)
from workers.suspicions import lift_suspicion
from workers.terms_book import TermsBook

_VERDICTS = Verdicts(stripe_reason=None, denied="cleared by a person: it was no fraud", ruled=True)
#: In these the customer has, or gets, the money.
_GIVEN_BACK = frozenset(
    {IntentState.SUBMITTED, IntentState.UNKNOWN, IntentState.PENDING, IntentState.SUCCEEDED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What came of a clearing: whether an account was freed, credits that came back, notices to ring for.

    `given_back`: the refund had left before, so that the money is the customer's and the credits stay gone.
    `others` are the payments that were judged by this suspicion as well, and have to be judged anew.
    """

    payment: Payment
    freed: bool
    credits_back: int
    given_back: bool
    notices: frozenset[int]
    others: frozenset[str]


def clear_case(desk: Desk, terms_book: TermsBook, case_id: int, reason: str, actor: str) -> Cleared:
    """End a wrong suspicion. The customer is put on the allow list, so that it does not come up again."""
    case = case_by_id(desk.connection, case_id, lock=True)
    if case is None:
        raise RulingRefused(f"there is no case {case_id}")
    if case.kind != FRAUD and not case.kind.startswith(DISPUTE_PREFIX):
        raise RulingRefused(f"case {case_id} suspects nobody: it is about {case.kind}")
    payment = payments_by_charge(desk.connection, [case.charge_id])[case.charge_id]
    intent = intents_of_cases(desk.connection, [case_id]).get(case_id)
    held = suspension_of(desk.connection, case_id)
    suspended = held is not None and held.ended_ms is None
    given_back = intent is not None and intent.state in _GIVEN_BACK
    if intent is None or intent.state not in BEYOND_JUDGEMENT:
        decision = decide_clearing(
            Clearing(payment=payment, suspended=suspended), terms_book.in_force(payment.created)
        )
        at_hand = CaseAtHand(case=case, intent=intent, payment=payment)
        follow_decision(desk, at_hand, decision, _VERDICTS)
    lifted = lift_suspicion(desk, case_id, StandingCause.MISTAKE)
    if payment.customer_id is not None:
        _allow(desk, payment.customer_id, reason, actor)
    back = 0
    if not given_back:
        back = return_revoked(
            desk.connection,
            by=case.kind if intent is None else intent.intent_id,
            key=f"cleared:{case_id}",
            at=desk.now_ms // 1_000,
            now_ms=desk.now_ms,
        )
    return Cleared(
        payment=payment,
        freed=suspended
        and account_of(desk.connection, payment.customer_id).standing is Standing.ACTIVE,
        credits_back=back,
        given_back=given_back,
        notices=frozenset(lifted.notices),
        others=frozenset(_others(desk, case, payment.customer_id)),
    )


def _others(desk: Desk, case: Case, customer_id: str | None) -> set[str]:
    """The other payments of the card, and what the customer is suspected of besides."""
    open_ones = list_cases(
        desk.connection, [CaseState.REVIEW, CaseState.REFUNDING], [FRAUD], SWEEP_ROWS_MAX
    )
    own = {
        one.charge_id
        for one in open_ones
        if customer_id is not None and one.customer_id == customer_id
    }
    return {*payments_of_card(desk.connection, case.charge_id), *own} - {case.charge_id}


def _allow(desk: Desk, customer_id: str, reason: str, actor: str) -> None:
    entry = ListEntry(
        list_name=ListName.ALLOW,
        subject=ListSubject.CUSTOMER,
        value=customer_id,
        reason=reason,
        author=actor,
        expires_ms=None,
    )
    add_entry(desk.connection, entry, desk.now_ms)
