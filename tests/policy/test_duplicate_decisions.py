"""From findings to decisions: the verdict, the amount, and what is said about doubts."""

import dataclasses

import pytest

from policy.clauses import Clause
from policy.decision import Decision, Verdict
from policy.duplicate_charges import (
    Doubt,
    DuplicateKind,
    Finding,
    decide_cleared,
    decide_duplicate,
    find_duplicates,
    finding_from_json,
    finding_to_json,
    redecide,
)
from policy.terms_file import load_terms
from tests.policy.payment_histories import load_corpus, payment

TERMS = load_terms()


def finding(**given):
    fields = {
        "charge_id": "ch_b",
        "kept_charge_id": "ch_a",
        "kind": DuplicateKind.SAME_ORDER,
        "confidence": 100,
        "compared": {"order_reference": "O-1"},
    }
    return Finding(**fields | given)


@pytest.mark.parametrize(
    ("found", "paid", "verdict", "amount"),
    [
        pytest.param({}, {}, Verdict.APPROVE, "49.00 USD", id="certain"),
        pytest.param({"confidence": 90}, {}, Verdict.APPROVE, "49.00 USD", id="at the threshold"),
        pytest.param({"confidence": 89}, {}, Verdict.REVIEW, None, id="just below the threshold"),
        pytest.param({"confidence": 50}, {}, Verdict.REVIEW, None, id="lowest for a person"),
        pytest.param({"confidence": 49}, {}, Verdict.DENY, None, id="too weak for a person"),
        pytest.param({}, {"currency": "jpy"}, Verdict.APPROVE, "4900 JPY", id="yen"),
        pytest.param(
            {}, {"currency": "kwd", "amount": 4905}, Verdict.APPROVE, "4.900 KWD", id="dinar"
        ),
        pytest.param({}, {"refunded": 4900}, Verdict.DENY, None, id="nothing left"),
        pytest.param({}, {"refunded": 1}, Verdict.REVIEW, None, id="somebody acted before"),
        pytest.param(
            {}, {"dispute": "lost", "disputed": 4900}, Verdict.DENY, None, id="dispute lost"
        ),
        pytest.param(
            {}, {"dispute": "lost", "disputed": 100}, Verdict.DENY, None, id="dispute lost in part"
        ),
        pytest.param(
            {}, {"dispute": "open", "disputed": 4900}, Verdict.REVIEW, None, id="dispute open"
        ),
        pytest.param(
            {"confidence": 60},
            {"dispute": "open", "disputed": 9000},
            Verdict.REVIEW,
            None,
            id="dispute open over more than the charge, finding in doubt",
        ),
        pytest.param(
            {}, {"dispute": "won", "disputed": 4900}, Verdict.REVIEW, None, id="dispute won"
        ),
        pytest.param(
            {}, {"dispute": "inquiry", "disputed": 4900}, Verdict.APPROVE, "49.00 USD", id="inquiry"
        ),
        pytest.param(
            {}, {"disputed": 900}, Verdict.REVIEW, None, id="money withdrawn without a dispute"
        ),
    ],
)
def test_verdicts(found, paid, verdict, amount):
    """The finding's certainty and the payment's state give the verdict and the exact amount."""
    decision = decide_duplicate(finding(**found), payment("b", **paid), TERMS)

    assert verdict is decision.verdict
    assert amount == (None if decision.amount is None else str(decision.amount))


def test_clauses_of_an_approval():
    """An approval cites the wrong charge, the way back and the currency, with what was compared."""
    decision = decide_duplicate(finding(), payment("b"), TERMS)
    cited = {result.clause: result for result in decision.clauses}

    assert list(cited) == [Clause.BILLING, Clause.METHOD, Clause.CURRENCY]
    assert all(result.holds for result in decision.clauses)
    assert cited[Clause.BILLING].compared == {
        "order_reference": "O-1",
        "captured_minor": 4900,
        "refunded_minor": 0,
        "left_minor": 4900,
        "dispute": "none",
        "kind": "same_order",
        "kept_charge_id": "ch_a",
        "confidence": 100,
        "refund_at": 90,
        "review_at": 50,
    }
    assert cited[Clause.METHOD].compared == {"refund_to_charge": "ch_b"}
    assert cited[Clause.CURRENCY].compared == {"currency": "usd"}


@pytest.mark.parametrize(
    ("decision", "holds"),
    [
        pytest.param(
            decide_duplicate(finding(confidence=60), payment("b"), TERMS), None, id="review"
        ),
        pytest.param(
            decide_duplicate(finding(), payment("b", refunded=4900), TERMS), False, id="denial"
        ),
        pytest.param(decide_cleared(payment("b"), TERMS), False, id="cleared"),
    ],
)
def test_clauses_without_money(decision, holds):
    """A review leaves the wrong charge open and a denial says that there is none to right."""
    assert [(Clause.BILLING, holds)] == [
        (result.clause, result.holds) for result in decision.clauses
    ]


