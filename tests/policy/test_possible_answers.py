"""The values that stand for all that an unknown fact could be: those around each limit, and the ends."""

from dataclasses import replace

import pytest

from policy.possible_answers import answers_to
from policy.request_facts import Plan
from policy.terms_file import load_terms
from tests.policy.refund_requests import UNKNOWABLE, request

TERMS = load_terms().requests
AGES = 10**12


def asked(name, given, **terms):
    answers = answers_to(name, request(**given | {name: None}), replace(TERMS, **terms))

    assert [str(answer.value) for answer in answers] == [answer.label for answer in answers]
    return [answer.value for answer in answers]


@pytest.mark.parametrize(
    ("given", "percent", "values"),
    [
        pytest.param({"used": 5}, 20, [5, 24, 25, 26], id="around the limit"),
        pytest.param({"used": 5}, 30, [5, 16, 17], id="no number lies at the limit"),
        pytest.param({"used": 5}, 100, [5, 6], id="all may be used"),
        pytest.param({"used": 5, "successful": 2}, 20, [5, 24, 25, 26], id="some in vain"),
        pytest.param({"used": 5, "successful": None}, 20, [5, 24, 25, 26], id="successes unknown"),
        pytest.param({"used": 0, "successful": 0}, 20, [1], id="none used"),
        pytest.param({"used": None}, 20, [50_100], id="use unknown: any share of them"),
        pytest.param({"used": None, "successful": None}, 20, [100], id="nothing known"),
    ],
)
def test_issued(given, percent, values):
    """As many as were used, and around the number of which the use is exactly the terms' share."""
    assert values == asked("issued", given, use_percent=percent)


@pytest.mark.parametrize(
    ("given", "values"),
    [
        pytest.param({}, [5, 19, 20, 21, 100], id="around the limit"),
        pytest.param({"successful": None}, [0, 1, 19, 20, 21, 100], id="from none"),
        pytest.param({"successful": 20}, [20, 21, 100], id="the limit was reached"),
        pytest.param({"successful": 100}, [100], id="all were used"),
        pytest.param(
            {"issued": 7, "successful": 0}, [0, 1, 2, 7], id="no number lies at the limit"
        ),
        pytest.param({"issued": 17, "successful": 0}, [0, 1, 3, 4, 17], id="nor here"),
        pytest.param({"issued": 5, "successful": 0}, [0, 1, 2, 5], id="one lies at the limit"),
        pytest.param({"issued": 4, "successful": 0}, [0, 1, 4], id="the limit is below one"),
        pytest.param({"issued": 1, "successful": 0}, [0, 1], id="a single one"),
        pytest.param({"issued": None}, [5], id="issue unknown, some used"),
        pytest.param({"issued": None, "successful": None}, [0, 1], id="nothing known"),
    ],
)
def test_used(given, values):
    """As many as succeeded at least, around the limit, and all."""
    assert values == asked("used", given)


@pytest.mark.parametrize(
    ("name", "given", "values"),
    [
        pytest.param("wrong_minor", {}, [0, 1, 4900], id="none, a part or all is wrong"),
        pytest.param(
            "wrong_minor", {"paid": {"amount": 1}, "fee_minor": 0}, [0, 1], id="of a cent"
        ),
        pytest.param("wrong_minor", {"paid": {"amount": 0}, "fee_minor": 0}, [0], id="of nothing"),
        pytest.param("fee_minor", {}, [0, 4900], id="no fee, or all of it"),
        pytest.param(
            "period_seconds",
            {"lost_seconds": 600},
            [600, AGES + 600],
            id="all was lost, or next to none",
        ),
        pytest.param("period_seconds", {"lost_seconds": 0}, [1, AGES], id="nothing was lost"),
        pytest.param("period_seconds", {"lost_seconds": None}, [1, AGES], id="both unknown"),
        pytest.param("lost_seconds", {"period_seconds": 900}, [0, 900], id="none or all was lost"),
        pytest.param("lost_seconds", {"period_seconds": None}, [0, AGES], id="of unknown length"),
        pytest.param("longest_outage_seconds", {}, [0, 86_400, 86_401], id="longer than the limit"),
        pytest.param("longest_failure_seconds", {}, [0, 86_399, 86_400], id="as long as the limit"),
    ],
)
def test_numbers(name, given, values):
    """The least and the greatest value, and those on both sides of a limit."""
    assert values == asked(name, given)


def test_limits_are_the_terms():
    """The limits around which a fact is tried are those of the terms."""
    hours = {"outage_hours": 2, "failure_hours": 3}

    assert [0, 7200, 7201] == asked("longest_outage_seconds", {}, **hours)
    assert [0, 10_799, 10_800] == asked("longest_failure_seconds", {}, **hours)


@pytest.mark.parametrize("name", ["initial", "expired", "breach", "abuse", "ruled_little"])
def test_flags(name):
    """A fact that is true or false is answered by yes or no."""
    answers = answers_to(name, request(), TERMS)

    assert [(True, "yes"), (False, "no")] == [(answer.value, answer.label) for answer in answers]


def test_plans():
    """Each plan is an answer."""
    answers = answers_to("plan", request(**UNKNOWABLE), TERMS)

    assert [
        (Plan.PACK, "it is a credit pack"),
        (Plan.MONTHLY, "it is a monthly plan"),
        (Plan.ANNUAL, "it is an annual plan"),
    ] == [(answer.value, answer.label) for answer in answers]
