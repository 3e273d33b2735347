"""What customers could do in the portal is held against the terms, and each finding names its setting."""

import pytest

from ops.portal_findings import offered_prices, portal_findings
from policy.catalogue import offer_of_price
from policy.clauses import Clause
from workers.plan_at_stripe import PriceAtHand
from workers.rendered_fields import RenderedFields


def price(name, tier, interval, amount, currency="usd", *, described=True):
    """One price as Stripe and the catalogue have it."""
    metadata = {"redress_credits": "100", "redress_tier": str(tier)} if described else {}
    return PriceAtHand(
        price_id=name,
        currency=currency,
        amount_minor=amount,
        interval=interval,
        active=True,
        metered=False,
        livemode=False,
        offer=offer_of_price(name, interval, metadata),
    )


BASIC = price("basic", 1, "month", 1000)
PRO = price("pro", 2, "month", 2000)
BASIC_YEAR = price("basic-year", 1, "year", 10_000)
PRO_YEAR = price("pro-year", 2, "year", 20_000)
WAITS = [{"type": "decreasing_item_amount"}, {"type": "shortening_interval"}]
UPDATE = "features.subscription_update"


def configuration(prices, conditions=(), **changes):
    """A portal in which customers may move between these prices."""
    update = {
        "enabled": True,
        "default_allowed_updates": ["price"],
        "products": [{"product": "prod_1", "prices": [one.price_id for one in prices]}],
        "proration_behavior": "none",
        "billing_cycle_anchor": None,
        "schedule_at_period_end": {"conditions": list(conditions)},
        "trial_update_behavior": "continue_trial",
    }
    features = {"subscription_update": update | changes}
    return RenderedFields({"id": "bpc_1", "features": features}, "configuration")


def findings(prices, conditions=(), **changes):
    """(clause, setting) of everything that is found."""
    found = portal_findings(
        configuration(prices, conditions, **changes), {one.price_id: one for one in prices}
    )
    return [(one.clause, one.setting) for one in found]


NO_PRICES = f"{UPDATE}.default_allowed_updates without price; offer `/api/plan-changes` instead"
CHEAPER = f"{UPDATE}.schedule_at_period_end.conditions with decreasing_item_amount"
SHORTER = f"{UPDATE}.schedule_at_period_end.conditions with shortening_interval"


@pytest.mark.parametrize(
    ("prices", "conditions", "expected"),
    [
        ([BASIC, PRO], WAITS, [(Clause.CHANGE_UP, NO_PRICES)]),
        ([BASIC, PRO], [], [(Clause.CHANGE_UP, NO_PRICES), (Clause.CHANGE_DOWN, CHEAPER)]),
        ([BASIC, BASIC_YEAR], WAITS, []),
        ([BASIC, PRO_YEAR], WAITS, []),
        ([BASIC, BASIC_YEAR], WAITS[:1], [(Clause.CHANGE_DOWN, SHORTER)]),
        ([PRO, BASIC_YEAR], WAITS, [(Clause.CHANGE_DOWN, NO_PRICES)]),
        ([BASIC], [], []),
        ([], [], []),
        ([BASIC, price("basic-eur", 1, "month", 900, "eur")], [], []),
    ],
)
def test_moves(prices, conditions, expected):
    """A move up cannot wait in the portal; others wait under their condition; to a year nothing has to."""
    assert expected == findings(prices, conditions)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"proration_behavior": "always_invoice"},
            [(Clause.CHANGE_UP, f"{UPDATE}.proration_behavior none")],
        ),
        (
            {"billing_cycle_anchor": "now"},
            [(Clause.CHANGE_UP, f"{UPDATE}.billing_cycle_anchor unchanged")],
        ),
        (
            {"trial_update_behavior": "end_trial"},
            [(Clause.CHANGE_UP, f"{UPDATE}.trial_update_behavior continue_trial")],
        ),
        (
            {"default_allowed_updates": ["price", "quantity"]},
            [(None, f"{UPDATE}.default_allowed_updates without quantity")],
        ),
    ],
)
def test_settings(changes, expected):
    """Each setting that goes against the terms is named."""
    assert expected == findings([BASIC, BASIC_YEAR], WAITS, **changes)


def test_prices_that_nobody_describes():
    """A move that the terms do not rank is told."""
    unknown = price("other", 0, "month", 1500, described=False)
    (found,) = portal_findings(
        configuration([BASIC, unknown], WAITS), {one.price_id: one for one in (BASIC, unknown)}
    )

    assert found.clause is None
    assert "which the terms do not rank" in found.sentence


@pytest.mark.parametrize("changes", [{"enabled": False}, {"default_allowed_updates": []}])
def test_switched_off(changes):
    """Where customers may not change plans, nothing is offered and nothing found."""
    given = configuration([BASIC, PRO], **changes)

    assert [] == offered_prices(given)
    assert [] == portal_findings(given, {})


def test_offered_once():
    """A price that two products name is looked at once."""
    given = configuration([BASIC, PRO, BASIC])

    assert ["basic", "pro"] == offered_prices(given)
