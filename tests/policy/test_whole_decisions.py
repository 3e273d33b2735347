"""Decisions about duplicates, outages, rulings and credits, word for word and value for value."""

from dataclasses import replace

import pytest

from policy.clauses import Clause
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.duplicate_decisions import decide_cleared, decide_duplicate
from policy.duplicate_findings import Doubt, DuplicateKind, Finding, finding_to_json
from policy.money import Money
from policy.outage_decisions import OutageFacts, decide_outage
from policy.payments import payment_to_json
from policy.rulings import Ruling, RulingRefused, decide_ruling
from policy.terms_file import load_terms
from tests.policy.cited_clauses import cited
from tests.policy.payment_histories import payment

TERMS = load_terms()
KEEPING_FEES = replace(TERMS, requests=replace(TERMS.requests, fee_kept_on_our_error=True))
NOTHING_ELSE = CreditEffect(revoked=False, restored=0, ends_subscription=False)
DAY = 86_400
MONTH = 30 * DAY


def usd(amount_minor):
    return Money(amount_minor=amount_minor, currency="usd")


def repeated(**given):
    fields = {
        "charge_id": "ch_b",
        "kept_charge_id": "ch_a",
        "kind": DuplicateKind.SAME_ORDER,
        "confidence": 100,
        "compared": {"order_reference": "O-1"},
    }
    return Finding(**fields | given)


def about_duplicate(verdict, finding, paid, holds, undecided, **money):
    """The whole decision that nothing goes back of `paid` by itself."""
    found = {} if finding is None else {
        "order_reference": "O-1",
        "kind": "same_order",
        "kept_charge_id": "ch_a",
        "confidence": finding.confidence,
        "refund_at": 90,
        "review_at": 50,
    }  # fmt: skip
    compared = {"captured_minor": 4900, "refunded_minor": 0, "left_minor": 4900, "dispute": "none"}
    return Decision(
        verdict=verdict,
        amount=None,
        clauses=(
            ClauseResult(clause=Clause.BILLING, holds=holds, compared=found | compared | money),
        ),
        terms_version="2025-09-14",
        undecided=undecided,
        facts={
            "finding": None if finding is None else finding_to_json(finding),
            "payment": payment_to_json(paid),
        },
    )


@pytest.mark.parametrize(
    ("found", "paid", "money"),
    [
        pytest.param({"confidence": 49}, {}, {}, id="too weak"),
        pytest.param({}, {"refunded": 4900}, {"refunded_minor": 4900, "left_minor": 0}, id="refunded"),
        pytest.param(
            {}, {"dispute": "lost", "disputed": 900}, {"dispute": "lost", "left_minor": 4000}, id="lost"
        ),
    ],
)  # fmt: skip
def test_denied_duplicates(found, paid, money):
    """A denial cites why the charge is none to right, and keeps the finding that it denies."""
    finding, payment_b = repeated(**found), payment("b", **paid)

    assert about_duplicate(
        Verdict.DENY, finding, payment_b, holds=False, undecided=(), **money
    ) == decide_duplicate(finding, payment_b, TERMS)


def test_cleared_duplicate():
    """What is no duplicate after all is denied with nothing found."""
    assert about_duplicate(
        Verdict.DENY, None, payment("b"), holds=False, undecided=()
    ) == decide_cleared(payment("b"), TERMS)


@pytest.mark.parametrize(
    ("refunded_minor", "if_won"),
    [
        pytest.param(0, "49.00 USD", id="untouched"),
        pytest.param(900, "40.00 USD", id="refunded in part"),
        pytest.param(4900, "0.00 USD", id="refunded in full"),
        pytest.param(5000, "0.00 USD", id="more than it was"),
    ],
)
def test_disputed_duplicate(refunded_minor, if_won):
    """While a dispute is open a person hears what each of its ends leads to."""
    disputed = payment("b", dispute="open", disputed=4900, refunded=refunded_minor)
    sentence = (
        "How does the open dispute of this payment end? While it is open no refund is possible; "
        f"if the merchant wins it, {if_won} may go back; if it is lost, the customer has the money."
    )

    assert about_duplicate(
        Verdict.REVIEW,
        repeated(),
        disputed,
        holds=None,
        undecided=(sentence,),
        refunded_minor=refunded_minor,
        left_minor=0,
        dispute="open",
    ) == decide_duplicate(repeated(), disputed, TERMS)


