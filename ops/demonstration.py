"""Plays a shop's day, its month, its thieves and its year against the running processes, and holds what comes of them against what is known."""

import threading
from dataclasses import dataclass

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ledger.summaries import Progressed, day_progress, refunds_by_charge, reviews_by_charge
from ops.demonstration_stage import Stage, wait_until_quiet
from ops.demonstration_table import show_day, show_fraud, show_month, show_year
from ops.fraud_demonstration import play_fraud
from ops.month_demonstration import play_month
from ops.sandbox.delivery_endpoints import rotate_secret
from ops.sandbox.shop_answers import DayAnswers
from ops.sandbox.shop_day import ShopDay
from ops.year_demonstration import play_year
from runtime.wiring import Wiring, open_wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOutcome:
    """A played day: what should have come of it and what did."""

    expected: DayAnswers
    refunded: dict[str, tuple[int, str]]  # charge -> minor units and currency, confirmed by Stripe
    reviews: frozenset[str]
    progress: Progressed
    seconds: float

    @property
    def missing(self) -> list[str]:
        """Duplicates that should have been refunded and were not, or not to the cent."""
        return sorted(
            charge_id
            for charge_id, one in self.expected.to_refund().items()
            if self.refunded.get(charge_id) != (one.amount_minor, one.currency)
        )

    @property
    def unreviewed(self) -> list[str]:
        """Probable duplicates that should wait for a person and do not."""
        return sorted(set(self.expected.to_review()) - self.reviews)

    @property
    def wrong(self) -> list[str]:
        """Charges of this day that were refunded and should not have been."""
        ours = self.expected.never_refunded() | set(self.expected.to_review())
        return sorted(ours & set(self.refunded))

    @property
    def as_expected(self) -> bool:
        """Whether every duplicate was refunded once, to the cent, and nothing else was."""
        return not (self.missing or self.unreviewed or self.wrong)


def play_demonstration(stage: Stage, seconds: float) -> bool | None:
    """Play the day, then the month, fraud and the year, and print a table of each.

    Returns whether all came as it was known to; None when it was stopped half-way.
    """
    with open_wiring(stage.settings) as wiring:
        number = _day_number(wiring)
        day = _play_day(stage, wiring, number, seconds)
        if day is None:
            return None
        show_day(stage.console, day)
        month = play_month(stage, wiring, number)
        if month is None:
            return None
        show_month(stage.console, month)
        fraud = play_fraud(stage, wiring, number)
        if fraud is None:
            return None
        show_fraud(stage.console, fraud)
        year = play_year(stage, wiring, number)
        if year is None:
            return None
        show_year(stage.console, year)
    played = (day, month, fraud, year)
    return all(one.as_expected for one in played)


def _play_day(stage: Stage, wiring: Wiring, number: int, seconds: float) -> DayOutcome | None:
    clock = wiring.clock
    begun = clock.monotonic()
    answers = _play(stage, wiring, number, seconds)
    if answers is None or not wait_until_quiet(stage, wiring):
        return None
    with wiring.store.read() as connection:
        return DayOutcome(
            expected=answers,
            refunded=refunds_by_charge(connection),
            reviews=frozenset(reviews_by_charge(connection)),
            progress=day_progress(connection),
            seconds=clock.monotonic() - begun,
        )


def _play(stage: Stage, wiring: Wiring, number: int, seconds: float) -> DayAnswers | None:
    """Play the day in a thread of its own and show how it goes; None when it was stopped."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[found]}"),
        console=stage.console,
    ) as bars:
        task = bars.add_task("a shop's day", total=None, found="")
        day = ShopDay(
            stage.sandbox,
            wiring.clock,
            seed=number,
            duration_seconds=seconds,
            progress=lambda done, total, _label: bars.update(task, completed=done, total=total),
            at_noon=lambda: rotate_secret(stage.sandbox, stage.address, stage.secrets()[0]),
        )
        player = _Player(day)
        player.start()
        while player.is_alive():
            if stage.stop.wait(0.5):
                day.stop()
            stage.watch()
            bars.update(task, found=_found(wiring))
        player.join()
        if player.failure is not None and not stage.stop.is_set():
            raise player.failure
    return None if stage.stop.is_set() else player.answers


class _Player(threading.Thread):
    """Plays the day beside the watching; keeps what it answered or failed with."""

    def __init__(self, day: ShopDay) -> None:
        super().__init__(name="shop-day", daemon=True)
        self._day = day
        self.answers: DayAnswers | None = None
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self.answers = self._day.play()
        except Exception as failure:  # noqa: BLE001 - raised again by whoever watches
            self.failure = failure


def _day_number(wiring: Wiring) -> int:
    """Another day for each start on one data folder, told by how much is in the ledger."""
    with wiring.store.read() as connection:
        return 1 + day_progress(connection).events


def _found(wiring: Wiring) -> str:
    with wiring.store.read() as connection:
        now = day_progress(connection)
    return f"{now.events} events · {now.findings} duplicates found · {now.refunded} refunded"
