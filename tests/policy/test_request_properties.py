"""What holds for every refund request, tried over drawn facts and every value that an unknown could have."""

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from policy.decision import Verdict
from policy.request_decisions import decide_request, redecide_request
from policy.request_facts import Plan, Reason
from policy.terms_file import load_terms
from tests.policy.refund_requests import DAY, HOUR, PURCHASED_AT, UNKNOWABLE, request, taking

TERMS = load_terms()
CAPTURED_MINOR = 40
PERIOD_SECONDS = 20 * DAY
#: From the customer's side, worst first.
ORDER = (Verdict.DENY, Verdict.REVIEW, Verdict.APPROVE)
FLAGS = ("initial", "expired", "breach", "wrongly_flagged", "abuse")
RULINGS = ("ruled_little", "ruled_renewal")
#: Every value that a fact could have in these small worlds, beside the facts that limit it.
DOMAINS = {
    "plan": lambda _: list(Plan),
    "issued": lambda facts: range(max(1, facts.used or 0, facts.successful or 0), 110),
    "used": lambda facts: range(facts.successful or 0, (facts.issued or 20) + 1),
    "successful": lambda facts: range((facts.used or 0) + 1),
    "wrong_minor": lambda _: range(CAPTURED_MINOR + 1),
    "fee_minor": lambda _: range(CAPTURED_MINOR + 1),
    "period_seconds": lambda facts: range(max(facts.lost_seconds or 0, DAY), 60 * DAY, DAY),
    "lost_seconds": lambda facts: range(0, (facts.period_seconds or PERIOD_SECONDS) + 1, DAY // 2),
    "longest_outage_seconds": lambda _: (0, 1, 24 * HOUR - 1, 24 * HOUR, 24 * HOUR + 1, 90 * DAY),
    "longest_failure_seconds": lambda _: (0, 1, 24 * HOUR - 1, 24 * HOUR, 24 * HOUR + 1, 90 * DAY),
} | dict.fromkeys(FLAGS + RULINGS, lambda _: (True, False))


@st.composite
def takings(draw):
    """What the invoice took: mostly nothing but the plan, or none at all."""
    if draw(st.booleans()):
        return None
    return taking(
        plan_minor=draw(st.sampled_from([CAPTURED_MINOR, CAPTURED_MINOR, 30, 60, 0])),
        paid_minor=CAPTURED_MINOR,
        given_back_minor=draw(st.sampled_from([0, 0, 5, CAPTURED_MINOR])),
    )


@st.composite
def requests(draw):
    """A request of which all is known and ruled, as often near the limits as far from them."""
    issued = draw(st.integers(1, 20))
    used = draw(st.integers(0, issued))
    rarely = st.sampled_from([False, False, False, True])
    payment = {
        "amount": CAPTURED_MINOR,
        "refunded": draw(st.sampled_from([0, 0, 0, 5, CAPTURED_MINOR])),
        "currency": draw(st.sampled_from(["usd", "jpy", "kwd"])),
        "dispute": draw(
            st.sampled_from(["none", "none", "none", "inquiry", "open", "won", "lost"])
        ),
    }
    if payment["dispute"] != "none":
        payment["disputed"] = draw(st.sampled_from([CAPTURED_MINOR, 10]))
    seconds = st.sampled_from([0, 24 * HOUR - 1, 24 * HOUR, 24 * HOUR + 1])
    return request(
        payment,
        asked_at=PURCHASED_AT + draw(st.integers(0, 9)) * DAY,
        reasons=tuple(draw(st.lists(st.sampled_from(Reason), unique=True, max_size=2))),
        plan=draw(st.sampled_from(Plan)),
        issued=issued,
        used=used,
        successful=draw(st.integers(0, used)),
        wrong_minor=draw(st.sampled_from([0, 0, 0, 7, CAPTURED_MINOR])),
        period_seconds=PERIOD_SECONDS,
        lost_seconds=draw(st.integers(0, 20)) * DAY,
        longest_outage_seconds=draw(seconds),
        longest_failure_seconds=draw(seconds),
        fee_minor=draw(st.sampled_from([0, 1, 30, CAPTURED_MINOR])),
        took=draw(takings()),
        **{name: draw(rarely) for name in FLAGS},
        **{name: draw(st.booleans()) for name in RULINGS},
    )


def effect(decision):
    """What a decision leads to, whatever its reasons."""
    return decision.verdict, decision.amount, decision.credits


def worth(decision):
    """How good a decision is for the customer."""
    amount_minor = 0 if decision.amount is None else decision.amount.amount_minor
    return ORDER.index(decision.verdict), amount_minor


@given(requests())
def test_an_amount_is_never_more_than_is_left(facts):
    """What goes back is some money, never more than is left, never more than the charge with what went back."""
    decision = decide_request(facts, TERMS)
    if decision.amount is not None:
        payment = facts.payment
        assert payment.currency == decision.amount.currency
        assert 0 < decision.amount.amount_minor <= payment.left().amount_minor
        assert decision.amount.amount_minor + payment.refunded_minor <= payment.captured_minor


@given(requests(), st.integers(1, 20))
def test_more_usage_never_helps(facts, more):
    """Who used more credits never gets a better answer or more money."""
    assume(facts.used + more <= facts.issued)
    decision = decide_request(facts, TERMS)
    after = decide_request(replace(facts, used=facts.used + more), TERMS)

    assert worth(after) <= worth(decision)


@given(requests(), st.integers(1, 9 * DAY))
def test_later_never_helps(facts, later_seconds):
    """Who asks later never gets a better answer or more money."""
    decision = decide_request(facts, TERMS)
    after = decide_request(replace(facts, asked_at=facts.asked_at + later_seconds), TERMS)

    assert worth(after) <= worth(decision)


@pytest.mark.parametrize("name", sorted(UNKNOWABLE))
@given(requests())
def test_unknown_is_review_exactly_when_it_matters(name, facts):
    """One unknown fact: the decision is what all its possible values lead to, and a review if they differ."""
    unknown = replace(facts, **{name: None})
    possible = {
        effect(decide_request(replace(facts, **{name: value}), TERMS))
        for value in DOMAINS[name](facts)
    }
    decision = decide_request(unknown, TERMS)

    if len(possible) == 1:
        assert possible == {effect(decision)}
    else:
        assert Verdict.REVIEW is decision.verdict
        assert any("If " in sentence for sentence in decision.undecided)


@given(requests(), st.sampled_from(sorted(UNKNOWABLE)), st.sampled_from(sorted(UNKNOWABLE)))
@example(request(), "used", "issued")
@example(request(), "lost_seconds", "period_seconds")
def test_two_unknowns(facts, one, other):
    """Two unknown facts: decided only where every pair of values leads to the same."""
    assume(one != other)
    unknown = replace(facts, **{one: None, other: None})
    decision = decide_request(unknown, TERMS)
    possible = {
        effect(decide_request(replace(half, **{other: second}), TERMS))
        for first in list(DOMAINS[one](unknown))[::3]
        for half in [replace(unknown, **{one: first})]
        for second in list(DOMAINS[other](half))[::3]
    }

    assert Verdict.REVIEW is decision.verdict or possible == {effect(decision)}


@given(requests(), st.sets(st.sampled_from(sorted(UNKNOWABLE))))
def test_same_facts_same_decision(facts, unknown):
    """A decision is made again, byte for byte, from the facts that it carries."""
    decision = decide_request(replace(facts, **dict.fromkeys(unknown)), TERMS)

    assert decision.to_json() == redecide_request(decision.facts, TERMS).to_json()


def test_nothing_known_is_decided_quickly():
    """With every fact unknown a person is asked for each, one after the other."""
    decision = decide_request(request(**UNKNOWABLE), TERMS)

    assert Verdict.REVIEW is decision.verdict
    assert 4 == len(decision.undecided)
