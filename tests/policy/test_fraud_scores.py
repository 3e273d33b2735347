"""Fraud by score: each signal's weight, the bands, what exempts, and what no score may do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.decision import CreditEffect, Verdict
from policy.fraud_scores import ScoreFacts, decide_score, redecide_score, weigh
from policy.fraud_signals import CATEGORIES, COUNTS, Try, agreement, velocity
from policy.redeciding import redecide_any
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment

TERMS = load_terms()
RULES = TERMS.fraud_scores
APPROVE, DENY, REVIEW = Verdict.APPROVE, Verdict.DENY, Verdict.REVIEW
NOON = 1_790_000_000
UNKNOWN = dict.fromkeys((*CATEGORIES, *COUNTS))


def facts(exempt=None, paid=None, **signals):
    """A payment of 49.00 USD of which only the named signals are known."""
    return ScoreFacts(
        payment=payment("a", **(paid or {})), signals=UNKNOWN | signals, exempt=exempt
    )


def score(**signals):
    return sum(weigh(UNKNOWN | signals, RULES).values())


@pytest.mark.parametrize(
    ("signals", "weight"),
    [
        pytest.param({}, 0, id="nothing known"),
        pytest.param({"risk_level": "normal", "cvc_check": "pass"}, 0, id="all well"),
        pytest.param({"risk_level": "elevated"}, 20, id="elevated"),
        pytest.param({"risk_level": "highest"}, 50, id="highest"),
        pytest.param({"risk_level": "a new word"}, 0, id="a word nobody knows"),
        pytest.param({"risk_score": 65}, 0, id="Radar's normal score"),
        pytest.param({"risk_score": 66}, 1, id="the first above"),
        pytest.param({"risk_score": 100}, 30, id="capped"),
        pytest.param({"cards_of_customer_day": 2}, 0, id="two cards"),
        pytest.param({"cards_of_customer_day": 3}, 20, id="three cards"),
        pytest.param({"cards_of_customer_day": 99}, 60, id="many cards"),
        pytest.param({"good_payments_of_customer": 1}, -10, id="known once"),
        pytest.param({"good_payments_of_customer": 10}, -40, id="well known"),
        pytest.param({"three_d_secure": "authenticated"}, -60, id="3-D Secure"),
        pytest.param({"listed": "block"}, 100, id="listed by a person"),
        pytest.param({"listed": "found"}, 40, id="listed by a case"),
        pytest.param({"fraud_disputes_of_card": 1}, 60, id="disputed before"),
        pytest.param({"fraud_disputes_of_card": 2}, 80, id="disputed twice"),
        pytest.param({"risk_level": "highest", "cvc_check": "fail"}, 70, id="a sum"),
    ],
)
def test_weights(signals, weight):
    """Each signal weighs what the terms say, and the score is their sum."""
    assert weight == score(**signals)


@pytest.mark.parametrize(
    ("signals", "verdict"),
    [
        pytest.param({"risk_level": "highest"}, DENY, id="50"),
        pytest.param({"fraud_disputes_of_card": 1}, REVIEW, id="60, on the line"),
        pytest.param(
            {"fraud_disputes_of_card": 1, "warnings_of_card": 1, "good_payments_of_customer": 1},
            REVIEW,
            id="90",
        ),
        pytest.param({"listed": "block"}, APPROVE, id="100, on the line"),
    ],
)
def test_bands(signals, verdict):
    """Let through, looked at, given back: each band from its number on."""
    decision = decide_score(facts(**signals), TERMS)

    assert verdict is decision.verdict
    assert (verdict is APPROVE) == (decision.amount is not None)
    assert decision == redecide_any(decision.facts, TERMS)


def test_everything_is_shown():
    """Each signal stands in the decision with its value and its weight, besides the bands."""
    decision = decide_score(facts(listed="block", risk_score=70), TERMS)
    refund, cancel, suspend, *rest = decision.clauses

    compared = refund.compared
    assert (105, 60, 100, False) == tuple(
        compared[name] for name in ("score", "review_score", "refund_score", "certain")
    )
    for name in (*CATEGORIES, *COUNTS):
        assert UNKNOWN | {"listed": "block", "risk_score": 70} == {
            one: compared[one] for one in UNKNOWN
        }
        assert isinstance(compared[f"{name}_weight"], int)
    assert (Clause.FRAUD_CANCEL, True) == (cancel.clause, cancel.holds)
    assert (Clause.FRAUD_SUSPEND, True) == (suspend.clause, suspend.holds)
    assert [Clause.METHOD, Clause.CURRENCY] == [one.clause for one in rest]
    assert CreditEffect(revoked=True, restored=0, ends_subscription=True) == decision.credits


@pytest.mark.parametrize(
    ("signals", "certain"),
    [
        ({"listed": "block", "fraud_disputes_of_card": 1}, True),
        ({"listed": "block", "warnings_of_card": 1}, False),
    ],
    ids=["160", "140"],
)
def test_certainty(signals, certain):
    """Stripe is told of fraud only from the terms' line on."""
    assert certain is decide_score(facts(**signals), TERMS).clauses[0].compared["certain"]


