"""Every clause that a decision about a request cites, in its order and with the values that it compared."""

from dataclasses import replace

import pytest

from policy.decision import CreditEffect, Verdict
from policy.request_decisions import decide_request
from policy.request_facts import IntakeField, Plan, Reason
from policy.terms_file import load_terms
from tests.policy.cited_clauses import cited
from tests.policy.refund_requests import DAY, HOUR, PURCHASED_AT, request

TERMS = load_terms()
OUT = {"longest_outage_seconds": 24 * HOUR + 1, "lost_seconds": 3 * DAY}
FAILED = {"longest_failure_seconds": 24 * HOUR, "lost_seconds": 3 * DAY}
MUCH = {"used": 50, "successful": 50}
UNUSED = {"used": 0, "successful": 0}
LATE = {"asked_at": PURCHASED_AT + 30 * DAY}
WRONG = {"wrong_minor": 4900}
ANNUAL = {"plan": Plan.ANNUAL, "period_seconds": 365 * DAY}
TASTE = {"reasons": (Reason.TASTE,)}

INTAKE = (
    "INTAKE",
    True,
    {"account_email": True, "purchase_date": True, "product": True, "reason": True},
)
STANDING = ("X-TERMS", False, {"account_suspended_or_closed": False, "flagged_by_mistake": False})
NO_ABUSE = ("X-ABUSE", False, {"abuse": False})
UP = ("OUTAGE", False, {"longest_outage_seconds": 0, "outage_hours": 24})
DOWN = ("OUTAGE", True, {"longest_outage_seconds": 86_401, "outage_hours": 24})
NO_FAILURE = ("TECH", False, {"longest_failure_seconds": 0, "failure_hours": 24})
FAILURE = ("TECH", True, {"longest_failure_seconds": 86_400, "failure_hours": 24})
NOT_FLAGGED = ("FLAG-ERROR", False, {"flagged_by_mistake": False})
NOT_EXPIRED = ("X-EXPIRED", False, {"expired": False})
WAY_BACK = ("METHOD", True, {"refund_to_charge": "ch_a"})
USD = ("CURRENCY", True, {"currency": "usd"})


def window(days, *, holds):
    times = {"purchased_at": PURCHASED_AT, "asked_at": PURCHASED_AT + days * DAY}
    return ("WINDOW", holds, times | {"days": days, "window_days": 7})


def use(clause, used, *, holds, **ruled):
    return (clause, holds, {"used": used, "issued": 100, "use_percent": 20} | ruled)


def fees(entitled_minor):
    return ("FEES", True, {"fee_minor": 172, "entitled_minor": entitled_minor})


def share(share_minor, lost_seconds=3 * DAY):
    compared = {"price_minor": 4900, "lost_seconds": lost_seconds, "period_seconds": 30 * DAY}
    return ("PART-OUTAGE", True, compared | {"share_minor": share_minor})


def no_way_back(refunded_minor, left_minor, dispute="none"):
    money = {"dispute": dispute, "refunded_minor": refunded_minor, "left_minor": left_minor}
    return ("METHOD", False, money)


IN_TIME = [INTAKE, STANDING, NO_ABUSE, window(1, holds=True)]
LITTLE = use("USE-SUB", 5, holds=True)
TOO_MUCH = [
    use("USE-SUB", 50, holds=False),
    use("X-USE", 50, holds=True),
    ("X-DONE", False, {"successful": 50, "issued": 100}),
]
ALL_WELL = [UP, NO_FAILURE, NOT_FLAGGED, NOT_EXPIRED]
PAID = [WAY_BACK, USD]
YEAR = {"price_minor": 4900, "unused_full_months": 11}


def row(label, given, amount, *clauses, paid=None):
    return pytest.param(given, paid, amount, list(clauses), id=label)