def test_doubtful_duplicate():
    """Each doubt is a question with both answers' ends."""
    finding = repeated(confidence=50, doubts=(Doubt.PAYER,))
    paid = payment("b", refunded=100)

    assert about_duplicate(
        Verdict.REVIEW,
        finding,
        paid,
        holds=None,
        undecided=(
            "Did one person pay both? If yes, 48.00 USD goes back; if no, nothing does.",
            (
                "Is the rest to go back, although a part of it went back before? "
                "If yes, 48.00 USD goes back; if no, nothing does."
            ),
        ),
        refunded_minor=100,
        left_minor=4800,
    ) == decide_duplicate(finding, paid, TERMS)


def down(lost_seconds=3 * DAY, period_seconds=MONTH, fee_minor=None, **paid):
    return OutageFacts(
        payment=payment("a", **paid),
        plan_minor=None,
        period_seconds=period_seconds,
        lost_seconds=lost_seconds,
        fee_minor=fee_minor,
    )


def share(share_minor, lost_seconds, *, holds):
    return (
        "PART-OUTAGE",
        holds,
        {
            "price_minor": 4900,
            "lost_seconds": lost_seconds,
            "period_seconds": MONTH,
            "share_minor": share_minor,
        },
    )


def way_back(*, holds, refunded_minor=0, left_minor=4900, dispute="none"):
    money = {"dispute": dispute, "refunded_minor": refunded_minor, "left_minor": left_minor}
    return ("METHOD", holds, money)


USD = ("CURRENCY", True, {"currency": "usd"})
OUTAGES = [
    pytest.param(
        down(), TERMS, usd(490), (), [share(490, 3 * DAY, holds=True), way_back(holds=True), USD], id="a share"
    ),
    pytest.param(
        down(529), TERMS, usd(1), (), [share(1, 529, holds=True), way_back(holds=True), USD], id="a cent"
    ),
    pytest.param(
        down(0), TERMS, None, (), [share(0, 0, holds=False), way_back(holds=False)], id="nothing lost"
    ),
    pytest.param(
        down(refunded=500), TERMS, None, (),
        [share(490, 3 * DAY, holds=True), way_back(holds=False, refunded_minor=500, left_minor=4400)],
        id="more went back before",
    ),
    pytest.param(
        down(dispute="lost", disputed=4900), TERMS, None, (),
        [share(490, 3 * DAY, holds=True), way_back(holds=False, left_minor=0, dispute="lost")],
        id="lost to the bank",
    ),
    pytest.param(
        down(dispute="open", disputed=4900), TERMS, None,
        ("Does 4.90 USD go back, although the payment's dispute is open?",),
        [share(490, 3 * DAY, holds=True), way_back(holds=None, left_minor=0, dispute="open")],
        id="in dispute",
    ),
    pytest.param(
        down(dispute="won", disputed=4900), TERMS, None,
        ("Does 4.90 USD go back, although the payment's dispute is won?",),
        [share(490, 3 * DAY, holds=True), way_back(holds=None, dispute="won")],
        id="a dispute won",
    ),
    pytest.param(
        down(period_seconds=None), TERMS, None,
        ("How long does what was paid for last? The share of it that was lost goes back.",),
        [("PART-OUTAGE", None, {"lost_seconds": 3 * DAY, "period_seconds": None})],
        id="of unknown length",
    ),
    pytest.param(
        down(fee_minor=90), KEEPING_FEES, usd(400), (),
        [
            share(490, 3 * DAY, holds=True),
            ("FEES", True, {"fee_minor": 90, "entitled_minor": 490}),
            way_back(holds=True),
            USD,
        ],
        id="the fee is kept",
    ),
    pytest.param(
        down(), KEEPING_FEES, None, ("What did processing the payment cost?",),
        [share(490, 3 * DAY, holds=True), ("FEES", None, {"fee_minor": None, "entitled_minor": 490})],
        id="the fee is not known",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "terms", "amount", "undecided", "clauses"), OUTAGES)
def test_outages(facts, terms, amount, undecided, clauses):
    """A decision about an outage says what was lost, what went back before and how the money stands."""
    decision = decide_outage(facts, terms)

    assert clauses == cited(decision)
    assert (amount, undecided, None if amount is None else NOTHING_ELSE) == (
        decision.amount,
        decision.undecided,
        decision.credits,
    )


