"""Credits that failures and losses took come back as far as they are documented, once."""

from dataclasses import replace

import pytest

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration, redecide_restoration
from policy.decision import Decision, Verdict
from policy.terms_file import load_terms

TERMS = load_terms()
CLAIM = CreditClaim(loss=CreditLoss.FAILED, claimed=30, documented=30, our_fault=True, restored=0)
APPROVE, DENY, REVIEW = Verdict.APPROVE, Verdict.DENY, Verdict.REVIEW


@pytest.mark.parametrize(
    ("given", "verdict", "restored"),
    [
        pytest.param({}, APPROVE, 30, id="all documented"),
        pytest.param({"loss": CreditLoss.LOST}, APPROVE, 30, id="lost"),
        pytest.param({"documented": 10}, APPROVE, 10, id="fewer documented"),
        pytest.param({"documented": 50}, APPROVE, 30, id="more documented than claimed"),
        pytest.param({"restored": 12}, APPROVE, 18, id="some came back before"),
        pytest.param({"restored": 30}, DENY, 0, id="all came back before"),
        pytest.param({"restored": 40}, DENY, 0, id="more came back before"),
        pytest.param({"documented": 10, "restored": 10}, DENY, 0, id="the documented ones came back"),
        pytest.param({"documented": 0}, DENY, 0, id="none documented"),
        pytest.param({"claimed": 0}, DENY, 0, id="none claimed"),
        pytest.param({"our_fault": False}, DENY, 0, id="not our fault"),
        pytest.param({"our_fault": None}, REVIEW, 0, id="cause unknown"),
        pytest.param({"our_fault": None, "documented": 0}, DENY, 0, id="cause unknown, none documented"),
        pytest.param({"documented": None}, REVIEW, 0, id="not looked up"),
        pytest.param({"documented": None, "our_fault": False}, DENY, 0, id="not looked up, not our fault"),
        pytest.param({"documented": None, "restored": 30}, DENY, 0, id="not looked up, all came back"),
        pytest.param({"documented": None, "our_fault": None}, REVIEW, 0, id="nothing known"),
    ],
)  # fmt: skip
def test_table(given, verdict, restored):
    """The verdict and the number of credits that come back; no money ever moves."""
    claim = replace(CLAIM, **given)
    decision = decide_restoration(claim, TERMS)
    clause = Clause.PART_LOST if claim.loss is CreditLoss.LOST else Clause.PART_CREDITS

    assert (verdict, restored, None) == (
        decision.verdict,
        decision.credits.restored,
        decision.amount,
    )
    assert [clause] == [result.clause for result in decision.clauses]
    assert decision == Decision.from_json(decision.to_json())
    assert decision == redecide_restoration(decision.facts, TERMS)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"our_fault": None}, "If yes, 30 credits come back; if no, none do."),
        ({"our_fault": None, "documented": None}, "If yes, up to 30 come back; if no, none do."),
        ({"documented": None, "restored": 5}, "As many come back, 25 at most."),
    ],
)
def test_questions(given, asked):
    """A review says what each answer leads to."""
    (question,) = decide_restoration(replace(CLAIM, **given), TERMS).undecided

    assert asked in question


@pytest.mark.parametrize(
    "wrong",
    [
        {"claimed": -1},
        {"documented": "3"},
        {"restored": None},
        {"our_fault": 1},
        {"loss": "failed"},
    ],
)
def test_malformed_claims(wrong):
    """Facts of the wrong shape are refused at birth."""
    with pytest.raises(MalformedFactError):
        replace(CLAIM, **wrong)