ROWS = [
    row("little used", {}, "47.28 USD", *IN_TIME, LITTLE, *ALL_WELL, fees(4900), *PAID),
    row(
        "the last day",
        {"asked_at": PURCHASED_AT + 7 * DAY},
        "47.28 USD",
        *IN_TIME[:3], window(7, holds=True), LITTLE, *ALL_WELL, fees(4900), *PAID,
    ),
    row(
        "a pack",
        {"plan": Plan.PACK},
        "47.28 USD",
        *IN_TIME, use("USE-PACK", 5, holds=True), *ALL_WELL, fees(4900), *PAID,
    ),
    row(
        "exactly the share, ruled as little",
        {"used": 20, "ruled_little": True},
        "47.28 USD",
        *IN_TIME, use("USE-SUB", 20, holds=True, ruled_little=True), *ALL_WELL, fees(4900), *PAID,
    ),
    row(
        "exactly the share, ruled as much",
        {"used": 20, "ruled_little": False},
        None,
        *IN_TIME,
        use("USE-SUB", 20, holds=False, ruled_little=False),
        use("X-USE", 20, holds=True, ruled_little=False),
        ("X-DONE", False, {"successful": 5, "issued": 100}),
        UP, NO_FAILURE,
    ),
    row(
        "late",
        LATE,
        None,
        *IN_TIME[:3], window(30, holds=False), ("X-LATE", True, {"days": 30, "window_days": 7}),
    ),
    row(
        "closed",
        {"breach": True},
        None,
        INTAKE, ("X-TERMS", True, {"account_suspended_or_closed": True, "flagged_by_mistake": False}),
    ),
    row("abused", {"abuse": True}, None, INTAKE, STANDING, ("X-ABUSE", True, {"abuse": True})),
    row(
        "closed by mistake",
        {"breach": True, "wrongly_flagged": True},
        "49.00 USD",
        INTAKE,
        ("X-TERMS", False, {"account_suspended_or_closed": True, "flagged_by_mistake": True}),
        *IN_TIME[2:], LITTLE, UP, NO_FAILURE,
        ("FLAG-ERROR", True, {"flagged_by_mistake": True}),
        NOT_EXPIRED, *PAID,
    ),
    row("much used", MUCH, None, *IN_TIME, *TOO_MUCH, UP, NO_FAILURE),
    row(
        "much used, how well unknown",
        {"used": 50, "successful": None},
        None,
        *IN_TIME, *TOO_MUCH[:2], UP, NO_FAILURE,
    ),
    row(
        "all used well",
        {"used": 100, "successful": 100},
        None,
        *IN_TIME,
        use("USE-SUB", 100, holds=False),
        use("X-USE", 100, holds=True),
        ("X-DONE", True, {"successful": 100, "issued": 100}),
        UP, NO_FAILURE,
    ),
    row(
        "expired",
        {"expired": True},
        None,
        *IN_TIME, LITTLE, UP, NO_FAILURE, NOT_FLAGGED, ("X-EXPIRED", True, {"expired": True}),
    ),
    row(
        "down, much used",
        MUCH | OUT,
        "4.90 USD",
        *IN_TIME, *TOO_MUCH, DOWN, NO_FAILURE, share(490), *PAID,
    ),
    row(
        "down, but in no paid time",
        MUCH | OUT | {"lost_seconds": 0},
        None,
        *IN_TIME, *TOO_MUCH, DOWN, NO_FAILURE, share(0, 0),
    ),
    row(
        "failures, little used",
        FAILED,
        "49.00 USD",
        *IN_TIME, LITTLE, UP, FAILURE, NOT_FLAGGED, NOT_EXPIRED, *PAID,
    ),
    row(
        "failures, expired",
        FAILED | {"expired": True},
        "4.90 USD",
        *IN_TIME, LITTLE, UP, FAILURE, NOT_FLAGGED, ("X-EXPIRED", True, {"expired": True}),
        share(490), *PAID,
    ),
    row(
        "taste alone, much used",
        TASTE | MUCH | OUT,
        None,
        *IN_TIME, *TOO_MUCH, ("X-TASTE", True, {"sole_reason": True, "little_use": False}),
    ),
    row(
        "taste alone, little used",
        TASTE | OUT | {"wrongly_flagged": True},
        "47.28 USD",
        *IN_TIME, LITTLE, ("X-TASTE", False, {"sole_reason": True, "little_use": True}),
        NOT_EXPIRED, fees(4900), *PAID,
    ),
    row(
        "taste among others, much used",
        {"reasons": (Reason.TASTE, Reason.OUTAGE)} | MUCH,
        None,
        *IN_TIME, *TOO_MUCH, ("X-TASTE", False, {"sole_reason": False, "little_use": False}),
        UP, NO_FAILURE,
    ),
    row(
        "charged wrongly",
        UNUSED | WRONG,
        "49.00 USD",
        *IN_TIME, ("BILLING", True, {"wrong_minor": 4900}), *PAID,
    ),
    row(
        "a part charged wrongly",
        UNUSED | {"wrong_minor": 1000},
        "47.28 USD",
        *IN_TIME, ("BILLING", True, {"wrong_minor": 1000}), use("USE-SUB", 0, holds=True), *ALL_WELL,
        fees(4900), *PAID,
    ),
    row(
        "a yearly plan",
        ANNUAL,
        "43.19 USD",
        *IN_TIME, LITTLE, *ALL_WELL, ("ANNUAL", True, {"initial": True} | YEAR), fees(4491), *PAID,
    ),
    row(
        "a renewal that goes back",
        ANNUAL | {"initial": False, "ruled_renewal": True},
        "43.19 USD",
        *IN_TIME, LITTLE, *ALL_WELL,
        ("ANNUAL", True, {"initial": False, "ruled_renewal": True} | YEAR), fees(4491), *PAID,
    ),
    row(
        "a renewal that does not",
        ANNUAL | {"initial": False, "ruled_renewal": False},
        None,
        *IN_TIME, LITTLE, *ALL_WELL, ("ANNUAL", False, {"initial": False, "ruled_renewal": False}),
    ),
    row("all went back", {}, None, *IN_TIME, no_way_back(4900, 0), paid={"refunded": 4900}),
    row(
        "what the clause gives went back",
        ANNUAL,
        None,
        *IN_TIME, LITTLE, *ALL_WELL, ("ANNUAL", True, {"initial": True} | YEAR), fees(4491),
        no_way_back(4400, 500),
        paid={"refunded": 4400},
    ),
    row(
        "lost to the bank",
        {},
        None,
        *IN_TIME, no_way_back(0, 4800, "lost"),
        paid={"dispute": "lost", "disputed": 100},
    ),
    row(
        "a cent is left",
        {},
        None,
        *IN_TIME, LITTLE, *ALL_WELL, fees(4900), no_way_back(4899, 1),
        paid={"refunded": 4899},
    ),
    row(
        "a wrong part that is as much as little use gives",
        UNUSED | {"wrong_minor": 4728},
        "47.28 USD",
        *IN_TIME, ("BILLING", True, {"wrong_minor": 4728}), use("USE-SUB", 0, holds=True), *ALL_WELL,
        *PAID,
    ),
    row(
        "the fee takes all",
        {"fee_minor": 4900},
        None,
        *IN_TIME, LITTLE, *ALL_WELL, ("FEES", True, {"fee_minor": 4900, "entitled_minor": 4900}),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "paid", "amount", "clauses"), ROWS)