@pytest.mark.parametrize("exempt", ["allow", "snooze"])
def test_exempted(exempt):
    """Whom somebody vouches for, or has left alone, no score touches."""
    decision = decide_score(facts(exempt, listed="block"), TERMS)

    assert DENY is decision.verdict
    assert [Clause.FRAUD_REFUND] == [one.clause for one in decision.clauses]


@pytest.mark.parametrize(
    "paid",
    [
        pytest.param({"refunded": 4900}, id="given back"),
        pytest.param({"dispute": "open", "disputed": 4900}, id="disputed"),
        pytest.param({"dispute": "lost", "disputed": 4900}, id="lost"),
        pytest.param({"dispute": "inquiry", "disputed": 4900}, id="asked about"),
    ],
)
def test_money_that_is_out_of_our_hands(paid):
    """Nothing goes back, and the account rests all the same: the suspicion stands."""
    decision = decide_score(facts(paid=paid, listed="block"), TERMS)

    assert (DENY, None, None) == (decision.verdict, decision.amount, decision.credits)
    assert [Clause.FRAUD_REFUND, Clause.FRAUD_SUSPEND] == [one.clause for one in decision.clauses]


def test_a_dispute_that_was_won_leaves_the_money():
    """What the bank gave back can be given back."""
    decision = decide_score(facts(paid={"dispute": "won"}, listed="block"), TERMS)

    assert "49.00 USD" == str(decision.amount)


SIGNALS = st.fixed_dictionaries(
    {
        **{name: st.sampled_from([None, *RULES.categories[name], "other"]) for name in CATEGORIES},
        **{name: st.one_of(st.none(), st.integers(0, 120)) for name in COUNTS},
    }
)
FACTS = st.builds(
    lambda signals, refunded, exempt: ScoreFacts(
        payment=payment("a", refunded=refunded), signals=signals, exempt=exempt
    ),
    SIGNALS,
    st.integers(0, 6_000),
    st.sampled_from([None, "allow", "snooze"]),
)


@given(FACTS)
def test_never_more_than_is_left(given_facts):
    """All that is left or nothing, and made again the same."""
    decision = decide_score(given_facts, TERMS)

    assert (decision.amount is not None) == (decision.verdict is APPROVE)
    assert decision.amount in (None, given_facts.payment.left())
    assert decision == redecide_score(decision.facts, TERMS)


@given(SIGNALS, st.sampled_from(COUNTS))
def test_a_cap_is_a_cap(signals, name):
    """However high a count, it weighs no more than its cap, and never the other way."""
    rule = RULES.counts[name]
    weight = weigh(signals, RULES)[name]

    assert abs(weight) <= rule.cap
    assert weight * rule.weight >= 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"mood": 1}, "signals.mood is not known", id="unknown"),
        pytest.param(
            {"risk_level": 3}, "signals.risk_level must be a non-empty text, not 3", id="a number"
        ),
        pytest.param(
            {"risk_score": -1},
            "signals.risk_score must be a whole number of zero or more, not -1",
            id="below nothing",
        ),
    ],
)
def test_refused_signals(changes, reason):
    """Signals of another form are refused by name."""
    with pytest.raises(MalformedFactError) as refused:
        facts(**changes)

    assert reason == str(refused.value)


