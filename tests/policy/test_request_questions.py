"""What a person reads about a request: each question whole, with what every answer leads to."""

import pytest

from policy.decision import Verdict
from policy.request_decisions import decide_request
from policy.request_facts import IntakeField, Plan
from policy.terms_file import load_terms
from tests.policy.cited_clauses import cited
from tests.policy.refund_requests import DAY, HOUR, PURCHASED_AT, request

TERMS = load_terms()
OUT = {"longest_outage_seconds": 24 * HOUR + 1, "lost_seconds": 3 * DAY}
MUCH = {"used": 50, "successful": 50}
UNUSED = {"used": 0, "successful": 0}
LATE = {"asked_at": PURCHASED_AT + 30 * DAY}
WRONG = {"wrong_minor": 4900}
ANNUAL = {"plan": Plan.ANNUAL, "period_seconds": 365 * DAY}
RENEWED = (
    "The charge renewed a yearly plan; the terms speak of its first purchase only. "
    "Do the unused full months go back? If yes, 43.19 USD goes back; if no, nothing goes back."
)


@pytest.mark.parametrize(
    ("name", "clause", "given", "undecided"),
    [
        pytest.param(
            "plan", "USE-SUB", {},
            [
                ("What was bought? If it is a credit pack or it is a monthly plan, 47.28 USD goes back; "
                "if it is an annual plan, 43.19 USD goes back.")
            ],
            id="plan",
        ),
        pytest.param(
            "initial", "ANNUAL", ANNUAL,
            [
                ("Was it the first purchase of the annual plan? If yes, 43.19 USD goes back; "
                "if no, it hangs on the rest."),
                RENEWED,
            ],
            id="first purchase",
        ),
        pytest.param("ruled_renewal", "ANNUAL", ANNUAL | {"initial": False}, [RENEWED], id="renewal"),
        pytest.param(
            "issued", "X-USE", {},
            [
                ("How many credits were issued? If 5 or 24, nothing goes back; "
                "if 25, it hangs on the rest; if 26, 47.28 USD goes back."),
                ("Exactly 20 % of the credits (5) were used. Does that count as little? "
                "If yes, 47.28 USD goes back; if no, nothing goes back."),
            ],
            id="issued",
        ),
        pytest.param(
            "used", "X-USE", {},
            [
                ("How many of the credits were used? If 5 or 19, 47.28 USD goes back; "
                "if 20, it hangs on the rest; if 21 or 100, nothing goes back."),
                ("Exactly 20 % of the credits (20) were used. Does that count as little? "
                "If yes, 47.28 USD goes back; if no, nothing goes back."),
            ],
            id="used",
        ),
        pytest.param(
            "expired", "X-EXPIRED", {},
            ["Had the credits expired? If yes, nothing goes back; if no, 47.28 USD goes back."],
            id="expired",
        ),
        pytest.param(
            "breach", "X-TERMS", {},
            [
                ("Was the account suspended or closed for breaking the terms of service? "
                "If yes, nothing goes back; if no, 47.28 USD goes back.")
            ],
            id="closed",
        ),
        pytest.param(
            "wrongly_flagged", "FLAG-ERROR", {},
            ["Was the account flagged by mistake? If yes, 49.00 USD goes back; if no, 47.28 USD goes back."],
            id="flagged",
        ),
        pytest.param(
            "abuse", "X-ABUSE", {},
            ["Was the service abused? If yes, nothing goes back; if no, 47.28 USD goes back."],
            id="abuse",
        ),
        pytest.param(
            "wrong_minor", "BILLING", {},
            [
                ("How much of the charge is wrong, in minor units of USD? If 0, 47.28 USD goes back; "
                "if 1 or 4900, a person decides.")
            ],
            id="wrong part, some used",
        ),
        pytest.param(
            "wrong_minor", "BILLING", UNUSED,
            [
                ("How much of the charge is wrong, in minor units of USD? If 0 or 1, 47.28 USD goes back; "
                "if 4900, 49.00 USD goes back.")
            ],
            id="wrong part, none used",
        ),
        pytest.param(
            "period_seconds", "PART-OUTAGE", MUCH | OUT,
            [
                ("How many seconds does what was paid for last? If 259200, 49.00 USD goes back; "
                "if 1000000259200, nothing goes back.")
            ],
            id="period",
        ),
        pytest.param(
            "lost_seconds", "PART-OUTAGE", MUCH | OUT,
            [
                ("For how many seconds of it was the service down? If 0, nothing goes back; "
                "if 2592000, 49.00 USD goes back.")
            ],
            id="lost time",
        ),
        pytest.param(
            "longest_outage_seconds", "OUTAGE", {},
            [
                ("For how many seconds was the service down without a break? "
                "If 0 or 86400, 47.28 USD goes back; if 86401, 49.00 USD goes back.")
            ],
            id="outage",
        ),
        pytest.param(
            "longest_failure_seconds", "TECH", {},
            [
                ("For how many seconds did faults keep the customer from working? "
                "If 0 or 86399, 47.28 USD goes back; if 86400, 49.00 USD goes back.")
            ],
            id="failures",
        ),
        pytest.param(
            "fee_minor", "FEES", {},
            [
                ("What did processing the payment cost, in minor units of USD? "
                "If 0, 49.00 USD goes back; if 4900, nothing goes back.")
            ],
            id="fee",
        ),
        pytest.param(
            "ruled_little", "X-USE", {"used": 20},
            [
                ("Exactly 20 % of the credits (20) were used. Does that count as little? "
                "If yes, 47.28 USD goes back; if no, nothing goes back.")
            ],
            id="exactly the share",
        ),
    ],
)  # fmt: skip
def test_questions(name, clause, given, undecided):
    """One fact that is not known is asked by its question; the clause that asks is cited as open."""
    decision = decide_request(request(**given | {name: None}), TERMS)

    assert Verdict.REVIEW is decision.verdict
    assert tuple(undecided) == decision.undecided
    assert (clause, None, {name: None}) == cited(decision)[-1]
    assert "INTAKE" == cited(decision)[0][0]