def test_cited(given, paid, amount, clauses):
    """Approvals and denials cite each clause that was looked at, and no other."""
    decision = decide_request(request(paid, **given), TERMS)

    assert clauses == cited(decision)
    assert (amount, ()) == (
        None if decision.amount is None else str(decision.amount),
        decision.undecided,
    )
    assert (Verdict.DENY if amount is None else Verdict.APPROVE) is decision.verdict


REVIEWS = [
    row(
        "names nothing",
        {"named": ()},
        None,
        ("INTAKE", False, dict.fromkeys((field.value for field in IntakeField), False)),
    ),
    row(
        "wrong, but late",
        LATE | WRONG,
        None,
        *IN_TIME[:3], window(30, holds=False), ("X-LATE", True, {"days": 30, "window_days": 7}),
        ("BILLING", True, {"wrong_minor": 4900}),
    ),
    row("wrong, but used", WRONG, None, *IN_TIME, ("BILLING", True, {"wrong_minor": 4900})),
    row(
        "in dispute",
        {},
        None,
        *IN_TIME, LITTLE, *ALL_WELL, fees(4900), ("METHOD", None, {"dispute": "open"}),
        paid={"dispute": "open", "disputed": 4900},
    ),
    row(
        "a dispute won",
        {},
        None,
        *IN_TIME, LITTLE, *ALL_WELL, fees(4900), ("METHOD", None, {"dispute": "won"}),
        paid={"dispute": "won", "disputed": 4900},
    ),
    row(
        "use unknown", {"used": None}, None, *IN_TIME, ("X-USE", None, {"used": None}),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "paid", "amount", "clauses"), REVIEWS)
def test_cited_for_a_person(given, paid, amount, clauses):
    """A review cites what came out before it was left to a person, and what is open."""
    decision = decide_request(request(paid, **given), TERMS)

    assert clauses == cited(decision)
    assert (Verdict.REVIEW, amount, None) == (decision.verdict, decision.amount, decision.credits)


def opened(clause):
    """The clause as some of the answers cite it only."""
    return (clause[0], None, clause[2])


