"""How a change of plan that was made elsewhere compares with the table. Source: policy § Plan changes."""

from dataclasses import dataclass
from enum import StrEnum

from policy.checks import require_flag
from policy.decision import ClauseResult
from policy.plan_change_rules import Effect, PlanSide, decide_plan_change

TOO_EARLY = "It took effect at once; the terms want the old price until the period's end."
PRORATED = "It was prorated; the terms charge and credit nothing before the period's end."
CHARGED_LESS = (
    "The terms want the full price of the year, and unused time was taken off. Is the rest asked for?"
    " Nothing is charged without the customer's word."
)


class Compared(StrEnum):
    """What the table says of a change that has happened."""

    IN_LINE = "in_line"
    AGAINST = "against"
    UNCLEAR = "unclear"  # a person decides; the sentence says about what


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMove:
    """One change as it happened. `prorated`: time of the old or new price was charged or credited in part.

    `at_period_end`: the new price began with the period after. Raises MalformedFactError at birth.
    """

    before: PlanSide
    after: PlanSide
    at_period_end: bool
    prorated: bool

    def __post_init__(self) -> None:
        """Refuse wrong types."""
        require_flag("at_period_end", self.at_period_end)
        require_flag("prorated", self.prorated)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveComparison:
    """What the table says of a move, under which clause, and in one sentence why it is not in line."""

    compared: Compared
    clause: ClauseResult | None
    sentence: str | None


def compare_move(move: PlanMove) -> MoveComparison:
    """Hold what happened against what the table of plan changes wants."""
    wanted = decide_plan_change(move.before, move.after)
    if wanted.undecided is not None:
        return MoveComparison(compared=Compared.UNCLEAR, clause=None, sentence=wanted.undecided)
    sentence, against = None, Compared.AGAINST
    if wanted.effect is Effect.NOW:
        # What was charged too little is no wrong that could be put right without the customer.
        sentence, against = CHARGED_LESS if move.prorated else None, Compared.UNCLEAR
    elif not move.at_period_end:
        sentence = TOO_EARLY
    elif move.prorated:
        sentence = PRORATED
    return MoveComparison(
        compared=Compared.IN_LINE if sentence is None else against,
        clause=wanted.clause,
        sentence=sentence,
    )
