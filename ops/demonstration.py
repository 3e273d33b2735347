"""Plays a shop's day against the running processes and holds the outcome against the known answers."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ledger.event_types import HANDLED
from ledger.summaries import Progressed, day_progress, refunds_by_charge, reviews_by_charge
from ops.demonstration_table import show_outcome
from ops.sandbox.delivery_endpoints import register_endpoint, rotate_secret
from ops.sandbox.keep_alive import HttpUnanswered, KeepAliveClient
from ops.sandbox.shop_answers import DayAnswers
from ops.sandbox.shop_day import ShopDay
from runtime.clock import Clock
from runtime.limits import DEMONSTRATION_SETTLE_SECONDS_MAX
from runtime.settings import Settings
from runtime.wiring import Wiring, open_wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a day is played: the settings with the sandbox in Stripe's place, and who watches.

    `watch` is called a few times a second and keeps the processes running; `stop` ends the day.
    """

    settings: Settings
    console: Console
    watch: Callable[[], None]
    stop: threading.Event

    @property
    def sandbox(self) -> str:
        """The sandbox's address."""
        return str(self.settings.stripe_api_base)

    @property
    def address(self) -> str:
        """Where the sandbox delivers its webhooks."""
        host, port = self.settings.redress_host, self.settings.redress_web_port
        return f"http://{host}:{port}/webhooks/stripe"

    def secrets(self) -> list[str]:
        """The signing secrets that the receiver accepts, newest first."""
        return [key.get_secret_value() for key in self.settings.stripe_webhook_secrets]


def play_demonstration(stage: Stage, seconds: float) -> Demonstration | None:
    """Play the day, wait until all is quiet, print the table; None when it was stopped half-way."""
    with open_wiring(stage.settings) as wiring:
        clock = wiring.clock
        begun = clock.monotonic()
        answers = _play(stage, wiring, seconds)
        if answers is None or not _wait_until_quiet(stage, wiring):
            return None
        with wiring.store.read() as connection:
            outcome = Demonstration(
                expected=answers,
                refunded=refunds_by_charge(connection),
                reviews=frozenset(reviews_by_charge(connection)),
                progress=day_progress(connection),
                seconds=clock.monotonic() - begun,
            )
    show_outcome(stage.console, outcome)
    return outcome


def meet_the_sandbox(stage: Stage, clock: Clock) -> None:
    """Register the receiver at the sandbox, as soon as that answers; raises HttpUnanswered if never."""
    keys = stage.secrets()
    ends = clock.monotonic() + DEMONSTRATION_SETTLE_SECONDS_MAX
    while not stage.stop.is_set():
        try:
            register_endpoint(stage.sandbox, stage.address, keys[-1:], sorted(HANDLED))
        except HttpUnanswered:
            if clock.monotonic() > ends:
                raise
            stage.watch()
            stage.stop.wait(0.1)
        else:
            return


def _play(stage: Stage, wiring: Wiring, seconds: float) -> DayAnswers | None:
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
            seed=_day_number(wiring),
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


def _wait_until_quiet(stage: Stage, wiring: Wiring) -> bool:
    """Wait until every delivery was made, every event decided and every refund settled."""
    client = KeepAliveClient(5.0)
    ends = wiring.clock.monotonic() + DEMONSTRATION_SETTLE_SECONDS_MAX
    quiet = 0
    while not stage.stop.is_set() and wiring.clock.monotonic() < ends:
        with wiring.store.read() as connection:
            busy = day_progress(connection).open_rows
        answer = client.send("GET", f"{stage.sandbox}/sandbox/deliveries", b"", {})
        waiting = orjson.loads(answer.body)["waiting"]
        quiet = quiet + 1 if busy == 0 and waiting == 0 else 0
        if quiet > _QUIET_LOOKS:
            break
        stage.watch()
        stage.stop.wait(0.25)
    client.close()
    return not stage.stop.is_set()


#: Looks in a row, a quarter of a second apart, that must find nothing under way.
_QUIET_LOOKS = 4
