"""The share of the price that an outage took, for every limit and doubt."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.decision import CreditEffect, Verdict
from policy.outage_decisions import OutageFacts, decide_outage, redecide_outage
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment

TERMS = load_terms()
KEEPING_FEES = replace(TERMS, requests=replace(TERMS.requests, fee_kept_on_our_error=True))
DAY = 86_400
MONTH = 30 * DAY
APPROVE, DENY, REVIEW = Verdict.APPROVE, Verdict.DENY, Verdict.REVIEW


def down(lost_seconds=3 * DAY, period_seconds=MONTH, fee_minor=None, plan_minor=None, **paid):
    """A payment of 49.00 USD for a month."""
    return OutageFacts(
        payment=payment("a", **paid),
        plan_minor=plan_minor,
        period_seconds=period_seconds,
        lost_seconds=lost_seconds,
        fee_minor=fee_minor,
    )


@pytest.mark.parametrize(
    ("facts", "verdict", "amount", "clause"),
    [
        pytest.param(down(), APPROVE, "4.90 USD", Clause.PART_OUTAGE, id="a tenth of the month"),
        pytest.param(down(MONTH), APPROVE, "49.00 USD", Clause.PART_OUTAGE, id="the whole month"),
        pytest.param(
            down(plan_minor=2_000), APPROVE, "2.00 USD", Clause.PART_OUTAGE, id="beside prorations"
        ),
        pytest.param(
            down(plan_minor=6_000), APPROVE, "6.00 USD", Clause.PART_OUTAGE, id="a balance helped"
        ),
        pytest.param(
            down(MONTH, plan_minor=6_000), APPROVE, "49.00 USD", Clause.METHOD, id="what was paid"
        ),
        pytest.param(down(528), DENY, None, Clause.PART_OUTAGE, id="less than a cent's time"),
        pytest.param(down(529), APPROVE, "0.01 USD", Clause.PART_OUTAGE, id="a cent's time"),
        pytest.param(down(0), DENY, None, Clause.PART_OUTAGE, id="nothing lost"),
        pytest.param(down(refunded=489), APPROVE, "0.01 USD", Clause.METHOD, id="partly paid back"),
        pytest.param(down(refunded=490), DENY, None, Clause.METHOD, id="paid back before"),
        pytest.param(down(refunded=4900), DENY, None, Clause.METHOD, id="nothing left"),
        pytest.param(
            down(MONTH, dispute="inquiry", disputed=4900),
            APPROVE,
            "49.00 USD",
            Clause.METHOD,
            id="an inquiry",
        ),
        pytest.param(
            down(dispute="open", disputed=4900), REVIEW, None, Clause.METHOD, id="disputed"
        ),
        pytest.param(down(dispute="won", disputed=4900), REVIEW, None, Clause.METHOD, id="won"),
        pytest.param(down(dispute="lost", disputed=4900), DENY, None, Clause.METHOD, id="lost"),
        pytest.param(
            down(dispute="open", disputed=4900, refunded=490),
            DENY,
            None,
            Clause.METHOD,
            id="disputed, but nothing is owed",
        ),
        pytest.param(
            down(amount=5000, currency="jpy"), APPROVE, "500 JPY", Clause.CURRENCY, id="no decimals"
        ),
        pytest.param(
            down(amount=4_999, currency="kwd"),
            APPROVE,
            "0.490 KWD",
            Clause.CURRENCY,
            id="three decimals, in tens",
        ),
        pytest.param(
            down(period_seconds=None), REVIEW, None, Clause.PART_OUTAGE, id="of unknown length"
        ),
    ],
)
def test_table(facts, verdict, amount, clause):
    """Each row by its reason."""
    decision = decide_outage(facts, TERMS)

    assert verdict is decision.verdict
    assert amount == (None if decision.amount is None else str(decision.amount))
    assert clause in [one.clause for one in decision.clauses]


@pytest.mark.parametrize(
    ("fee_minor", "verdict", "amount"),
    [(90, APPROVE, "4.00 USD"), (490, DENY, None), (None, REVIEW, None), (0, APPROVE, "4.90 USD")],
)
def test_terms_that_keep_the_fee(fee_minor, verdict, amount):
    """Where the terms keep the fee it is deducted, and asked for where it is not known."""
    decision = decide_outage(down(fee_minor=fee_minor), KEEPING_FEES)

    assert verdict is decision.verdict
    assert amount == (None if decision.amount is None else str(decision.amount))
    assert (None if fee_minor is None else True) is decision.clauses[1].holds


def test_nothing_ends():
    """The share takes neither credits nor the subscription."""
    effect = CreditEffect(revoked=False, restored=0, ends_subscription=False)

    assert effect == decide_outage(down(), TERMS).credits


@given(
    st.integers(0, MONTH),
    st.integers(0, 4900),
    st.sampled_from(["none", "none", "inquiry", "open", "won", "lost"]),
)
def test_never_more_than_the_share_and_what_is_left(lost_seconds, refunded, dispute):
    """With what went back before, an amount is never more than the lost share; and made again the same."""
    disputed = {} if dispute == "none" else {"dispute": dispute, "disputed": 4900}
    decision = decide_outage(down(lost_seconds, refunded=refunded, **disputed), TERMS)
    amount_minor = 0 if decision.amount is None else decision.amount.amount_minor

    assert amount_minor == 0 or amount_minor + refunded <= 4900 * lost_seconds // MONTH
    assert decision == redecide_outage(decision.facts, TERMS)


def test_decisions_of_before():
    """A decision that knew no plan's price is made again as it was: by the payment."""
    decision = decide_outage(down(), TERMS)
    known = {
        name: value for name, value in decision.facts["outage"].items() if name != "plan_minor"
    }

    assert decision == redecide_outage({"outage": known}, TERMS)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"plan_minor": -1}, id="a price below nothing"),
        pytest.param({"lost_seconds": MONTH + 1}, id="longer than the period"),
        pytest.param({"lost_seconds": None}, id="no length"),
        pytest.param({"period_seconds": 0, "lost_seconds": 0}, id="no period"),
        pytest.param({"period_seconds": 1.5}, id="a fraction"),
        pytest.param({"fee_minor": -1}, id="a fee below nothing"),
    ],
)
def test_malformed(wrong):
    """Senseless facts are refused at birth."""
    with pytest.raises(MalformedFactError):
        down(**wrong)