@pytest.mark.parametrize("doubt", Doubt)
def test_doubts_are_questions(doubt):
    """Each doubt reaches the person as a question with what either answer leads to."""
    decision = decide_duplicate(finding(confidence=60, doubts=(doubt,)), payment("b"), TERMS)
    (sentence,) = decision.undecided

    assert sentence.startswith(doubt.question)
    assert "?" in doubt.question
    assert sentence.endswith(" If yes, 49.00 USD goes back; if no, nothing does.")


@pytest.mark.parametrize(
    ("found", "paid", "questions"),
    [
        pytest.param({"confidence": 60}, {}, [Doubt.PROBABLE], id="a kind left to persons"),
        pytest.param(
            {"confidence": 50, "doubts": (Doubt.CARD_ONLY, Doubt.PRODUCT)},
            {},
            [Doubt.CARD_ONLY, Doubt.PRODUCT],
            id="two doubts",
        ),
        pytest.param(
            {"confidence": 60, "doubts": (Doubt.PAYER,)},
            {"dispute": "won", "refunded": 100},
            [Doubt.PAYER, Doubt.WON, Doubt.ACTED_ON],
            id="everything at once",
        ),
        pytest.param({"doubts": (Doubt.CARD_ONLY,)}, {}, [], id="a doubt that the terms accept"),
    ],
)
def test_every_open_question_is_named(found, paid, questions):
    """A review names each thing that is open, once and in a stable order."""
    decision = decide_duplicate(finding(**found), payment("b", **paid), TERMS)
    asked = [
        doubt
        for sentence in decision.undecided
        for doubt in Doubt
        if sentence.startswith(doubt.question)
    ]

    assert questions == asked


def test_open_dispute_is_named():
    """With a dispute open, the review says what each of its ends leads to."""
    decision = decide_duplicate(
        finding(), payment("b", dispute="open", disputed=4900, refunded=900), TERMS
    )
    (sentence,) = decision.undecided

    assert "open dispute" in sentence
    assert "if the merchant wins it, 40.00 USD may go back" in sentence
    assert "if it is lost, the customer has the money" in sentence


def test_finding_of_another_payment():
    """A finding about one charge never decides about another."""
    with pytest.raises(ValueError, match="about ch_b, not this payment"):
        decide_duplicate(finding(), payment("c"), TERMS)


def test_decisions_can_be_made_again():
    """From its own facts, also by way of its text, every decision of the corpus comes out again."""
    for history in load_corpus():
        payments = {each.charge_id: each for each in history.payments}
        for found in find_duplicates(history.payments, TERMS.duplicates):
            made = decide_duplicate(found, payments[found.charge_id], TERMS)
            read = Decision.from_json(made.to_json())

            assert made == redecide(read.facts, TERMS)

    cleared = decide_cleared(payment("b"), TERMS)

    assert cleared == redecide(Decision.from_json(cleared.to_json()).facts, TERMS)


def test_thresholds_are_the_terms():
    """With another threshold the same finding comes out otherwise."""
    stricter = dataclasses.replace(
        TERMS, duplicates=dataclasses.replace(TERMS.duplicates, refund_at=96)
    )
    found = finding(confidence=95, kind=DuplicateKind.SECOND_SUBSCRIPTION)

    assert Verdict.APPROVE is decide_duplicate(found, payment("b"), TERMS).verdict
    assert Verdict.REVIEW is decide_duplicate(found, payment("b"), stricter).verdict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"charge_id": ""}, "charge_id", id="empty id"),
        pytest.param({"kept_charge_id": None}, "kept_charge_id", id="no kept payment"),
        pytest.param({"kind": "same_mood"}, "same_mood", id="unknown kind"),
        pytest.param({"confidence": -1}, "confidence", id="negative confidence"),
        pytest.param({"compared": []}, "compared", id="no object"),
        pytest.param({"doubts": ["x"]}, "x", id="unknown doubt"),
        pytest.param({"doubts": "payer"}, "doubts must be a list", id="text for a list"),
        pytest.param({"mood": 1}, "unknown keys: mood", id="unknown key"),
    ],
)
def test_findings_from_json(change, message):
    """A finding reads back as it was, and a text that none could have written is refused."""
    made = finding(doubts=(Doubt.PAYER, Doubt.WON))

    assert made == finding_from_json(finding_to_json(made))
    with pytest.raises(ValueError, match=message):
        finding_from_json(finding_to_json(made) | change)
