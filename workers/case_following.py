"""What follows from a decision: its row, the refund's intent, the case's state, and whom to tell.

Everything happens in the caller's transaction, so that a decision and its consequences are committed
together or not at all. Whatever the decision was about, it is followed here.
"""

import json
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ledger.cases import Case, move_case
from ledger.decisions import append_decision, last_decision
from ledger.notices import write_notice
from ledger.refund_intents import Intent, reserve, withdraw_unsent
from ledger.states import CaseState, IntentState
from policy.decision import Decision, Verdict
from policy.money import Money
from policy.payments import Payment
from policy.terms_file import Terms
from runtime.probes import probe
from runtime.setting_values import Mode
from runtime.settings import Settings
from workers.decision_notices import notices_of_decision
from workers.product_notices import product_listens

#: The keys of what a person decided (policy/rulings.py, policy/clearing.py).
_BY_A_PERSON = frozenset({"ruling", "clearing"})

#: An intent in one of these has moved money, may have, or was refused: judging cannot change it.
BEYOND_JUDGEMENT = frozenset(
    {
        IntentState.SUBMITTED,
        IntentState.UNKNOWN,
        IntentState.PENDING,
        IntentState.SUCCEEDED,
        IntentState.REJECTED,
        IntentState.FAILED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a decision is followed: one transaction, and the settings that say what may happen."""

    connection: Connection
    settings: Settings
    now_ms: int

    @property
    def enforcing(self) -> bool:
        """Whether decisions move money and are told, or are only written down."""
        return self.settings.redress_mode is Mode.ENFORCE


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAtHand:
    """The case and its refund as they stand before a decision is followed.

    `event_row_id` is the event that led to it, `kept_charge_id` the payment that stays beside it.
    """

    case: Case
    intent: Intent | None
    payment: Payment
    event_row_id: int | None = None
    kept_charge_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """How decisions of one kind are carried out.

    `stripe_reason` is Stripe's own word for the refund (`fraudulent` feeds Radar's lists; None where none fits), `denied`
    the note of a case that ends without one. What a person `ruled` in the review queue is followed even where
    it repeats the last decision: an appeal, or a refund that failed, put the case there since.
    """

    stripe_reason: str | None
    denied: str
    ruled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is told: the decision in the words of the terms that decided, and the customer's address.

    `explanation` is what a person said to the customer of a denial; None where the rules decided.
    """

    decision: Decision
    terms: Terms
    email: str | None
    explanation: str | None = None


@dataclass(slots=True, kw_only=True)
class Followed:
    """What has to be rung for after the commit, whether a decision was written, and a refund withdrawn."""

    intents: set[str] = field(default_factory=set)
    notices: set[int] = field(default_factory=set)
    decision_id: int | None = None
    withdrawn: bool = False


def follow_decision(
    desk: Desk, at_hand: CaseAtHand, decision: Decision, verdicts: Verdicts
) -> Followed:
    """Write a decision and what follows from it, unless the case already stands on the same one."""
    followed = Followed()
    case, intent = at_hand.case, at_hand.intent
    before = last_decision(desk.connection, case.case_id)
    asked_again = verdicts.ruled and case.state is CaseState.REVIEW
    same = before is not None and before.body == decision.to_json()
    # What was only observed so far is to be acted upon.
    observed = before is not None and before.mode == Mode.OBSERVE.value and desk.enforcing
    if same and not asked_again and not observed:
        return followed
    followed.decision_id = append_decision(
        desk.connection,
        case_id=case.case_id,
        event_row_id=at_hand.event_row_id,
        decision=decision,
        mode=desk.settings.redress_mode.value,
        now_ms=desk.now_ms,
    )
    if decision.amount is not None:
        if intent is not None:
            probe("judge.taken_up_again")
        intent_id = _reserve(desk, at_hand, followed.decision_id, decision.amount, verdicts)
        if desk.enforcing:
            followed.intents.add(intent_id)
    elif intent is not None:
        probe("judge.withdrawn")
        taken_back = f"decided again: {decision.verdict}"
        followed.withdrawn = withdraw_unsent(desk.connection, intent, taken_back, desk.now_ms)
    state, note = _case_state(decision, verdicts)
    move_case(
        desk.connection,
        case.case_id,
        state,
        note=note,
        now_ms=desk.now_ms,
        kept_charge_id=at_hand.kept_charge_id,
    )
    return followed


def ruled_on(connection: Connection, case_id: int) -> bool:
    """Whether the last word on a case is a person's: what comes to light by itself does not change that."""
    last = last_decision(connection, case_id)
    # Not the whole record, which would be read and checked anew for each event of a charge.
    return last is not None and not _BY_A_PERSON.isdisjoint(json.loads(last.body)["facts"])


def tell_decision(desk: Desk, case: Case, followed: Followed, told: Telling) -> None:
    """Write the notices of a decision that was just followed; in observe mode nobody is told."""
    if followed.decision_id is None or not desk.enforcing:
        return
    notices = notices_of_decision(
        told.decision,
        told.terms,
        decision_id=followed.decision_id,
        case_id=case.case_id,
        customer_id=case.customer_id,
        recipient=told.email,
        to_product=product_listens(desk.settings),
        explanation=told.explanation,
    )
    for notice in notices:
        row_id = write_notice(desk.connection, notice, desk.now_ms)
        if row_id is not None:
            followed.notices.add(row_id)


def _reserve(
    desk: Desk, at_hand: CaseAtHand, decision_id: int, amount: Money, verdicts: Verdicts
) -> str:
    case, payment = at_hand.case, at_hand.payment
    return reserve(
        desk.connection,
        case_id=case.case_id,
        decision_id=decision_id,
        charge_id=payment.charge_id,
        kept_charge_id=at_hand.kept_charge_id,
        customer_id=payment.customer_id,
        cause=case.kind,
        reason=verdicts.stripe_reason,
        amount=amount,
        livemode=payment.livemode,
        state=IntentState.RESERVED if desk.enforcing else IntentState.OBSERVED,
        now_ms=desk.now_ms,
    )


def _case_state(decision: Decision, verdicts: Verdicts) -> tuple[CaseState, str | None]:
    if decision.verdict is Verdict.APPROVE:
        return CaseState.REFUNDING, None
    if decision.verdict is Verdict.REVIEW:
        return CaseState.REVIEW, " ".join(decision.undecided)
    return CaseState.CLOSED, verdicts.denied
