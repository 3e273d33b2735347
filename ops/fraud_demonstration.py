"""Plays the shop's encounters with fraud while the processes look on, and holds what comes of each against what is known."""

from dataclasses import dataclass

from ops.demonstration_stage import Stage, played_product, wait_until_quiet
from ops.sandbox.fraud_stories import ROUNDS
from ops.sandbox.shop_fraud import FraudRow, ShopFraud
from runtime.wiring import Wiring

_REASON = "fraud in the played shop"
#: Beyond the people of any played day, month or year; each run has a hundred of its own.
_FIRST_BUYER = 3_000_000
_BUYERS_PER_RUN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudOutcome:
    """What the stories came to."""

    rows: tuple[FraudRow, ...]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether every story came to what was known."""
        return all(row.as_expected for row in self.rows)


def play_fraud(stage: Stage, wiring: Wiring, number: int) -> FraudOutcome | None:
    """Play the stories and wait after each round until all is quiet; None when it was stopped half-way.

    `number` tells this run from others on the same data folder.
    """
    begun_ms = wiring.clock.now_ms()
    with played_product(stage, wiring, f"played fraud {number}", _REASON) as product:
        fraud = ShopFraud(
            stage.sandbox,
            product,
            wiring.clock,
            first_buyer=_FIRST_BUYER + number * _BUYERS_PER_RUN,
            api_key=stage.api_key,
            run=f"fraud-{number}",
        )
        try:
            if not _played(stage, wiring, fraud):
                return None
            rows = tuple(fraud.outcome())
        finally:
            fraud.close()
    return FraudOutcome(rows=rows, seconds=(wiring.clock.now_ms() - begun_ms) / 1000)


def _played(stage: Stage, wiring: Wiring, fraud: ShopFraud) -> bool:
    with stage.console.status("thieves, banks and honest people") as line:
        for number in range(ROUNDS):
            line.update(f"thieves, banks and honest people: round {number + 1} of {ROUNDS}")
            fraud.play(number)
            if not wait_until_quiet(stage, wiring):
                return False
    return True