SETTLED = [
    row(
        "abuse does not matter",
        MUCH | {"abuse": None},
        None,
        INTAKE, STANDING, ("X-ABUSE", None, {"abuse": None}),
        *map(opened, [window(1, holds=True), *TOO_MUCH, UP, NO_FAILURE]),
    ),
    row(
        "the fee does not matter",
        OUT | {"fee_minor": None},
        "49.00 USD",
        *IN_TIME, LITTLE, DOWN, NO_FAILURE, NOT_FLAGGED, NOT_EXPIRED, *PAID,
    ),
    row(
        "what was bought does not matter",
        MUCH | {"plan": None},
        None,
        *IN_TIME,
        opened(use("USE-PACK", 50, holds=False)),
        *TOO_MUCH[1:], UP, NO_FAILURE,
        opened(use("USE-SUB", 50, holds=False)),
    ),
    row(
        "how many were issued does not matter",
        UNUSED | {"issued": None},
        "47.28 USD",
        *IN_TIME,
        ("USE-SUB", True, {"used": 0, "issued": 1, "use_percent": 20}),
        *ALL_WELL, fees(4900), *PAID,
    ),
    row(
        "neither flag matters",
        LATE | {"breach": None, "wrongly_flagged": None},
        None,
        INTAKE,
        ("X-TERMS", None, {"account_suspended_or_closed": None, "flagged_by_mistake": None}),
        *map(
            opened,
            [NO_ABUSE, window(30, holds=False), ("X-LATE", True, {"days": 30, "window_days": 7})],
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "paid", "amount", "clauses"), SETTLED)
def test_cited_where_an_unknown_fact_does_not_matter(given, paid, amount, clauses):
    """A clause holds or not where all answers say so; it is open where they differ or few cite it."""
    decision = decide_request(request(paid, **given), TERMS)

    assert clauses == cited(decision)
    assert amount == (None if decision.amount is None else str(decision.amount))
    assert () == decision.undecided


def test_fees_of_our_errors():
    """Where the terms keep the fee of our errors too, it is cited with what the error gives."""
    keeping = replace(TERMS, requests=replace(TERMS.requests, fee_kept_on_our_error=True))
    down = decide_request(request(**MUCH | OUT), keeping)
    wrong = decide_request(request(**UNUSED | {"wrong_minor": 1000, "expired": True}), keeping)

    assert [share(490), fees(490), *PAID] == cited(down)[-4:]
    assert ("3.18 USD", "8.28 USD") == (str(down.amount), str(wrong.amount))
    assert "47.28 USD" == str(decide_request(request(**OUT), keeping).amount)


@pytest.mark.parametrize(
    ("kept", "amount", "fee"),
    [
        pytest.param({}, "49.00 USD", [], id="none is kept of our errors"),
        pytest.param({"fee_kept_on_little_use": False}, "49.00 USD", [], id="none is kept at all"),
        pytest.param({"fee_kept_on_our_error": True}, "47.28 USD", [fees(4900)], id="always kept"),
    ],
)
def test_nothing_gives_more_than_the_whole(kept, amount, fee):
    """Where a wrong charge gives all that any clause could give, no other clause is looked at."""
    terms = replace(TERMS, requests=replace(TERMS.requests, **kept))
    decision = decide_request(request(**UNUSED | WRONG), terms)

    assert amount == str(decision.amount)
    assert [*IN_TIME, ("BILLING", True, WRONG), *fee, *PAID] == cited(decision)


def test_little_use_may_give_more_than_a_wrong_charge():
    """Where only our errors cost the fee, little use gives the whole, and is looked at."""
    fees_kept = {"fee_kept_on_little_use": False, "fee_kept_on_our_error": True}
    terms = replace(TERMS, requests=replace(TERMS.requests, **fees_kept))
    decision = decide_request(request(**UNUSED | WRONG), terms)

    assert "49.00 USD" == str(decision.amount)
    assert "USE-SUB" in [clause for clause, _, _ in cited(decision)]


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        pytest.param({}, (True, True), id="a monthly plan"),
        pytest.param(ANNUAL, (True, True), id="a yearly plan"),
        pytest.param({"plan": Plan.PACK}, (True, False), id="a pack"),
        pytest.param(FAILED, (True, True), id="an error of ours, little used"),
        pytest.param(MUCH | FAILED, (False, False), id="a share"),
        pytest.param(
            UNUSED | {"wrong_minor": 4728},
            (False, False),
            id="a wrong part, little used for no more",
        ),
    ],
)
def test_what_goes_with_the_money(given, effect):
    """What a refund takes is told whole: credits that go, none that come, and the subscription."""
    revoked, ends = effect

    assert (
        CreditEffect(revoked=revoked, restored=0, ends_subscription=ends)
        == decide_request(request(**given), TERMS).credits
    )
