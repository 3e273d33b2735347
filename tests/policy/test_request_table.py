"""Every clause of the policy for requests, every limit, every unknown fact: one row each, with the reason."""

from dataclasses import replace

import pytest

from policy.clauses import Clause
from policy.decision import Decision, Verdict
from policy.request_decisions import decide_request, redecide_request
from policy.request_facts import IntakeField, Plan, Reason
from policy.terms_file import load_terms
from tests.policy.refund_requests import (
    DAY,
    DAY_ENDS_AT,
    HOUR,
    MONTH_SECONDS,
    PURCHASED_AT,
    UNKNOWABLE,
    request,
)

TERMS = load_terms()
APPROVE, DENY, REVIEW = Verdict.APPROVE, Verdict.DENY, Verdict.REVIEW
OUT = {"longest_outage_seconds": 24 * HOUR + 1, "lost_seconds": 3 * DAY}
FAILED = {"longest_failure_seconds": 24 * HOUR, "lost_seconds": 3 * DAY}
MUCH = {"used": 50, "successful": 50}
UNUSED = {"used": 0, "successful": 0}
LATE = {"asked_at": PURCHASED_AT + 30 * DAY}
WRONG = {"wrong_minor": 4900}
TASTE = {"reasons": (Reason.TASTE,)}
YEN = {"currency": "jpy"}
DINAR = {"currency": "kwd"}
FORINT = {"currency": "ugx"}


def row(label, given, verdict, said, *clauses, paid=None):
    """`said` is the amount of an approval, or a part of what a review asks; `clauses` decided."""
    return pytest.param(given, paid, verdict, said, clauses, id=label)


