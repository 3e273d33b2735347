"""What a person may rule about a payment, and the decision that it becomes."""

import pytest

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.decision import CreditEffect, Verdict
from policy.money import Money
from policy.rulings import Ruling, RulingRefused, decide_ruling, redecide_ruling
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment

TERMS = load_terms()


def ruling(amount_minor=1000, paid=None, **given):
    """A ruling on a payment of 49.00 USD; `paid` is the payment's."""
    fields = {"revokes_credits": False, "ends_subscription": False, "appealed": False}
    return Ruling(payment=payment("a", **(paid or {})), amount_minor=amount_minor, **fields | given)


@pytest.mark.parametrize(
    ("amount_minor", "paid"),
    [
        pytest.param(1, {}, id="a cent"),
        pytest.param(4900, {}, id="all"),
        pytest.param(900, {"refunded": 4000}, id="all that is left"),
        pytest.param(4900, {"dispute": "inquiry", "disputed": 4900}, id="an inquiry moved nothing"),
        pytest.param(4900, {"dispute": "won", "disputed": 4900}, id="a won dispute"),
        pytest.param(4720, {"amount": 4723, "currency": "kwd"}, id="in the steps of the currency"),
    ],
)
def test_approved(amount_minor, paid):
    """What is left of a payment may go back, whatever the rules say, to where it came from."""
    decision = decide_ruling(ruling(amount_minor, paid), TERMS)

    assert Verdict.APPROVE is decision.verdict
    assert Money(amount_minor=amount_minor, currency=paid.get("currency", "usd")) == decision.amount
    assert [Clause.REVIEW_3BD, Clause.METHOD, Clause.CURRENCY] == [
        one.clause for one in decision.clauses
    ]


@pytest.mark.parametrize(
    ("amount_minor", "paid", "why"),
    [
        pytest.param(4901, {}, "more than the 49.00 USD", id="a cent too much"),
        pytest.param(901, {"refunded": 4000}, "more than the 9.00 USD", id="more than is left"),
        pytest.param(1, {"dispute": "open", "disputed": 4900}, "dispute is open", id="disputed"),
        pytest.param(1, {"dispute": "lost", "disputed": 4900}, "dispute is lost", id="lost"),
        pytest.param(4721, {"amount": 4730, "currency": "kwd"}, "4.720 KWD it does", id="no step"),
    ],
)
def test_refused(amount_minor, paid, why):
    """Money that is not there, or that a bank holds, cannot be ruled."""
    with pytest.raises(RulingRefused, match=why):
        decide_ruling(ruling(amount_minor, paid), TERMS)


def test_denied():
    """A denial moves nothing and takes nothing."""
    decision = decide_ruling(ruling(None), TERMS)

    assert (Verdict.DENY, None, None) == (decision.verdict, decision.amount, decision.credits)


def test_appealed():
    """After an appeal the ruling cites it."""
    assert Clause.APPEAL is decide_ruling(ruling(appealed=True), TERMS).clauses[0].clause


def test_what_it_takes():
    """The ruling itself says what goes with the money."""
    decision = decide_ruling(ruling(4900, revokes_credits=True, ends_subscription=True), TERMS)

    assert CreditEffect(revoked=True, restored=0, ends_subscription=True) == decision.credits


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"amount_minor": 0}, id="nothing"),
        pytest.param({"amount_minor": -1}, id="less than nothing"),
        pytest.param({"amount_minor": True}, id="no number"),
        pytest.param({"amount_minor": None, "revokes_credits": True}, id="a denial that takes"),
        pytest.param({"amount_minor": None, "ends_subscription": True}, id="a denial that ends"),
        pytest.param({"appealed": None}, id="no flag"),
    ],
)
def test_malformed(given):
    """Senseless rulings are refused at birth."""
    with pytest.raises(MalformedFactError):
        ruling(**given)


@pytest.mark.parametrize("amount_minor", [None, 1000])
def test_made_again(amount_minor):
    """Its own facts lead to the same decision."""
    decision = decide_ruling(ruling(amount_minor, appealed=True), TERMS)

    assert decision == redecide_ruling(decision.facts, TERMS)


def test_no_payment():
    """A ruling is about a payment."""
    with pytest.raises(MalformedFactError, match="payment"):
        Ruling(
            payment=None,
            amount_minor=1,
            revokes_credits=False,
            ends_subscription=False,
            appealed=False,
        )
