"""When a change of plan takes effect and what it costs now. Source: policy § Plan changes, the whole table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.canonical_json import JsonScalar
from policy.checks import MalformedFactError, require_count, require_currency, require_member
from policy.clauses import Clause
from policy.decision import ClauseResult
from policy.money import Money
from policy.request_facts import Plan


class Effect(StrEnum):
    """When a change takes effect."""

    NOW = "now"  # charged in full now, the first month's credits issued now, earlier credits stay
    PERIOD_END = "period_end"  # nothing is charged, refunded or issued before the period's end
    REVIEW = "review"  # a person decides; `undecided` says about what


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSide:
    """A subscription before or after: what it is for, and its price in minor units per period.

    `plan` is None outside the catalogue; `tier` where the merchant does not rank. Raises
    MalformedFactError at birth.
    """

    plan: Plan | None
    tier: int | None
    price_minor: int
    currency: str
    quantity: int

    def __post_init__(self) -> None:
        """Refuse wrong types, and a pack, which is no plan."""
        if self.plan is not None:
            require_member("plan", self.plan, Plan)
        if self.plan is Plan.PACK:
            raise MalformedFactError("plan must be monthly, annual or null; a pack is no plan")
        require_count("tier", self.tier, optional=True)
        require_count("price_minor", self.price_minor)
        require_currency("currency", self.currency)
        require_count("quantity", self.quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChangeDecision:
    """What the policy says about a change. `due_now` is there exactly when it takes effect now."""

    effect: Effect
    due_now: Money | None
    clause: ClauseResult | None
    undecided: str | None


def decide_plan_change(before: PlanSide, after: PlanSide) -> PlanChangeDecision:
    """When the change from one side to the other takes effect, under which clause."""
    open_question = _outside_the_table(before, after)
    if open_question is not None:
        return _review(open_question)
    compared = _compared(before, after)
    if before.plan is not after.plan:
        return _other_interval(before, after, compared)
    dearer = _ranks_higher(before, after)
    if dearer is None:
        return _review("Both plans have one tier and one price. Is the change wanted at all?")
    clause = Clause.CHANGE_UP if dearer else Clause.CHANGE_DOWN
    return _at_period_end(clause, compared)


def _outside_the_table(before: PlanSide, after: PlanSide) -> str | None:
    if before.plan is None or after.plan is None:
        return "A price is not in the catalogue. When does the change take effect?"
    if before.currency != after.currency:
        return "The currency changes. When does the change take effect?"
    if before.quantity != after.quantity:
        return "The quantity changes. When does the change take effect?"
    return None


def _other_interval(
    before: PlanSide, after: PlanSide, compared: Mapping[str, JsonScalar]
) -> PlanChangeDecision:
    if after.plan is Plan.MONTHLY:
        return _at_period_end(Clause.CHANGE_DOWN, compared)
    # Prices of a month and of a year say nothing about the rank; only tiers do.
    if before.tier is None or after.tier is None:
        return _review(
            "Does the yearly plan rank lower than the monthly one? If yes, it starts at the period's "
            "end; if no, it is charged and starts now."
        )
    if after.tier < before.tier:
        return _at_period_end(Clause.CHANGE_DOWN, compared)
    due_minor = after.price_minor * after.quantity
    return PlanChangeDecision(
        effect=Effect.NOW,
        due_now=Money(amount_minor=due_minor, currency=after.currency),
        clause=ClauseResult(clause=Clause.CHANGE_ANNUAL, holds=True, compared=dict(compared)),
        undecided=None,
    )


def _ranks_higher(before: PlanSide, after: PlanSide) -> bool | None:
    """Whether the plan after ranks higher: by tier, and within one tier (or without) by price."""
    if before.tier is not None and after.tier is not None and before.tier != after.tier:
        return after.tier > before.tier
    if before.price_minor == after.price_minor:
        return None
    return after.price_minor > before.price_minor


def _at_period_end(clause: Clause, compared: Mapping[str, JsonScalar]) -> PlanChangeDecision:
    return PlanChangeDecision(
        effect=Effect.PERIOD_END,
        due_now=None,
        clause=ClauseResult(clause=clause, holds=True, compared=dict(compared)),
        undecided=None,
    )


def _review(question: str) -> PlanChangeDecision:
    return PlanChangeDecision(effect=Effect.REVIEW, due_now=None, clause=None, undecided=question)


def _compared(before: PlanSide, after: PlanSide) -> dict[str, JsonScalar]:
    return {
        f"{name}_{field}": value
        for name, side in (("before", before), ("after", after))
        for field, value in (
            ("plan", None if side.plan is None else side.plan.value),
            ("tier", side.tier),
            ("price_minor", side.price_minor),
        )
    }
