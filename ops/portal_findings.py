"""What a customer could do in Stripe's customer portal that the terms do not want.

The portal applies a move to a dearer plan at once, whatever is set; only moves to cheaper prices and to
shorter intervals can wait for the period's end. Source: policy § Plan changes; docs.stripe.com/api/
customer_portal/configurations (2026-10-28.endive).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

from policy.clauses import Clause
from policy.plan_change_rules import Effect, decide_plan_change
from workers.plan_at_stripe import PriceAtHand
from workers.rendered_fields import RenderedFields

_UPDATE = "features.subscription_update"
_CHEAPER, _SHORTER = "decreasing_item_amount", "shortening_interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalFinding:
    """One thing that customers could do, the clause it is against (None: no clause knows it), and the setting."""

    sentence: str
    clause: Clause | None
    setting: str


def offered_prices(configuration: RenderedFields) -> list[str]:
    """The prices that customers may move to; none where they may not change plans at all."""
    update = configuration.part("features").part("subscription_update")
    if not update.flag("enabled") or "price" not in _allowed(update):
        return []
    found = [price for product in update.parts("products") for price in _texts(product, "prices")]
    return list(dict.fromkeys(found))


def portal_findings(
    configuration: RenderedFields, prices: Mapping[str, PriceAtHand]
) -> list[PortalFinding]:
    """Everything about one configuration; `prices` are those that it offers."""
    update = configuration.part("features").part("subscription_update")
    if not update.flag("enabled"):
        return []
    found = list(_moves(update, prices))
    if "quantity" in _allowed(update):
        found.append(
            PortalFinding(
                sentence="Customers could change quantities, about which the terms say nothing.",
                clause=None,
                setting=f"{_UPDATE}.default_allowed_updates without quantity",
            )
        )
    if prices:
        found += _how(update)
    return found


def _how(update: RenderedFields) -> Iterator[PortalFinding]:
    if update.text_or_none("proration_behavior") not in (None, "none"):
        yield PortalFinding(
            sentence="A change would be charged or credited in part for the period under way.",
            clause=Clause.CHANGE_UP,
            setting=f"{_UPDATE}.proration_behavior none",
        )
    if update.text_or_none("billing_cycle_anchor") == "now":
        yield PortalFinding(
            sentence="Each change would begin a new period and be billed at once.",
            clause=Clause.CHANGE_UP,
            setting=f"{_UPDATE}.billing_cycle_anchor unchanged",
        )
    if update.text_or_none("trial_update_behavior") != "continue_trial":
        yield PortalFinding(
            sentence="A change on trial would end the trial and be billed at once.",
            clause=Clause.CHANGE_UP,
            setting=f"{_UPDATE}.trial_update_behavior continue_trial",
        )


def _moves(update: RenderedFields, prices: Mapping[str, PriceAtHand]) -> Iterator[PortalFinding]:
    """The first move of each kind that would come before its time."""
    conditions = {
        condition.text("type")
        for condition in update.part("schedule_at_period_end").parts("conditions")
    }
    told: set[tuple[Clause | None, str]] = set()
    for before, after in permutations(prices.values(), 2):
        finding = _move(before, after, conditions)
        if finding is not None and (finding.clause, finding.setting) not in told:
            told.add((finding.clause, finding.setting))
            yield finding


def _move(before: PriceAtHand, after: PriceAtHand, conditions: set[str]) -> PortalFinding | None:
    if before.currency != after.currency:
        return None  # a subscription has one currency: Stripe offers no such move
    wanted = decide_plan_change(before.side(1), after.side(1))
    named = f"{_named(before)} to {_named(after)}"
    if wanted.effect is Effect.REVIEW:
        return PortalFinding(
            sentence=f"Customers could move from {named}, which the terms do not rank.",
            clause=None,
            setting="describe both prices (docs/catalogue.md), or do not offer them",
        )
    if wanted.effect is Effect.NOW or wanted.clause is None:
        return None
    clause = wanted.clause.clause
    condition = _condition(before, after)
    if condition in conditions:
        return None
    if condition is None:
        setting = (
            f"{_UPDATE}.default_allowed_updates without price; offer `/api/plan-changes` instead"
        )
    else:
        setting = f"{_UPDATE}.schedule_at_period_end.conditions with {condition}"
    return PortalFinding(
        sentence=f"Customers could move from {named} at once, before the period's end.",
        clause=clause,
        setting=setting,
    )


def _condition(before: PriceAtHand, after: PriceAtHand) -> str | None:
    """What makes the portal wait with such a move; None: nothing does."""
    if before.interval != after.interval:
        return _SHORTER if before.interval == "year" else None
    cheaper = (after.amount_minor or 0) < (before.amount_minor or 0)
    return _CHEAPER if cheaper else None


def _named(price: PriceAtHand) -> str:
    return price.price_id if price.offer is None else f"{price.offer.name} ({price.price_id})"


def _allowed(update: RenderedFields) -> list[str]:
    return _texts(update, "default_allowed_updates")


def _texts(fields: RenderedFields, name: str) -> list[str]:
    found = fields.raw(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
