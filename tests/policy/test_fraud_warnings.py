"""Early fraud warnings: the payment goes back where that costs less than waiting, for every limit and doubt."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.decision import CreditEffect, Verdict
from policy.fraud_warnings import WarningFacts, decide_warning, redecide_warning
from policy.redeciding import redecide_any
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment

TERMS = load_terms()
APPROVE, DENY, REVIEW = Verdict.APPROVE, Verdict.DENY, Verdict.REVIEW


def under(**changes):
    """The terms with other numbers about warnings."""
    return replace(TERMS, fraud_warnings=replace(TERMS.fraud_warnings, **changes))


def warned(amount=4900, **changes):
    """A warning about a payment in US dollars of which everything was used, with no history."""
    facts = {
        "warning_id": "issfr_1",
        "fraud_type": "made_with_stolen_card",
        "actionable": True,
        "liability_shifted": False,
        "used_percent": 100,
        "warned_before": 0,
        "disputed_before": 0,
        "near_threshold": False,
    }
    names = set(facts)
    own = {name: value for name, value in changes.items() if name in names}
    paid = {name: value for name, value in changes.items() if name not in names}
    return WarningFacts(payment=payment("a", amount=amount, **paid), **facts | own)


@pytest.mark.parametrize(
    ("facts", "verdict", "amount"),
    [
        # 80 of 100 become disputes: waiting costs 80 x 15.00, giving back 20 x what was used; 60.00 is even.
        pytest.param(warned(4_900), APPROVE, "49.00 USD", id="cheaper to give back"),
        pytest.param(warned(6_000), APPROVE, "60.00 USD", id="even"),
        pytest.param(warned(6_001), DENY, None, id="a cent dearer"),
        pytest.param(warned(6_001, near_threshold=True), APPROVE, "60.01 USD", id="close"),
        # 3 x 15.00 x 80 / 20 = 180.00.
        pytest.param(warned(18_001, near_threshold=True), DENY, None, id="close, and dearer"),
        pytest.param(warned(12_000, used_percent=50), APPROVE, "120.00 USD", id="half used"),
        pytest.param(warned(12_002, used_percent=50), DENY, None, id="half used, dearer"),
        pytest.param(warned(99_000, used_percent=0), APPROVE, "990.00 USD", id="nothing used"),
        pytest.param(warned(99_000, used_percent=None), REVIEW, None, id="use unknown"),
        pytest.param(warned(6_000, used_percent=None), APPROVE, "60.00 USD", id="whatever the use"),
        # Of 30 that were left alone 15 became disputes: 50 x 15.00 against 50 x what was used.
        pytest.param(
            warned(1_500, warned_before=30, disputed_before=15), APPROVE, "15.00 USD", id="measured"
        ),
        pytest.param(
            warned(1_501, warned_before=30, disputed_before=15), DENY, None, id="measured, dearer"
        ),
        pytest.param(
            warned(6_000, warned_before=29, disputed_before=0), APPROVE, "60.00 USD", id="too few"
        ),
        pytest.param(warned(1, warned_before=30, disputed_before=0), DENY, None, id="never one"),
        pytest.param(
            warned(99_000, warned_before=30, disputed_before=30), APPROVE, "990.00 USD", id="always"
        ),
        pytest.param(warned(actionable=False), DENY, None, id="over"),
        pytest.param(warned(liability_shifted=True), DENY, None, id="the bank bears it"),
        pytest.param(warned(liability_shifted=None), REVIEW, None, id="perhaps the bank bears it"),
        pytest.param(
            warned(6_001, liability_shifted=None), DENY, None, id="dearer, whoever bears it"
        ),
        pytest.param(warned(dispute="inquiry", disputed=4900), DENY, None, id="asked about"),
        pytest.param(warned(dispute="open", disputed=4900), DENY, None, id="disputed"),
        pytest.param(warned(dispute="won", disputed=4900), DENY, None, id="dispute won"),
        pytest.param(warned(dispute="lost", disputed=4900), DENY, None, id="dispute lost"),
        pytest.param(warned(refunded=4_900), DENY, None, id="nothing left"),
        pytest.param(warned(9_000, refunded=3_000), APPROVE, "60.00 USD", id="what is left counts"),
        pytest.param(warned(currency="aud"), REVIEW, None, id="a fee that nobody knows"),
        pytest.param(warned(9_000, currency="jpy"), APPROVE, "9000 JPY", id="no decimals"),
        pytest.param(warned(9_001, currency="jpy"), DENY, None, id="no decimals, dearer"),
    ],
)
def test_table(facts, verdict, amount):
    """Each row by its reason."""
    decision = decide_warning(facts, TERMS)

    assert verdict is decision.verdict
    assert amount == (None if decision.amount is None else str(decision.amount))
    assert (verdict is REVIEW) == bool(decision.undecided)
    assert decision == redecide_any(decision.facts, TERMS)


def test_everything_is_shown():
    """The decision shows what was weighed, against what, and what goes with the money."""
    decision = decide_warning(warned(4_900), TERMS)
    refund, cancel, *rest = decision.clauses

    assert (Clause.FRAUD_REFUND, True) == (refund.clause, refund.holds)
    assert {
        "fraud_type": "made_with_stolen_card",
        "certain": True,
        "actionable": True,
        "dispute": "none",
        "liability_shifted": False,
        "left_minor": 4_900,
        "used_percent": 100,
        "dispute_percent": 80,
        "measured": False,
        "dispute_fee_minor": 1_500,
        "waiting_costs_minor": 1_200,
        "refunding_costs_minor": 980,
    } == refund.compared
    assert (Clause.FRAUD_CANCEL, True, {"takes_credits": True, "ends_subscription": True}) == (
        cancel.clause,
        cancel.holds,
        cancel.compared,
    )
    suspend, *rest = rest
    assert (Clause.FRAUD_SUSPEND, True, {"suspends_account": True, "blocks_card": True}) == (
        suspend.clause,
        suspend.holds,
        suspend.compared,
    )
    assert [Clause.METHOD, Clause.CURRENCY] == [one.clause for one in rest]
    assert CreditEffect(revoked=True, restored=0, ends_subscription=True) == decision.credits


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({"takes_credits": False, "ends_subscription": True}, True),
        ({"takes_credits": True, "ends_subscription": False}, True),
        ({"takes_credits": False, "ends_subscription": False}, False),
    ],
)
def test_what_goes_with_it(changes, holds):
    """The terms say whether credits and subscription go with the money."""
    terms = replace(TERMS, fraud_effects=replace(TERMS.fraud_effects, **changes))
    decision = decide_warning(warned(), terms)

    assert holds is decision.clauses[1].holds
    assert (changes["takes_credits"], changes["ends_subscription"]) == (
        decision.credits.revoked,
        decision.credits.ends_subscription,
    )


def test_terms_that_weigh_a_shifted_liability():
    """Where the terms do not look at it, it neither ends the matter nor raises a question."""
    terms = under(liability_shift_ends_it=False)

    assert {APPROVE} == {
        decide_warning(warned(liability_shifted=shifted), terms).verdict
        for shifted in (True, False, None)
    }


FACTS = st.builds(
    warned,
    st.integers(0, 50_000),
    used_percent=st.one_of(st.none(), st.integers(0, 100)),
    liability_shifted=st.sampled_from([True, False, None]),
    actionable=st.booleans(),
    near_threshold=st.booleans(),
    warned_before=st.integers(20, 60),
    disputed_before=st.integers(0, 20),
    refunded=st.integers(0, 20_000),
)


@given(FACTS)
def test_never_more_than_is_left(facts):
    """All that is left or nothing, and made again the same."""
    decision = decide_warning(facts, TERMS)

    assert (decision.amount is not None) == (decision.verdict is APPROVE)
    assert decision.amount in (None, facts.payment.left())
    assert decision == redecide_warning(decision.facts, TERMS)


@given(FACTS, st.integers(0, 100))
def test_an_answer_settles_what_was_unknown(facts, used_percent):
    """What is decided without knowing the use is decided the same with it."""
    unknown = decide_warning(replace(facts, used_percent=None), TERMS)
    known = decide_warning(replace(facts, used_percent=used_percent), TERMS)

    if unknown.verdict is not REVIEW:
        assert unknown.verdict is known.verdict


@given(FACTS, st.integers(0, 3_000))
def test_a_dearer_dispute_never_keeps_money(facts, more):
    """Who gives back at one fee gives back at a higher one."""
    fees = TERMS.fraud_warnings.dispute_fees_minor
    dearer = under(dispute_fees_minor={name: fee + more for name, fee in fees.items()})

    if decide_warning(facts, TERMS).verdict is APPROVE:
        assert APPROVE is decide_warning(facts, dearer).verdict


@pytest.mark.parametrize(
    "wrong",
    [
        {"used_percent": 101},
        {"used_percent": -1},
        {"warned_before": 1, "disputed_before": 2},
        {"warned_before": None},
        {"actionable": None},
        {"near_threshold": 1},
        {"liability_shifted": 0},
        {"fraud_type": ""},
        {"warning_id": None},
    ],
)
def test_malformed(wrong):
    """Senseless facts are refused at birth."""
    with pytest.raises(MalformedFactError):
        warned(**wrong)