WINDOW_ROWS = [
    row("first second", {"asked_at": PURCHASED_AT}, APPROVE, "47.28 USD", "WINDOW"),
    row(
        "last second of the window",
        {"asked_at": DAY_ENDS_AT + 7 * DAY},
        APPROVE,
        "47.28 USD",
        "WINDOW",
    ),
    row("first second after it", {"asked_at": DAY_ENDS_AT + 7 * DAY + 1}, DENY, None, "X-LATE"),
    row(
        "late, whatever else qualifies",
        LATE | OUT | {"wrongly_flagged": True},
        DENY,
        None,
        "X-LATE",
    ),
]
USE_ROWS = [
    row("nothing used", UNUSED, APPROVE, "47.28 USD", "USE-SUB"),
    row("19 of 100", {"used": 19}, APPROVE, "47.28 USD", "USE-SUB"),
    row("exactly 20 of 100", {"used": 20}, REVIEW, "If yes, 47.28 USD goes back; if no, nothing"),
    row("exactly 1 of 5", {"issued": 5, "used": 1, "successful": 1}, REVIEW, "count as little?"),
    row(
        "exactly 20, ruled as little",
        {"used": 20, "ruled_little": True},
        APPROVE,
        "47.28 USD",
        "USE-SUB",
    ),
    row("exactly 20, ruled as too much", {"used": 20, "ruled_little": False}, DENY, None, "X-USE"),
    row("one credit over", {"used": 21}, DENY, None, "X-USE"),
    row("199 of 1,000", {"issued": 1000, "used": 199}, APPROVE, "47.28 USD", "USE-SUB"),
    row("201 of 1,000", {"issued": 1000, "used": 201}, DENY, None, "X-USE"),
    row("pack, 19 of 100", {"plan": Plan.PACK, "used": 19}, APPROVE, "47.28 USD", "USE-PACK"),
    row("pack, one credit over", {"plan": Plan.PACK, "used": 21}, DENY, None, "X-USE"),
    row("all credits spent well", {"used": 100, "successful": 100}, DENY, None, "X-USE", "X-DONE"),
    row("all credits spent, one in vain", {"used": 100, "successful": 99}, DENY, None, "X-USE"),
    row("credits had expired", {"expired": True}, DENY, None, "X-EXPIRED"),
    row("use needs no reason", {"reasons": ()}, APPROVE, "47.28 USD", "USE-SUB"),
]
CONDUCT_ROWS = [
    row("closed for breaking the rules", {"breach": True}, DENY, None, "X-TERMS"),
    row("closed, the service down", {"breach": True} | OUT, DENY, None, "X-TERMS"),
    row(
        "suspended by mistake",
        {"breach": True, "wrongly_flagged": True},
        APPROVE,
        "49.00 USD",
        "FLAG-ERROR",
    ),
    row(
        "flagged by mistake, not suspended",
        {"wrongly_flagged": True},
        APPROVE,
        "49.00 USD",
        "FLAG-ERROR",
    ),
    row("flagged by mistake, much used", {"wrongly_flagged": True} | MUCH, DENY, None, "X-USE"),
    row(
        "flagged by mistake, expired",
        {"wrongly_flagged": True, "expired": True},
        DENY,
        None,
        "X-EXPIRED",
    ),
    row(
        "flagged by mistake, abused all the same",
        {"wrongly_flagged": True, "abuse": True},
        DENY,
        None,
        "X-ABUSE",
    ),
    row("abuse", {"abuse": True}, DENY, None, "X-ABUSE"),
    row("abuse, the service down", {"abuse": True} | OUT, DENY, None, "X-ABUSE"),
]
SERVICE_ROWS = [
    row(
        "down for exactly 24 hours",
        MUCH | OUT | {"longest_outage_seconds": 24 * HOUR},
        DENY,
        None,
        "X-USE",
    ),
    row(
        "down for a second more, much used",
        MUCH | OUT,
        APPROVE,
        "4.90 USD",
        "OUTAGE",
        "PART-OUTAGE",
    ),
    row("down, little used", OUT, APPROVE, "49.00 USD", "OUTAGE"),
    row(
        "down, exactly 20 of 100",
        OUT | {"used": 20},
        REVIEW,
        "If yes, 49.00 USD goes back; if no, 4.90 USD",
    ),
    row("down, credits expired", OUT | {"expired": True}, APPROVE, "4.90 USD", "PART-OUTAGE"),
    row(
        "down, all credits spent",
        OUT | {"used": 100, "successful": 100},
        APPROVE,
        "4.90 USD",
        "PART-OUTAGE",
    ),
    row(
        "failures a second too short",
        MUCH | FAILED | {"longest_failure_seconds": 24 * HOUR - 1},
        DENY,
        None,
        "X-USE",
    ),
    row("failures for a day, much used", MUCH | FAILED, APPROVE, "4.90 USD", "TECH", "PART-OUTAGE"),
    row("failures for a day, little used", FAILED, APPROVE, "49.00 USD", "TECH"),
    row(
        "down all the month",
        MUCH | OUT | {"lost_seconds": MONTH_SECONDS},
        APPROVE,
        "49.00 USD",
        "PART-OUTAGE",
    ),
    row(
        "down, but not in what was paid",
        MUCH | OUT | {"lost_seconds": 0},
        DENY,
        None,
        "PART-OUTAGE",
    ),
    row(
        "a share rounds down",
        MUCH | OUT | {"lost_seconds": DAY + 1},
        APPROVE,
        "1.63 USD",
        "PART-OUTAGE",
    ),
    row(
        "down, pack without a period",
        MUCH | OUT | {"plan": Plan.PACK, "period_seconds": None},
        REVIEW,
        "last",
    ),
]
TASTE_ROWS = [
    row("taste, little used", TASTE, APPROVE, "47.28 USD", "USE-SUB"),
    row("taste, much used", TASTE | MUCH, DENY, None, "X-TASTE", "X-USE"),
    row("taste alone, the service down, much used", TASTE | MUCH | OUT, DENY, None, "X-TASTE"),
    row("taste alone, the service down, little used", TASTE | OUT, APPROVE, "47.28 USD", "USE-SUB"),
    row(
        "taste and an outage",
        {"reasons": (Reason.TASTE, Reason.OUTAGE)} | MUCH | OUT,
        APPROVE,
        "4.90 USD",
        "PART-OUTAGE",
    ),
    row("taste, exactly 20 of 100", TASTE | {"used": 20}, REVIEW, "if no, nothing goes back"),
    row("taste, charged wrongly", TASTE | UNUSED | WRONG, APPROVE, "49.00 USD", "BILLING"),
]
BILLING_ROWS = [
    row("charged wrongly", UNUSED | WRONG, APPROVE, "49.00 USD", "BILLING"),
    row(
        "charged wrongly, a credit used",
        {"used": 1, "successful": 0} | WRONG,
        REVIEW,
        "1 of the credits",
    ),
    row("charged wrongly, much used", MUCH | WRONG, REVIEW, "50 of the credits"),
    row("charged wrongly, asked late", LATE | UNUSED | WRONG, REVIEW, "all the same?"),
    row("charged wrongly, account closed", {"breach": True} | WRONG, REVIEW, "all the same?"),
    row("charged wrongly, abused", {"abuse": True} | WRONG, REVIEW, "all the same?"),
    row(
        "charged a part too much, nothing used",
        UNUSED | {"wrong_minor": 1000},
        APPROVE,
        "47.28 USD",
        "USE-SUB",
    ),
    row(
        "a part too much, the fee larger than the rest",
        UNUSED | {"wrong_minor": 4800},
        APPROVE,
        "48.00 USD",
        "BILLING",
    ),
    row(
        "a part too much, expired",
        UNUSED | {"wrong_minor": 1000, "expired": True},
        APPROVE,
        "10.00 USD",
        "BILLING",
    ),
    row(
        "wrong part went back before, late",
        LATE | {"wrong_minor": 900},
        DENY,
        None,
        "X-LATE",
        paid={"refunded": 900},
    ),
    row(
        "wrong, late, dispute lost",
        LATE | WRONG,
        DENY,
        None,
        "X-LATE",
        paid={"dispute": "lost", "disputed": 4900},
    ),
    row(
        "wrong, late, dispute open",
        LATE | WRONG,
        REVIEW,
        "all the same?",
        paid={"dispute": "open", "disputed": 4900},
    ),
    row(
        "wrong, late, the money withdrawn without a dispute",
        LATE | WRONG,
        DENY,
        None,
        "X-LATE",
        paid={"disputed": 4900},
    ),
    row(
        "a wrong part too small to be sent",
        LATE | {"wrong_minor": 9},
        DENY,
        None,
        "X-LATE",
        paid=DINAR,
    ),
]
ANNUAL = {"plan": Plan.ANNUAL, "period_seconds": 365 * DAY}
ANNUAL_ROWS = [
    row(
        "renewal that went back",
        ANNUAL | {"initial": False},
        DENY,
        None,
        "METHOD",
        paid={"refunded": 4900},
    ),
    row(
        "renewal whose dispute was lost",
        ANNUAL | {"initial": False},
        DENY,
        None,
        "METHOD",
        paid={"dispute": "lost", "disputed": 4900},
    ),
    row(
        "renewal, a part charged wrongly",
        ANNUAL | UNUSED | {"initial": False, "wrong_minor": 1000},
        REVIEW,
        "if no, 10.00 USD goes back",
    ),
    row("yearly plan in its first month", ANNUAL, APPROVE, "43.19 USD", "ANNUAL"),
    row(
        "eleven twelfths round down",
        ANNUAL | {"fee_minor": 0},
        APPROVE,
        "11.92 USD",
        "ANNUAL",
        paid={"amount": 1301},
    ),
    row("yearly plan, 21 of the month's 100", ANNUAL | {"used": 21}, DENY, None, "X-USE"),
    row("yearly plan, late", ANNUAL | LATE, DENY, None, "X-LATE"),
    row("renewal of a yearly plan", ANNUAL | {"initial": False}, REVIEW, "renewed a yearly plan"),
    row(
        "renewal whose months go back",
        ANNUAL | {"initial": False, "ruled_renewal": True},
        APPROVE,
        "43.19 USD",
        "ANNUAL",
    ),
    row(
        "renewal whose months do not go back",
        ANNUAL | {"initial": False, "ruled_renewal": False},
        DENY,
        None,
        "ANNUAL",
    ),
    row("renewal, late", ANNUAL | LATE | {"initial": False}, DENY, None, "X-LATE"),
    row("renewal, much used", ANNUAL | MUCH | {"initial": False}, DENY, None, "X-USE"),
    row(
        "renewal, service down, little used",
        ANNUAL | OUT | {"initial": False},
        APPROVE,
        "49.00 USD",
        "OUTAGE",
    ),
    row(
        "yearly plan, down for three days", ANNUAL | OUT | MUCH, APPROVE, "0.40 USD", "PART-OUTAGE"
    ),
    row("yearly plan charged wrongly", ANNUAL | UNUSED | WRONG, APPROVE, "49.00 USD", "BILLING"),
]
MONEY_ROWS = [
    row(
        "dispute open, dinar moves in tens",
        {},
        REVIEW,
        "up to 4.720 KWD",
        paid={"dispute": "open", "disputed": 4900, **DINAR},
    ),
    row(
        "dispute open, less is owed than can be sent",
        {},
        DENY,
        None,
        "METHOD",
        paid={"dispute": "open", "disputed": 4900, "refunded": 4723, **DINAR},
    ),
    row(
        "the fee is more than the share",
        OUT | MUCH | {"lost_seconds": 1},
        DENY,
        None,
        "PART-OUTAGE",
    ),
    row("yen has no cents", {}, APPROVE, "4728 JPY", "CURRENCY", paid=YEN),
    row("dinar moves in tens", {"fee_minor": 175}, APPROVE, "4.720 KWD", "CURRENCY", paid=DINAR),
    row("shillings move in hundreds", {"fee_minor": 1}, APPROVE, "48 UGX", "CURRENCY", paid=FORINT),
    row("no fee", {"fee_minor": 0}, APPROVE, "49.00 USD", "FEES"),
    row("the fee takes all", {"fee_minor": 4900}, DENY, None, "FEES"),
    row("refunded in part before", {}, APPROVE, "37.28 USD", "USE-SUB", paid={"refunded": 1000}),
    row(
        "a yearly plan refunded before",
        ANNUAL,
        APPROVE,
        "33.19 USD",
        "ANNUAL",
        paid={"refunded": 1000},
    ),
    row(
        "all that the clause gives went back", ANNUAL, DENY, None, "METHOD", paid={"refunded": 4400}
    ),
    row("all of it went back", {}, DENY, None, "METHOD", paid={"refunded": 4900}),
    row("dispute open", {}, REVIEW, "open dispute", paid={"dispute": "open", "disputed": 4900}),
    row(
        "dispute open, late", LATE, DENY, None, "X-LATE", paid={"dispute": "open", "disputed": 4900}
    ),
    row("dispute lost", {}, DENY, None, "METHOD", paid={"dispute": "lost", "disputed": 4900}),
    row(
        "dispute of a part lost",
        {},
        DENY,
        None,
        "METHOD",
        paid={"dispute": "lost", "disputed": 100},
    ),
    row("dispute won", {}, REVIEW, "for the merchant?", paid={"dispute": "won", "disputed": 4900}),
    row(
        "an inquiry",
        {},
        APPROVE,
        "47.28 USD",
        "USE-SUB",
        paid={"dispute": "inquiry", "disputed": 4900},
    ),
]
INTAKE_ROWS = [
    row(f"does not name {field}", {"named": tuple(set(IntakeField) - {field})}, REVIEW, field.value)
    for field in IntakeField
] + [
    row("names nothing, and is late", {"named": ()} | LATE, REVIEW, "account_email, purchase_date")
]
UNKNOWN_ROWS = [
    row("plan unknown", {"plan": None}, REVIEW, "What was bought?"),
    row("plan unknown, much used", {"plan": None} | MUCH, DENY, None, "X-USE"),
    row("initial unknown, monthly plan", {"initial": None}, APPROVE, "47.28 USD", "USE-SUB"),
    row("initial unknown, yearly plan", ANNUAL | {"initial": None}, REVIEW, "first purchase"),
    row("issued unknown, none used", UNUSED | {"issued": None}, APPROVE, "47.28 USD"),
    row("issued unknown, some used", {"issued": None}, REVIEW, "How many credits were issued?"),
    row("used unknown", {"used": None}, REVIEW, "How many of the credits were used?"),
    row("used unknown, too many succeeded", {"used": None, "successful": 21}, DENY, None, "X-USE"),
    row("successful unknown", {"successful": None}, APPROVE, "47.28 USD"),
    row("expired unknown", {"expired": None}, REVIEW, "Had the credits expired?"),
    row("expired unknown, much used", {"expired": None} | MUCH, DENY, None, "X-USE"),
    row("standing unknown", {"breach": None}, REVIEW, "suspended or closed"),
    row("standing unknown, late", {"breach": None} | LATE, DENY, None),
    row(
        "nothing known, all went back",
        UNKNOWABLE | {"wrong_minor": 0},
        DENY,
        None,
        paid={"refunded": 4900},
    ),
    row(
        "whether flagged unknown, suspended",
        {"breach": True, "wrongly_flagged": None},
        REVIEW,
        "by mistake?",
    ),
    row("whether flagged unknown, not suspended", {"wrongly_flagged": None}, REVIEW, "by mistake?"),
    row("abuse unknown", {"abuse": None}, REVIEW, "abused?"),
    row("abuse unknown, account closed", {"abuse": None, "breach": True}, DENY, None, "X-TERMS"),
    row(
        "wrong part unknown, nothing used",
        UNUSED | {"wrong_minor": None},
        REVIEW,
        "is wrong, in minor units",
    ),
    row(
        "wrong part unknown, late", {"wrong_minor": None} | LATE, REVIEW, "is wrong, in minor units"
    ),
    row(
        "wrong part unknown, all went back",
        {"wrong_minor": None},
        DENY,
        None,
        "METHOD",
        paid={"refunded": 4900},
    ),
    row("period unknown, nothing down", {"period_seconds": None}, APPROVE, "47.28 USD"),
    row("period unknown, down, much used", {"period_seconds": None} | OUT | MUCH, REVIEW, "last"),
    row(
        "lost time unknown, down, much used",
        MUCH | OUT | {"lost_seconds": None},
        REVIEW,
        "seconds of it",
    ),
    row("lost time unknown, down, little used", OUT | {"lost_seconds": None}, APPROVE, "49.00 USD"),
    row("outage unknown", {"longest_outage_seconds": None}, REVIEW, "without a break"),
    row(
        "outage unknown, failures for a day",
        FAILED | {"longest_outage_seconds": None},
        APPROVE,
        "49.00 USD",
    ),
    row(
        "failures unknown",
        {"longest_failure_seconds": None},
        REVIEW,
        "keep the customer from working",
    ),
    row("fee unknown", {"fee_minor": None}, REVIEW, "What did processing the payment cost"),
    row("fee unknown, an error of ours", {"fee_minor": None} | OUT, APPROVE, "49.00 USD", "OUTAGE"),
    row("fee unknown, much used", {"fee_minor": None} | MUCH, DENY, None, "X-USE"),
]
ROWS = [
    *WINDOW_ROWS, *USE_ROWS, *CONDUCT_ROWS, *SERVICE_ROWS, *TASTE_ROWS, *BILLING_ROWS, *ANNUAL_ROWS,
    *MONEY_ROWS, *INTAKE_ROWS, *UNKNOWN_ROWS,
]  # fmt: skip


