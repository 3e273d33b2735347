"""A year's row holds what came of a story against what was known, and the table tells each difference."""

import dataclasses
import io

import pytest
from rich.console import Console

from ops.demonstration_table import show_year
from ops.sandbox.shop_cast import PLANS
from ops.sandbox.shop_year import YearRow
from ops.sandbox.year_stories import STORIES, Act
from ops.year_demonstration import YearOutcome


def row(story):
    """What comes of a story when all is as it is known to come."""
    return YearRow(
        story=story,
        verdict=story.verdict,
        clause=story.clause,
        paid_minor=story.expected_minor,
        credits=story.expected_credits,
        plan=story.ends_on,
        waiting_minor=0,
    )


DIFFERENCES = {
    "another verdict": {"verdict": "review"},
    "another clause": {"clause": "CHANGE-DOWN"},
    "a cent too much": {"paid_minor": 15_601},
    "a credit too few": {"credits": 2_599},
    "another plan": {"plan": "studio-month"},
    "a proration waits": {"waiting_minor": 1},
}
PORTAL = next(story for story in STORIES if story.act is Act.PORTAL)


def printed(*rows):
    """What a terminal of 80 columns shows of a year."""
    terminal = io.StringIO()
    show_year(Console(file=terminal, width=80), YearOutcome(rows=rows, seconds=3.0))
    return terminal.getvalue()


@pytest.mark.parametrize("changes", DIFFERENCES.values(), ids=DIFFERENCES)
def test_difference(changes):
    """Each difference shows, and spoils the year."""
    different = dataclasses.replace(row(PORTAL), **changes)

    assert row(PORTAL).as_expected
    assert not different.as_expected
    told = printed(row(PORTAL), different)
    assert PORTAL.title in told
    assert "as expected: every plan" not in told


def test_table_fits():
    """The table fits a terminal of 80 columns with every story whole."""
    told = printed(*map(row, STORIES))

    assert all(f" {story.title} " in told for story in STORIES)
    assert max(map(len, told.splitlines())) <= 80
    assert "as expected: every plan, every credit" in told


def test_known_answers():
    """What is known to come is reckoned from the shop's own prices: by hand for two of them."""
    by_title = {story.title: story for story in STORIES}
    dearer = by_title["dearer by own schedule"]
    year = by_title["asks for a year"]

    # Six months at 12.00 and 200 credits, seven at 29.00 and 600; 13 months at 12.00 and a year at 290.00.
    assert (6 * 1_200 + 7 * 2_900, 6 * 200 + 7 * 600) == (
        dearer.expected_minor,
        dearer.expected_credits,
    )
    assert (13 * 1_200 + 29_000, 13 * 200 + 600) == (year.expected_minor, year.expected_credits)
    for story in STORIES:
        assert {story.plan, story.ends_on, story.becomes or story.plan} <= set(PLANS)
