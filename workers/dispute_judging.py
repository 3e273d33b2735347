"""Judges the disputes of a payment: who answers by when, what rests meanwhile, what goes and what comes back.

Everything happens in the caller's transaction. Each dispute has a case of its own, whose deadline is Stripe's `due_by`.
"""

from typing import Final

from sqlalchemy import Connection

from ledger.cases import (
    DISPUTE_PREFIX,
    Case,
    cases_about,
    move_case,
    open_case,
    set_deadline,
)
from ledger.dispute_rows import Dispute, disputes_of
from ledger.payment_facts import payments_by_charge
from ledger.refund_intents import intents_of_cases, refund_under_way
from ledger.revoked_credits import return_revoked
from ledger.states import CaseState
from policy.decision import Decision, Verdict
from policy.disputes import DisputeFacts, DisputeStage, decide_dispute, stage_of
from policy.payments import Payment
from runtime.probes import probe
from workers.case_following import (
    BEYOND_JUDGEMENT,
    CaseAtHand,
    Desk,
    Verdicts,
    follow_decision,
    ruled_on,
)
from workers.context import JudgingContext
from workers.judge import Judged
from workers.product_notices import product_listens
from workers.purchase_asking import WAITS, ask_for_purchase, purchase_known
from workers.refund_consequences import Taking, take_purchase
from workers.suspicions import follow_suspicion

UNDER_WAY: Final = "an inquiry, and another refund is under way: judged when that has ended"
#: What a dispute's case says once nobody has to answer any more.
_ENDS: Final = {
    DisputeStage.AT_BANK: "the bank decides",
    DisputeStage.WON: "won: the bank gave the money back",
    DisputeStage.LOST: "lost: the customer has the money",
    DisputeStage.OVER: "it came to nothing",
}
#: What waits for somebody, and until when.
_WAITING: Final = frozenset({DisputeStage.INQUIRY, DisputeStage.ANSWER})


def judge_disputes(
    context: JudgingContext, connection: Connection, charge_id: str, event_row_id: int | None
) -> Judged:
    """Judge every dispute of one payment that the ledger knows."""
    judged = Judged()
    payment = payments_by_charge(connection, [charge_id])[charge_id]
    desk = Desk(connection=connection, settings=context.settings, now_ms=context.clock.now_ms())
    for dispute in disputes_of(connection, charge_id):
        judged.add(_judge(context, desk, dispute, payment, event_row_id))
    return judged


def _judge(
    context: JudgingContext,
    desk: Desk,
    dispute: Dispute,
    payment: Payment,
    event_row_id: int | None,
) -> Judged:
    stage, judged = stage_of(dispute.status), Judged()
    case = _case(desk, dispute, payment, stage)
    intent = intents_of_cases(desk.connection, [case.case_id]).get(case.case_id)
    if intent is not None and intent.state in BEYOND_JUDGEMENT:
        probe("dispute.beyond")
        return judged
    if stage is DisputeStage.INQUIRY and ruled_on(desk.connection, case.case_id):
        return judged
    facts = DisputeFacts(
        payment=payment,
        dispute_id=dispute.dispute_id,
        status=dispute.status,
        reason=dispute.reason,
        amount_minor=dispute.amount_minor,
        due_by=dispute.due_by,
    )
    decision = decide_dispute(facts, context.terms.in_force(payment.created))
    approved = decision.verdict is Verdict.APPROVE
    if approved and not purchase_known(payment):
        probe("dispute.purchase_unknown")
        judged.look_ups |= ask_for_purchase(desk.connection, payment, desk.now_ms)
        review = CaseState.REVIEW
        move_case(desk.connection, case.case_id, review, note=WAITS, now_ms=desk.now_ms)
        return judged
    if approved and refund_under_way(desk.connection, payment.charge_id, case.case_id):
        probe("dispute.waits_for_another_refund")
        review = CaseState.REVIEW
        move_case(desk.connection, case.case_id, review, note=UNDER_WAY, now_ms=desk.now_ms)
        return judged
    if approved:
        probe("dispute.given_back")
    at_hand = CaseAtHand(case=case, intent=intent, payment=payment, event_row_id=event_row_id)
    verdicts = Verdicts(stripe_reason=None, denied=_ENDS.get(stage, "no refund"))
    followed = follow_decision(desk, at_hand, decision, verdicts)
    judged.intents |= followed.intents
    judged.withdrawn |= {payment.charge_id} if followed.withdrawn else set()
    if followed.decision_id is not None:
        judged.decisions += 1
        carried = follow_suspicion(
            desk, case, followed.decision_id, decision, payment, freed_as=None
        )
        judged.notices |= carried.notices
        judged.lists_changed |= carried.lists_changed
        if desk.enforcing:
            judged.notices |= _move_credits(desk, case, followed.decision_id, decision, payment)
    return judged


def _move_credits(
    desk: Desk, case: Case, decision_id: int, decision: Decision, payment: Payment
) -> set[int]:
    """A loss takes what was bought with it, and a late win brings it back; the notices to be rung for."""
    stage = stage_of(str(decision.clauses[0].compared["status"]))
    if stage is DisputeStage.WON:
        back = return_revoked(
            desk.connection,
            by=case.kind,
            key=f"won:{case.kind}",
            at=desk.now_ms // 1_000,
            now_ms=desk.now_ms,
        )
        if back:
            probe("dispute.won_late")
    if stage is not DisputeStage.LOST or decision.credits is None:
        return set()
    probe("dispute.lost")
    taking = Taking(
        payment=payment,
        effect=decision.credits,
        by=case.kind,
        case_id=case.case_id,
        decision_id=decision_id,
    )
    listens = product_listens(desk.settings)
    told = take_purchase(desk.connection, taking, desk.now_ms, to_product=listens)
    return set() if told is None else {told}


def _case(desk: Desk, dispute: Dispute, payment: Payment, stage: DisputeStage) -> Case:
    """The dispute's case, with the deadline that holds now."""
    kind = f"{DISPUTE_PREFIX}{dispute.dispute_id}"
    due_ms = None
    if stage in _WAITING and dispute.due_by is not None:
        due_ms = dispute.due_by * 1_000
    known = cases_about(desk.connection, kind, [payment.charge_id]).get(payment.charge_id)
    if known is not None:
        if known.due_ms != due_ms:
            set_deadline(desk.connection, known.case_id, due_ms, desk.now_ms)
        return known
    return open_case(
        desk.connection,
        kind=kind,
        charge_id=payment.charge_id,
        kept_charge_id=None,
        customer_id=payment.customer_id,
        now_ms=desk.now_ms,
        due_ms=due_ms,
    )
