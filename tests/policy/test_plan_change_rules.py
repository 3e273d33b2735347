"""The plan-change table, a row for each of its lines and for what lies beside it."""

import pytest

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.money import Money
from policy.plan_change_rules import Effect, PlanSide, decide_plan_change
from policy.request_facts import Plan


def side(plan, price_minor, tier=None, currency="usd", quantity=1):
    return PlanSide(
        plan=plan, tier=tier, price_minor=price_minor, currency=currency, quantity=quantity
    )


def month(price_minor, tier=None, **given):
    return side(Plan.MONTHLY, price_minor, tier, **given)


def year(price_minor, tier=None, **given):
    return side(Plan.ANNUAL, price_minor, tier, **given)


@pytest.mark.parametrize(
    ("before", "after", "effect", "clause", "due_minor"),
    [
        pytest.param(month(4900), month(1900), Effect.PERIOD_END, "CHANGE-DOWN", None, id="cheaper"),
        pytest.param(month(1900), month(4900), Effect.PERIOD_END, "CHANGE-UP", None, id="dearer"),
        pytest.param(year(19000), year(49000), Effect.PERIOD_END, "CHANGE-UP", None, id="dearer, yearly"),
        pytest.param(year(49000), year(19000), Effect.PERIOD_END, "CHANGE-DOWN", None, id="cheaper, yearly"),
        pytest.param(month(900, 2), month(1900, 1), Effect.PERIOD_END, "CHANGE-DOWN", None, id="lower tier"),
        pytest.param(month(1900, 1), month(900, 2), Effect.PERIOD_END, "CHANGE-UP", None, id="higher tier"),
        pytest.param(month(900, 1), month(1900, 1), Effect.PERIOD_END, "CHANGE-UP", None, id="same tier"),
        pytest.param(month(1900), month(900, 2), Effect.PERIOD_END, "CHANGE-DOWN", None, id="other tier known"),
        pytest.param(month(900, 1), month(1900), Effect.PERIOD_END, "CHANGE-UP", None, id="one tier known"),
        pytest.param(month(4900, 2), year(49000, 2), Effect.NOW, "CHANGE-ANNUAL", 49000, id="same tier, yearly"),
        pytest.param(month(1900, 1), year(49000, 2), Effect.NOW, "CHANGE-ANNUAL", 49000, id="higher, yearly"),
        pytest.param(
            month(4900, 2), year(19000, 1), Effect.PERIOD_END, "CHANGE-DOWN", None, id="lower tier, yearly"
        ),
        pytest.param(
            year(49000, 2), month(4900, 3), Effect.PERIOD_END, "CHANGE-DOWN", None, id="yearly to monthly"
        ),
        pytest.param(
            month(4900, 2, quantity=3), year(49000, 2, quantity=3), Effect.NOW, "CHANGE-ANNUAL", 147000,
            id="three seats, yearly",
        ),
    ],
)  # fmt: skip
def test_table(before, after, effect, clause, due_minor):
    """When a change takes effect, under which clause, and what is due now."""
    decision = decide_plan_change(before, after)
    due = None if due_minor is None else Money(amount_minor=due_minor, currency="usd")

    assert (effect, Clause(clause), due, None) == (
        decision.effect,
        decision.clause.clause,
        decision.due_now,
        decision.undecided,
    )
    assert {
        "before_plan": before.plan.value,
        "before_tier": before.tier,
        "before_price_minor": before.price_minor,
        "after_plan": after.plan.value,
        "after_tier": after.tier,
        "after_price_minor": after.price_minor,
    } == decision.clause.compared
    assert decision.clause.holds


UNLISTED = "A price is not in the catalogue. When does the change take effect?"
ALIKE = "Both plans have one tier and one price. Is the change wanted at all?"
RANK_UNKNOWN = (
    "Does the yearly plan rank lower than the monthly one? If yes, it starts at the period's end; "
    "if no, it is charged and starts now."
)


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        pytest.param(side(None, 4900), month(1900), UNLISTED, id="before unknown"),
        pytest.param(month(1900), side(None, 4900), UNLISTED, id="after unknown"),
        pytest.param(
            month(1900),
            month(4900, currency="eur"),
            "The currency changes. When does the change take effect?",
            id="another currency",
        ),
        pytest.param(
            month(1900),
            month(4900, quantity=2),
            "The quantity changes. When does the change take effect?",
            id="another quantity",
        ),
        pytest.param(month(1900), month(1900), ALIKE, id="another price alike"),
        pytest.param(month(1900, 1), month(1900, 1), ALIKE, id="alike, one tier"),
        pytest.param(month(1900), year(19000, 2), RANK_UNKNOWN, id="tier before unknown"),
        pytest.param(month(1900, 1), year(19000), RANK_UNKNOWN, id="tier after unknown"),
    ],
)
def test_left_to_a_person(before, after, asked):
    """What the table does not settle is a person's, with the question; nothing is due."""
    decision = decide_plan_change(before, after)

    assert (Effect.REVIEW, None, None) == (decision.effect, decision.due_now, decision.clause)
    assert asked == decision.undecided


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"plan": Plan.PACK}, id="a pack"),
        pytest.param({"plan": "monthly"}, id="a word"),
        pytest.param({"price_minor": -1}, id="a negative price"),
        pytest.param({"currency": "USD"}, id="upper case"),
        pytest.param({"tier": True}, id="a tier that is true"),
        pytest.param({"quantity": None}, id="no quantity"),
    ],
)
def test_malformed_sides(wrong):
    """Facts of the wrong shape are refused at birth."""
    right = {"plan": Plan.MONTHLY, "tier": 1, "price_minor": 1, "currency": "usd", "quantity": 1}

    with pytest.raises(MalformedFactError):
        PlanSide(**right | wrong)