def test_a_missing_signal():
    """A set of signals is whole or none."""
    signals = {name: value for name, value in UNKNOWN.items() if name != "review"}
    with pytest.raises(MalformedFactError, match=r"signals\.review is missing"):
        ScoreFacts(payment=payment("a"), signals=signals, exempt=None)


def test_an_exemption_that_nobody_knows():
    """What exempts is one of two words."""
    with pytest.raises(MalformedFactError, match="exempt must be allow, snooze or null"):
        facts("vip")


def tried(name, at=0, **changes):
    """One try of 20.00 USD by Ada with her card, `at` seconds after noon."""
    fields = {
        "succeeded": True,
        "amount_minor": 2000,
        "currency": "usd",
        "customer": "cus_ada",
        "card": "fp_ada",
        "email": "digest-ada",
        "ip": "digest-home",
        "device": None,
    }
    return Try(charge_id=name, created=NOON + at, **fields | changes)


def counts(subject, *near):
    return velocity(subject, near, RULES.small_amounts_minor)


def test_velocity_of_a_payment_alone():
    """A payment counts itself and no other."""
    assert {
        "cards_of_customer_day": 1,
        "cards_of_email_day": 1,
        "cards_of_ip_day": 1,
        "cards_of_device_day": 0,
        "customers_of_card_day": 1,
        "payments_of_card_hour": 1,
        "failures_of_card_day": 0,
        "failures_of_customer_hour": 0,
        "failures_of_email_hour": 0,
        "failures_of_ip_hour": 0,
        "small_failures_hour": 0,
    } == counts(tried("ch_a"))


@pytest.mark.parametrize(
    ("at", "hour", "day"),
    [
        pytest.param(0, 1, 1, id="in the same second"),
        pytest.param(-3_599, 1, 1, id="just within the hour"),
        pytest.param(-3_600, 0, 1, id="an hour before"),
        pytest.param(-86_399, 0, 1, id="just within the day"),
        pytest.param(-86_400, 0, 0, id="a day before"),
        pytest.param(1, 0, 0, id="afterwards"),
    ],
)
def test_windows(at, hour, day):
    """An hour and a day end with the payment, and hold neither what came after nor what is older."""
    found = counts(tried("ch_a"), tried("ch_b", at, succeeded=False, amount_minor=100))

    assert (hour, hour, day) == (
        found["failures_of_customer_hour"],
        found["small_failures_hour"],
        found["failures_of_card_day"],
    )


def test_what_is_shared():
    """Only tries that share the thing itself count, and nothing is shared by being unknown."""
    other = tried("ch_b", customer="cus_bob", card="fp_bob", email=None, succeeded=False)
    found = counts(tried("ch_a", device=None), other)

    assert (1, 1, 2, 0) == (
        found["cards_of_customer_day"],
        found["cards_of_email_day"],
        found["cards_of_ip_day"],
        found["cards_of_device_day"],
    )
    assert (0, 1) == (found["failures_of_customer_hour"], found["failures_of_ip_hour"])


@given(st.lists(st.integers(-90_000, 90_000), max_size=12), st.randoms())
def test_any_order_counts_the_same(moments, rng):
    """The order of the tries says nothing."""
    near = [tried(f"ch_{number}", at, card=f"fp_{at % 3}") for number, at in enumerate(moments)]
    shuffled = list(near)
    rng.shuffle(shuffled)

    assert counts(tried("ch_a"), *near) == counts(tried("ch_a"), *shuffled)


@pytest.mark.parametrize(
    ("countries", "said"),
    [
        ((None, None, None), None),
        (("GB", None, None), None),
        (("GB", "GB", None), "agree"),
        (("GB", None, "FR"), "differ"),
        (("GB", "GB", "FR"), "differ"),
    ],
)
def test_countries(countries, said):
    """Two that are known agree or differ; one alone says nothing."""
    assert said == agreement(*countries)


def test_other_terms_other_bands():
    """The bands are the terms' own."""
    strict = replace(TERMS, fraud_scores=replace(RULES, refund_score=50, review_score=20))

    assert APPROVE is decide_score(facts(risk_level="highest"), strict).verdict