@pytest.mark.parametrize(
    ("given", "paid", "sentence"),
    [
        pytest.param(
            {"named": (IntakeField.PRODUCT,)}, {},
            "The request does not name: account_email, purchase_date, reason. It is judged once it does.",
            id="names too little",
        ),
        pytest.param(
            LATE | WRONG, {},
            "The ledger proves the charge to be wrong, but another clause excludes a refund. "
            "Does the wrong part go back all the same? If yes, as far as it is left; if no, nothing.",
            id="wrong, but excluded",
        ),
        pytest.param(
            WRONG, {},
            "The charge is wrong, but 5 of the credits that it bought were used. "
            "Does the wrong part go back? If yes, as far as it is left; if no, nothing.",
            id="wrong, but used",
        ),
        pytest.param(
            {}, {"dispute": "open", "disputed": 4900},
            "How does the open dispute of this payment end? While it is open no refund is possible; "
            "if the merchant wins it, up to 47.28 USD may go back; if it is lost, the customer has the money.",
            id="in dispute",
        ),
        pytest.param(
            {}, {"dispute": "won", "disputed": 4900},
            "Does 47.28 USD go back, although the bank decided the dispute for the merchant?",
            id="a dispute won",
        ),
    ],
)  # fmt: skip
def test_a_persons_matter(given, paid, sentence):
    """What no rule may decide is told in one sentence."""
    decision = decide_request(request(paid, **given), TERMS)

    assert (Verdict.REVIEW, (sentence,)) == (decision.verdict, decision.undecided)


def test_different_questions_in_every_answer():
    """Where every answer leaves another question to a person, all of them are asked."""
    decision = decide_request(request(**WRONG | {"used": None, "successful": 21}), TERMS)

    assert (
        tuple(
            f"The charge is wrong, but {used} of the credits that it bought were used. "
            "Does the wrong part go back? If yes, as far as it is left; if no, nothing."
            for used in (21, 100)
        )
        == decision.undecided
    )


def test_several_unknown_facts():
    """What an answer leads to is told where the facts beside it do not matter; else the next is asked."""
    decision = decide_request(request(used=None, plan=None), TERMS)

    assert (
        (
            "How many of the credits were used? If 5, 19 or 20, it hangs on the rest; "
            "if 21 or 100, nothing goes back."
        ),
        (
            "What was bought? If it is a credit pack or it is a monthly plan, 47.28 USD goes back; "
            "if it is an annual plan, 43.19 USD goes back."
        ),
    ) == decision.undecided


def test_open_questions_in_both_answers():
    """Where every answer leaves the same to a person, it is asked once."""
    decision = decide_request(request(**WRONG | LATE | {"abuse": None}), TERMS)

    assert (
        (
            "The ledger proves the charge to be wrong, but another clause excludes a refund. "
            "Does the wrong part go back all the same? If yes, as far as it is left; if no, nothing."
        ),
    ) == decision.undecided
