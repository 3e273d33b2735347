"""Every kind of stored decision is made anew from its own facts."""

import pytest

from policy.checks import MalformedFactError
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration
from policy.duplicate_decisions import decide_cleared, decide_duplicate
from policy.duplicate_findings import DuplicateKind, Finding
from policy.outage_decisions import OutageFacts, decide_outage
from policy.redeciding import redecide_any
from policy.request_decisions import decide_request
from policy.rulings import Ruling, decide_ruling
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment
from tests.policy.refund_requests import request

TERMS = load_terms()
FINDING = Finding(
    charge_id="ch_b",
    kept_charge_id="ch_a",
    kind=DuplicateKind.SAME_ORDER,
    confidence=100,
    compared={"order_reference": "O-1"},
)
CLAIM = CreditClaim(loss=CreditLoss.LOST, claimed=9, documented=7, our_fault=True, restored=0)
RULING = Ruling(
    payment=payment("b"),
    amount_minor=1,
    revokes_credits=False,
    ends_subscription=False,
    appealed=False,
)
DOWN = OutageFacts(
    payment=payment("b"), plan_minor=900, period_seconds=9, lost_seconds=3, fee_minor=None
)


@pytest.mark.parametrize(
    "decision",
    [
        pytest.param(decide_request(request(), TERMS), id="a request"),
        pytest.param(decide_request(request(used=None), TERMS), id="a request in doubt"),
        pytest.param(decide_duplicate(FINDING, payment("b"), TERMS), id="a duplicate"),
        pytest.param(decide_cleared(payment("b"), TERMS), id="no duplicate after all"),
        pytest.param(decide_restoration(CLAIM, TERMS), id="lost credits"),
        pytest.param(decide_ruling(RULING, TERMS), id="a person's ruling"),
        pytest.param(decide_outage(DOWN, TERMS), id="an outage"),
    ],
)
def test_same_facts_same_decision(decision):
    """Whatever a decision was about, its facts lead to the same decision under the same terms."""
    assert decision == redecide_any(decision.facts, TERMS)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({}, id="no facts"),
        pytest.param({"payment": None}, id="a payment alone"),
        pytest.param({"request": None, "finding": None, "payment": None}, id="of two kinds"),
        pytest.param({"request": None}, id="no request in it"),
        pytest.param({"finding": None}, id="no payment beside it"),
        pytest.param({"finding": None, "payment": None, "more": 1}, id="an unknown key"),
    ],
)
def test_facts_of_no_decision(facts):
    """Facts that no decision could have had are refused, never judged as if they were others."""
    with pytest.raises(MalformedFactError):
        redecide_any(facts, TERMS)
