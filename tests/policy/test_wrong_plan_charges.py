"""What a change of plan made against the terms took goes back, for every limit and doubt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.decision import CreditEffect, Decision, Verdict
from policy.redeciding import redecide_any
from policy.terms_file import load_terms
from policy.wrong_plan_charges import (
    WrongChargeFacts,
    decide_wrong_charge,
    redecide_wrong_charge,
)
from tests.policy.payment_histories import payment

TERMS = load_terms()
APPROVE, DENY, REVIEW = Verdict.APPROVE, Verdict.DENY, Verdict.REVIEW


def took(wrong_minor=4900, *, whole=True, clause=Clause.CHANGE_UP, **paid):
    """A payment of 49.00 USD for an invoice that nobody owed."""
    return WrongChargeFacts(
        payment=payment("a", **paid),
        invoice="in_1",
        clause=clause,
        wrong_minor=wrong_minor,
        whole=whole,
    )


@pytest.mark.parametrize(
    ("facts", "verdict", "amount"),
    [
        pytest.param(took(), APPROVE, "49.00 USD", id="all of it"),
        pytest.param(took(700, whole=False), APPROVE, "7.00 USD", id="a part of a renewal"),
        pytest.param(took(0), DENY, None, id="nothing"),
        pytest.param(took(refunded=4800), APPROVE, "1.00 USD", id="the rest"),
        pytest.param(took(700, refunded=700), DENY, None, id="paid back before"),
        pytest.param(took(700, refunded=4900), DENY, None, id="nothing left"),
        pytest.param(took(dispute="inquiry", disputed=4900), APPROVE, "49.00 USD", id="an inquiry"),
        pytest.param(took(dispute="open", disputed=4900), REVIEW, None, id="disputed"),
        pytest.param(took(dispute="won", disputed=4900), REVIEW, None, id="won"),
        pytest.param(took(dispute="lost", disputed=4900), DENY, None, id="lost"),
    ],
)
def test_limits(facts, verdict, amount):
    """What was taken goes back once, never more than is left, and never on a disputed payment."""
    decision = decide_wrong_charge(facts, TERMS)

    assert (verdict, amount) == (
        decision.verdict,
        None if decision.amount is None else str(decision.amount),
    )
    assert (Clause.CHANGE_UP, False) == (decision.clauses[0].clause, decision.clauses[0].holds)
    assert (verdict is REVIEW) == bool(decision.undecided)


@pytest.mark.parametrize("whole", [True, False])
def test_credits(whole):
    """What the wrong invoice issued goes back with it; what a renewal issued stays."""
    decision = decide_wrong_charge(took(700, whole=whole), TERMS)

    assert CreditEffect(revoked=whole, restored=0, ends_subscription=False) == decision.credits


@given(
    wrong_minor=st.integers(0, 4900),
    refunded=st.integers(0, 4900),
    whole=st.booleans(),
    dispute=st.sampled_from(["none", "inquiry", "open", "won", "lost"]),
)
def test_redecided(wrong_minor, refunded, whole, dispute):
    """Whatever was decided can be decided again from its own facts, and never pays more than is left."""
    disputed = {} if dispute == "none" else {"dispute": dispute, "disputed": 4900}
    facts = took(wrong_minor, whole=whole, refunded=refunded, **disputed)
    decision = decide_wrong_charge(facts, TERMS)
    written = Decision.from_json(decision.to_json())

    assert decision == redecide_any(written.facts, TERMS)
    if decision.amount is not None:
        assert 0 < decision.amount.amount_minor <= min(wrong_minor, 4900 - refunded)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"wrong_minor": 4901}, "wrong_minor"),
        ({"wrong_minor": -1}, "wrong_minor"),
        ({"whole": 1}, "whole"),
        ({"clause": Clause.WINDOW}, "clause"),
    ],
)
def test_malformed_facts(changes, word):
    """A fact of a wrong type, or against another, is refused at birth."""
    with pytest.raises(MalformedFactError, match=word):
        took(**changes)


@pytest.mark.parametrize("clause", ["WINDOW", "nonsense", None, 1])
def test_clause_of_another_table(clause):
    """Written facts with another clause are of no decision of ours."""
    written = dict(decide_wrong_charge(took(), TERMS).facts["plan_charge"]) | {"clause": clause}

    with pytest.raises(MalformedFactError, match="clause"):
        redecide_wrong_charge({"plan_charge": written}, TERMS)
