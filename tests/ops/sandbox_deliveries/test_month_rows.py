"""A month's row holds what came of a story against what was known, and the table tells each difference."""

import dataclasses
import io

import pytest
from rich.console import Console

from ops.demonstration_table import show_month
from ops.month_demonstration import MonthOutcome
from ops.sandbox.month_stories import FAILED_CREDITS, STORIES, Back, Twist
from ops.sandbox.shop_cast import PACKS, PLANS
from ops.sandbox.shop_month import MonthRow

STORY = next(story for story in STORIES if story.back is Back.YEAR_LESS_FEE)
ROW = MonthRow(
    story=STORY,
    verdict="approve",
    clauses=("WINDOW", "ANNUAL"),
    currency="usd",
    back_minor=25_712,
    expected_minor=25_712,
    credits_left=0,
    expected_credits_left=0,
    ended=True,
    expected_ended=True,
)
DIFFERENCES = {
    "another verdict": {"verdict": "review"},
    "not by its clause": {"clauses": ("WINDOW",)},
    "a cent too little": {"back_minor": 25_711},
    "credits left": {"credits_left": 5},
    "the plan runs on": {"ended": False},
}


def printed(outcome):
    """What a terminal of 80 columns shows of a month."""
    terminal = io.StringIO()
    show_month(Console(file=terminal, width=80), outcome)
    return terminal.getvalue()


def test_as_expected():
    """What came as it was known to is as expected, also where nobody asked."""
    assert ROW.as_expected
    assert dataclasses.replace(ROW, verdict=None, clauses=()).as_expected


@pytest.mark.parametrize("changes", DIFFERENCES.values(), ids=DIFFERENCES)
def test_difference(changes):
    """Each difference shows, and spoils the month."""
    row = dataclasses.replace(ROW, **changes)
    outcome = MonthOutcome(rows=(ROW, row), emails=2, seconds=3.0)

    told = printed(outcome)

    assert not row.as_expected
    assert not outcome.as_expected
    assert STORY.title in told
    assert "as expected: every verdict" not in told


def test_stories_are_sold():
    """Every story sells what the shop has, and nobody uses more than he bought."""
    for story in STORIES:
        assert story.sold in {**PACKS, **PLANS}
        assert story.used <= story.issued


def test_table_fits():
    """The table fits a terminal of 80 columns with every story whole."""
    rows = tuple(dataclasses.replace(ROW, story=story, verdict=story.verdict) for story in STORIES)

    told = printed(MonthOutcome(rows=rows, emails=12, seconds=3.0))

    assert all(f" {story.title} " in told for story in STORIES)
    assert max(map(len, told.splitlines())) <= 80


def test_failures_leave_room():
    """What fails in a story is used beside what is used well, and fits into what was bought."""
    failing = [story for story in STORIES if story.twist is Twist.PICTURES_FAILED]

    assert failing
    assert all(story.used + FAILED_CREDITS <= story.issued for story in failing)
    assert all(story.asked_after_days is None for story in failing)