@pytest.mark.parametrize(("given", "paid", "verdict", "said", "clauses"), ROWS)
def test_table(given, paid, verdict, said, clauses):
    """The verdict, the exact amount or the question, and the clauses that decided."""
    decision = decide_request(request(paid, **given), TERMS)
    decided = {result.clause.value for result in decision.clauses if result.holds is not None}

    assert (verdict, said if verdict is APPROVE else None) == (
        decision.verdict,
        str(decision.amount) if decision.amount else None,
    )
    assert set(clauses) <= decided
    assert verdict is not REVIEW or said in " ".join(decision.undecided)
    assert decision == Decision.from_json(decision.to_json())
    assert decision == redecide_request(decision.facts, TERMS)


def test_every_clause_for_requests_decides_somewhere():
    """Each clause that judges requests or their amounts is in a row of the table."""
    others = {
        Clause.CHANGE_DOWN, Clause.CHANGE_UP, Clause.CHANGE_ANNUAL, Clause.FRAUD_REFUND, Clause.FRAUD_CANCEL,
        Clause.FRAUD_SUSPEND, Clause.TIMING, Clause.PART_CREDITS, Clause.PART_LOST, Clause.REVIEW_3BD,
        Clause.REPLY_24H, Clause.NOTIFY, Clause.APPEAL,
    }  # fmt: skip
    decided = {
        result.clause
        for one in ROWS
        for result in decide_request(request(one.values[1], **one.values[0]), TERMS).clauses
        if result.holds
    }

    assert set(Clause) - others == decided


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        pytest.param({}, (True, True), id="a plan ends with its credits"),
        pytest.param({"plan": Plan.PACK}, (True, False), id="a pack has no subscription"),
        pytest.param(MUCH | OUT, (False, False), id="a share ends nothing"),
        pytest.param(UNUSED | WRONG, (True, False), id="a wrong charge takes its credits"),
        pytest.param(
            UNUSED | {"wrong_minor": 4800}, (False, False), id="a wrong part takes nothing"
        ),
    ],
)
def test_what_a_refund_ends(given, ends):
    """A refund of the whole purchase ends what it bought, as the terms' switches say."""
    decision = decide_request(request(**given), TERMS)
    kept = replace(
        TERMS, requests=replace(TERMS.requests, revoke_credits=False, end_subscription=False)
    )
    other = decide_request(request(**given), kept)

    assert ends == (decision.credits.revoked, decision.credits.ends_subscription)
    assert (False, False) == (other.credits.revoked, other.credits.ends_subscription)


