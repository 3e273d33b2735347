"""The plan of a shop's day: drawn from a seed, before anything is played."""

from collections import Counter

import pytest

from ops.sandbox.shop_answers import outcome_by_terms
from ops.sandbox.shop_day import PLAYERS
from ops.sandbox.shop_plan import (
    CHARGES,
    CHARGES_MIN,
    DAY_SECONDS,
    LOOK_ALIKES,
    TRUE_DUPLICATES,
    StoryKind,
    plan_day,
)
from ops.sandbox.shop_till import form_pairs
from policy.duplicate_charges import DuplicateKind
from policy.terms_file import load_terms


def test_one_seed_is_one_plan():
    """The same seed and size give the same stories; another seed gives others."""
    assert plan_day(7, 520) == plan_day(7, 520)
    assert plan_day(7, 520) != plan_day(8, 520)


@pytest.mark.parametrize("seed", range(20))
def test_every_plan_holds_what_it_promises(seed):
    """Any seed gives enough charges, 12 true duplicates and look-alikes of each kind, in a day."""
    plan = plan_day(seed, 520)
    kinds = Counter(story.kind for story in plan)

    assert sum(CHARGES.get(story.kind, 1) for story in plan) >= 520
    assert sum(kinds[kind] for kind in TRUE_DUPLICATES) == 12
    assert all(kinds[kind] >= 5 for kind in LOOK_ALIKES)
    assert max(story.at_seconds + 2 * story.gap_seconds for story in plan) < DAY_SECONDS
    assert min(story.at_seconds for story in plan) >= 0


def test_each_kind_of_the_policy_is_there_three_times():
    """By the policy's names there are three true duplicates of each kind."""
    kinds = Counter(story.kind.detected_as for story in plan_day(1, 520))

    assert {kind.value: 3 for kind in DuplicateKind} == {
        kind.value: kinds[kind.value] for kind in DuplicateKind
    }


def test_every_kind_of_story_can_be_played():
    """Each story kind has a player."""
    assert set(PLAYERS) == set(StoryKind)


def test_the_terms_refund_all_but_the_card_only_duplicate():
    """Under the terms in force only the duplicate that a card alone gives away goes to a person."""
    terms = load_terms().duplicates
    outcomes = {kind: outcome_by_terms(kind, terms) for kind in TRUE_DUPLICATES}

    assert [kind for kind, outcome in outcomes.items() if outcome == "review"] == [
        StoryKind.SAME_CARD
    ]


def test_a_day_that_is_too_small_is_refused():
    """Fewer charges than leave room for ordinary traffic are refused with the least number."""
    with pytest.raises(ValueError, match=str(CHARGES_MIN)):
        plan_day(1, CHARGES_MIN - 1)


def test_nested_parameters_become_form_pairs():
    """Nested dicts, lists, booleans and None become form pairs as Stripe's clients write them."""
    pairs = form_pairs({"items": [{"price": "p"}], "a": {"b": 1}, "yes": True, "none": None})

    assert list(pairs) == [("items[0][price]", "p"), ("a[b]", "1"), ("yes", "true")]
