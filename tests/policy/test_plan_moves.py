"""Changes of plan that were made elsewhere, held against the table."""

import pytest

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.plan_change_rules import PlanSide
from policy.plan_moves import (
    CHARGED_LESS,
    PRORATED,
    TOO_EARLY,
    Compared,
    PlanMove,
    compare_move,
)
from policy.request_facts import Plan


def side(plan, tier, price_minor, quantity=1):
    return PlanSide(
        plan=plan, tier=tier, price_minor=price_minor, currency="usd", quantity=quantity
    )


BASIC = side(Plan.MONTHLY, 1, 1000)
PRO = side(Plan.MONTHLY, 2, 2000)
BASIC_YEAR = side(Plan.ANNUAL, 1, 10_000)
PRO_YEAR = side(Plan.ANNUAL, 2, 20_000)
UNKNOWN = side(None, None, 1500)


@pytest.mark.parametrize(
    ("move", "compared", "clause", "sentence"),
    [
        ((BASIC, PRO, True, False), Compared.IN_LINE, Clause.CHANGE_UP, None),
        ((BASIC, PRO, False, False), Compared.AGAINST, Clause.CHANGE_UP, TOO_EARLY),
        ((BASIC, PRO, False, True), Compared.AGAINST, Clause.CHANGE_UP, TOO_EARLY),
        ((BASIC, PRO, True, True), Compared.AGAINST, Clause.CHANGE_UP, PRORATED),
        ((PRO, BASIC, False, True), Compared.AGAINST, Clause.CHANGE_DOWN, TOO_EARLY),
        ((PRO, BASIC, True, False), Compared.IN_LINE, Clause.CHANGE_DOWN, None),
        ((BASIC, BASIC_YEAR, False, False), Compared.IN_LINE, Clause.CHANGE_ANNUAL, None),
        ((BASIC, PRO_YEAR, True, False), Compared.IN_LINE, Clause.CHANGE_ANNUAL, None),
        ((BASIC, PRO_YEAR, False, True), Compared.UNCLEAR, Clause.CHANGE_ANNUAL, CHARGED_LESS),
        ((PRO, BASIC_YEAR, False, False), Compared.AGAINST, Clause.CHANGE_DOWN, TOO_EARLY),
        ((PRO_YEAR, PRO, False, True), Compared.AGAINST, Clause.CHANGE_DOWN, TOO_EARLY),
    ],
)
def test_the_table(move, compared, clause, sentence):
    """Before the period's end nothing may change hands, but for the change to a year that does not rank lower."""
    before, after, at_period_end, prorated = move
    found = compare_move(
        PlanMove(before=before, after=after, at_period_end=at_period_end, prorated=prorated)
    )

    assert (compared, sentence) == (found.compared, found.sentence)
    assert clause is found.clause.clause


@pytest.mark.parametrize("after", [UNKNOWN, side(Plan.MONTHLY, 2, 2000, quantity=3)])
def test_outside_the_table(after):
    """What the table does not know is a person's, and the sentence asks."""
    found = compare_move(PlanMove(before=BASIC, after=after, at_period_end=False, prorated=False))

    assert Compared.UNCLEAR is found.compared
    assert found.clause is None
    assert found.sentence.endswith("When does the change take effect?")


@pytest.mark.parametrize("name", ["at_period_end", "prorated"])
def test_flags_only(name):
    """A fact that is no truth value is refused at birth."""
    facts = {"before": BASIC, "after": PRO, "at_period_end": False, "prorated": False}

    with pytest.raises(MalformedFactError, match=name):
        PlanMove(**facts | {name: 1})
