"""Plays the shop's year: subscriptions that renew, and changes of plan by every road, while the processes look on."""

from collections.abc import Callable
from dataclasses import dataclass

from ledger.asked_plan_changes import changes_of_subscription
from ledger.seen_plan_changes import seen_of_subscription
from ledger.states import PlanMaker, SeenPlanState
from ops.demonstration_stage import Stage, played_product, wait_until_quiet
from ops.sandbox.shop_year import Member, ShopYear, YearRow
from ops.sandbox.year_stories import Act
from runtime.limits import DEMONSTRATION_SETTLE_SECONDS_MAX
from runtime.wiring import Wiring

_REASON = "a year of the played shop"
#: Beyond the people of any played day or month; each run has a hundred of its own.
_FIRST_BUYER = 2_000_000
_BUYERS_PER_RUN = 100
#: Between two looks at what has come of it: a change elsewhere is left to settle for 20 s, the months of a year
#: are issued one per sweep.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class YearOutcome:
    """What a played year came to."""

    rows: tuple[YearRow, ...]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether every story came to what was known."""
        return all(row.as_expected for row in self.rows)


def play_year(stage: Stage, wiring: Wiring, number: int) -> YearOutcome | None:
    """Play the year and wait until all is as it was known to come, or long enough; None when it was stopped.

    `number` tells this run from others on the same data folder.
    """
    begun_ms = wiring.clock.now_ms()
    with played_product(stage, wiring, f"played year {number}", _REASON) as product:
        year = ShopYear(
            stage.sandbox,
            product,
            wiring.clock,
            first_buyer=_FIRST_BUYER + number * _BUYERS_PER_RUN,
            api_key=stage.api_key,
            run=f"year-{number}",
        )
        try:
            rows = _rows(stage, wiring, year)
        finally:
            year.close()
    if rows is None:
        return None
    return YearOutcome(rows=rows, seconds=(wiring.clock.now_ms() - begun_ms) / 1000)


def _rows(stage: Stage, wiring: Wiring, year: ShopYear) -> tuple[YearRow, ...] | None:
    with stage.console.status("a year of the shop") as line:

        def told(done: int, of: int) -> None:
            line.update(f"a year of the shop: {done} of {of} subscribers have renewed for a year")
            stage.watch()

        year.live(told)
        if not wait_until_quiet(stage, wiring):
            return None
        line.update("a year of the shop: plans are changed by every road")
        year.act()
        if not wait_until_quiet(stage, wiring):
            return None
        year.take_back()
        line.update("a year of the shop: what was changed elsewhere is put right")
        return _settled(stage, wiring, lambda: tuple(year.outcome(lambda one: _word(wiring, one))))


def _settled(
    stage: Stage, wiring: Wiring, look: Callable[[], tuple[YearRow, ...]]
) -> tuple[YearRow, ...] | None:
    """Look until everything is as it was known to come, or long enough; None when it was stopped."""
    ends = wiring.clock.monotonic() + DEMONSTRATION_SETTLE_SECONDS_MAX
    while not stage.stop.is_set():
        rows = look()
        if all(row.as_expected for row in rows) or wiring.clock.monotonic() > ends:
            return rows
        stage.watch()
        stage.stop.wait(_LOOK_SECONDS)
    return None


def _word(wiring: Wiring, member: Member) -> tuple[str | None, str | None]:
    """What the ledger says of the change of a subscription: (state, clause)."""
    with wiring.store.read() as connection:
        if member.story.act in (Act.ASKED, Act.WITHDRAWN):
            asked = changes_of_subscription(connection, member.subscription_id, 1)
            return (asked[0].state.value, asked[0].clause) if asked else (None, None)
        seen = [
            one
            for one in seen_of_subscription(connection, member.subscription_id)
            if one.made_by is not PlanMaker.US
        ]
    if not seen:
        return None, None
    # What a refund gave back is noted at Stripe a minute later; the money is where it was by then.
    crediting = seen[0].state is SeenPlanState.CREDITING
    state = SeenPlanState.RESTORED if crediting else seen[0].state
    return state.value, seen[0].clause
