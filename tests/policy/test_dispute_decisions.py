"""What each of Stripe's dispute states leads to: who acts, what rests, what goes and what is left alone."""

import dataclasses

import pytest

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.decision import Decision, Verdict
from policy.disputes import DisputeFacts, DisputeStage, decide_dispute, redecide_dispute, stage_of
from policy.payments import DisputeStanding
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment

TERMS = load_terms()
DUE = 1_790_000_000
STAGES = {
    "warning_needs_response": DisputeStage.INQUIRY,
    "warning_under_review": DisputeStage.AT_BANK,
    "warning_closed": DisputeStage.OVER,
    "needs_response": DisputeStage.ANSWER,
    "under_review": DisputeStage.AT_BANK,
    "won": DisputeStage.WON,
    "lost": DisputeStage.LOST,
    "charge_refunded": DisputeStage.LOST,
    "prevented": DisputeStage.OVER,
    "appeal_needs_response": DisputeStage.ANSWER,
    "appeal_under_review": DisputeStage.AT_BANK,
    "a_word_of_next_year": DisputeStage.ANSWER,
}
STANDINGS = {
    DisputeStage.WON: DisputeStanding.WON,
    DisputeStage.LOST: DisputeStanding.LOST,
    DisputeStage.OVER: DisputeStanding.NONE,
}


def facts(status, reason="fraudulent", minor=1500, standing=None, **changes):
    """A dispute of a payment of so much, nothing of which went back."""
    inquiry = status.startswith("warning_")
    open_one = DisputeStanding.INQUIRY if inquiry else DisputeStanding.OPEN
    paid = payment(
        "a",
        amount=minor,
        dispute=(standing or STANDINGS.get(stage_of(status), open_one)).value,
    )
    known = {
        "payment": paid,
        "dispute_id": "du_1",
        "status": status,
        "reason": reason,
        "amount_minor": minor,
        "due_by": DUE,
    }
    return DisputeFacts(**known | changes)


def decided(*args, terms=TERMS, **more):
    return decide_dispute(facts(*args, **more), terms)


def cited(decision):
    return [one.clause for one in decision.clauses]


@pytest.mark.parametrize(("status", "stage"), STAGES.items())
def test_stages(status, stage):
    """Each of Stripe's words; one that nobody knows yet is a person's."""
    assert stage is stage_of(status)


@pytest.mark.parametrize("reason", TERMS.disputes.inquiry_reasons)
def test_a_small_inquiry(reason):
    """All of it goes back; no account rests and no card is listed, for nobody spoke of a thief."""
    decision = decided("warning_needs_response", reason)

    assert (Verdict.APPROVE, 1500) == (decision.verdict, decision.amount.amount_minor)
    assert Clause.FRAUD_SUSPEND not in cited(decision)
    assert decision.credits.revoked
    (refund,) = [one for one in decision.clauses if one.clause is Clause.FRAUD_REFUND]
    assert (True, False, 1500) == (
        refund.holds,
        refund.compared["certain"],
        refund.compared["inquiry_refund_minor"],
    )


@pytest.mark.parametrize(
    ("reason", "minor", "more"),
    [
        ("fraudulent", 1501, {}),
        ("product_not_received", 1500, {}),
        (None, 1500, {}),
        ("fraudulent", 1500, {"standing": DisputeStanding.OPEN}),
        ("fraudulent", 1500, {"standing": DisputeStanding.LOST}),
    ],
)
def test_an_inquiry_for_a_person(reason, minor, more):
    """Too much, another reason, or money that another dispute holds: the question says what ends it."""
    decision = decided("warning_needs_response", reason, minor, **more)

    assert (Verdict.REVIEW, None, None) == (decision.verdict, decision.amount, decision.credits)
    assert [None] == [one.holds for one in decision.clauses]
    (question,) = decision.undecided
    assert question.startswith("Answer the bank in time, or give ")
    assert question.endswith(" back, which ends the inquiry.")


def test_without_a_deadline():
    """A question names no time where Stripe names none."""
    (question,) = decided("warning_needs_response", "general", due_by=None).undecided
    (other,) = decided("needs_response", due_by=None).undecided

    assert question.startswith("Answer the bank, or give ")
    assert "Hand in evidence, or let the dispute be lost?" == other


@pytest.mark.parametrize("status", ["needs_response", "appeal_needs_response", "a_new_word"])
@pytest.mark.parametrize(("reason", "rests"), [("fraudulent", True), ("duplicate", False)])
def test_money_that_the_bank_has(status, reason, rests):
    """A person hands evidence in; the account rests when it is said to be fraud."""
    decision = decided(status, reason)

    assert Verdict.REVIEW is decision.verdict
    assert ("Hand in evidence in time, or let the dispute be lost?",) == decision.undecided
    assert rests == (Clause.FRAUD_SUSPEND in cited(decision))
    assert decision.credits is None


@pytest.mark.parametrize(
    ("status", "rests"),
    [
        ("under_review", True),
        ("appeal_under_review", True),
        ("warning_under_review", False),
        ("warning_closed", False),
        ("won", False),
        ("prevented", False),
        ("lost", True),
    ],
)
def test_nobody_is_asked(status, rests):
    """The bank decides or has decided: no money moves, and what rests follows the state."""
    decision = decided(status)

    assert (Verdict.DENY, None, ()) == (decision.verdict, decision.amount, decision.undecided)
    assert rests == (Clause.FRAUD_SUSPEND in cited(decision))
    assert (status == "lost") == (decision.credits is not None)


@pytest.mark.parametrize(
    ("takes", "ends"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_what_a_loss_takes(takes, ends):
    """Credits and subscription go as the terms say, each by itself."""
    rules = dataclasses.replace(
        TERMS.disputes, lost_takes_credits=takes, lost_ends_subscription=ends
    )
    decision = decided("lost", "duplicate", terms=dataclasses.replace(TERMS, disputes=rules))

    assert (takes, ends, 0) == (
        decision.credits.revoked,
        decision.credits.ends_subscription,
        decision.credits.restored,
    )
    (cancel,) = [one for one in decision.clauses if one.clause is Clause.FRAUD_CANCEL]
    assert (takes or ends) == cancel.holds
    assert {"takes_credits": takes, "ends_subscription": ends} == cancel.compared


@pytest.mark.parametrize("status", STAGES)
def test_made_again(status):
    """The facts that a decision carries lead to it again."""
    decision = decided(status)

    again = redecide_dispute(Decision.from_json(decision.to_json()).facts, TERMS)

    assert decision.to_json() == again.to_json()


def test_other_facts():
    """Facts of another shape are refused by name."""
    written = decided("won").facts["dispute"]
    with pytest.raises(MalformedFactError, match="dispute"):
        redecide_dispute({"dispute": {**written, "more": 1}}, TERMS)