def ruling(amount_minor=1000, paid=None, **given):
    fields = {"revokes_credits": False, "ends_subscription": False, "appealed": False}
    return Ruling(payment=payment("a", **(paid or {})), amount_minor=amount_minor, **fields | given)


def test_ruled_refund():
    """A ruling that gives money cites who looked, the way back and the currency."""
    decision = decide_ruling(ruling(1000, {"refunded": 900}, revokes_credits=True), TERMS)

    assert [
        ("REVIEW-3BD", True, {"ruled_minor": 1000}),
        ("METHOD", True, {"refund_to_charge": "ch_a", "left_minor": 4000}),
        USD,
    ] == cited(decision)
    assert (usd(1000), (), replace(NOTHING_ELSE, revoked=True)) == (
        decision.amount,
        decision.undecided,
        decision.credits,
    )


def test_ruled_denial():
    """A ruling that gives nothing cites who looked, and that nothing was ruled."""
    decision = decide_ruling(ruling(None, appealed=True), TERMS)

    assert [("APPEAL", True, {"ruled_minor": None})] == cited(decision)


def test_what_a_ruling_ends():
    """A subscription ends by a ruling only where the ruling says so."""
    decision = decide_ruling(ruling(ends_subscription=True), TERMS)

    assert replace(NOTHING_ELSE, ends_subscription=True) == decision.credits


@pytest.mark.parametrize(
    ("amount_minor", "paid", "reason"),
    [
        pytest.param(
            4901, {}, "49.01 USD is more than the 49.00 USD that is left of the payment", id="too much"
        ),
        pytest.param(
            1, {"dispute": "open", "disputed": 4900},
            "the payment's dispute is open: a refund would pay the customer twice", id="open",
        ),
        pytest.param(
            1, {"dispute": "lost", "disputed": 4900},
            "the payment's dispute is lost: a refund would pay the customer twice", id="lost",
        ),
        pytest.param(
            4721, {"amount": 4730, "currency": "kwd"},
            "Stripe refunds no such amount; 4.720 KWD it does", id="no step",
        ),
    ],
)  # fmt: skip
def test_refused_rulings(amount_minor, paid, reason):
    """Money that is not there, or that a bank holds, is refused with what could be done."""
    with pytest.raises(RulingRefused) as refused:
        decide_ruling(ruling(amount_minor, paid), TERMS)

    assert reason == str(refused.value)


CLAIM = CreditClaim(loss=CreditLoss.FAILED, claimed=30, documented=30, our_fault=True, restored=0)
CLAIMED = {"loss": "failed", "claimed": 30, "documented": 30, "our_fault": True, "restored": 0}


@pytest.mark.parametrize(
    ("given", "verdict", "holds", "restored", "undecided"),
    [
        pytest.param({}, Verdict.APPROVE, True, 30, (), id="documented"),
        pytest.param({"our_fault": False}, Verdict.DENY, False, 0, (), id="not our fault"),
        pytest.param(
            {"our_fault": None}, Verdict.REVIEW, None, 0,
            ("Was the platform the cause? If yes, 30 credits come back; if no, none do.",),
            id="whose fault is not known",
        ),
        pytest.param(
            {"our_fault": None, "documented": None}, Verdict.REVIEW, None, 0,
            ("Was the platform the cause? If yes, up to 30 come back; if no, none do.",),
            id="nothing is known",
        ),
        pytest.param(
            {"documented": None, "restored": 5}, Verdict.REVIEW, None, 0,
            ("How many of the 30 credits are shown to have gone? As many come back, 25 at most.",),
            id="not looked up",
        ),
    ],
)  # fmt: skip
def test_restorations(given, verdict, holds, restored, undecided):
    """A decision about credits cites the claim as it was made, and takes nothing."""
    decision = decide_restoration(replace(CLAIM, **given), TERMS)

    assert [("PART-CREDITS", holds, CLAIMED | given)] == cited(decision)
    assert (verdict, None, undecided, {"credit_claim": CLAIMED | given}) == (
        decision.verdict,
        decision.amount,
        decision.undecided,
        decision.facts,
    )
    assert replace(NOTHING_ELSE, restored=restored) == decision.credits