def test_fees_are_switches():
    """Who bears the processor's fee is the terms' word, for little use and for errors of ours."""
    other = replace(
        TERMS,
        requests=replace(TERMS.requests, fee_kept_on_little_use=False, fee_kept_on_our_error=True),
    )

    assert "49.00 USD" == str(decide_request(request(), other).amount)
    assert "47.28 USD" == str(
        decide_request(request(**UNUSED, **WRONG, expired=True), other).amount
    )
    assert "49.00 USD" == str(decide_request(request(**OUT), other).amount)


@pytest.mark.parametrize("name", ["abuse", "breach"])
def test_a_settled_unknown_keeps_the_reasons(name):
    """Where an unknown fact does not matter, every clause that could decide is cited, the open ones as open."""
    decision = decide_request(request(**MUCH, **{name: None}), TERMS)
    holds = {result.clause: result.holds for result in decision.clauses}

    assert DENY is decision.verdict
    assert {Clause.INTAKE: True, Clause.X_USE: None} == {
        clause: holds[clause] for clause in (Clause.INTAKE, Clause.X_USE)
    }


def test_a_review_says_what_each_answer_leads_to():
    """What is unknown is asked fact by fact, with the outcome of every answer."""
    decision = decide_request(request(used=None, successful=None), TERMS)

    of_use = (
        "How many of the credits were used? If 0, 1 or 19, 47.28 USD goes back; if 20, it hangs on "
        "the rest; if 21 or 100, nothing goes back."
    )
    at_the_limit = (
        "Exactly 20 % of the credits (20) were used. Does that count as little? If yes, 47.28 USD "
        "goes back; if no, nothing goes back."
    )
    assert (of_use, at_the_limit) == decision.undecided
