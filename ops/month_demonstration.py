"""Plays the shop's month: its product and its people call the running processes as they would in earnest."""

from dataclasses import dataclass

from ledger.accounts import Account
from ledger.outages import Outage
from ledger.states import Standing, StandingCause
from ledger.summaries import emails_sent
from ops.demonstration_stage import Stage, played_product, wait_until_quiet
from ops.outage_run import OutageRun
from ops.sandbox.shop_month import MonthRow, ShopMonth
from ops.standing_changes import change_standing
from runtime.wiring import Wiring

_REASON = "a month of the played shop"
#: Beyond the people of any played day; each run has a hundred of its own.
_FIRST_BUYER = 1_000_000
_BUYERS_PER_RUN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthOutcome:
    """What a played month came to; `emails` were sent to customers meanwhile."""

    rows: tuple[MonthRow, ...]
    emails: int
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether every story came to what was known."""
        return all(row.as_expected for row in self.rows)


def play_month(stage: Stage, wiring: Wiring, number: int) -> MonthOutcome | None:
    """Play the month and wait until all is quiet; None when it was stopped half-way.

    `number` tells this run from others on the same data folder.
    """
    begun_ms = wiring.clock.now_ms()
    with played_product(stage, wiring, f"played shop {number}", _REASON) as product:
        month = ShopMonth(
            stage.sandbox,
            product,
            wiring.clock,
            first_buyer=_FIRST_BUYER + number * _BUYERS_PER_RUN,
            api_key=stage.api_key,
            run=f"month-{number}",
        )
        try:
            if not _played(stage, wiring, month):
                return None
            rows = tuple(month.outcome())
        finally:
            month.close()
    with wiring.store.read() as connection:
        emails = emails_sent(connection, begun_ms)
    seconds = (wiring.clock.now_ms() - begun_ms) / 1000
    return MonthOutcome(rows=rows, emails=emails, seconds=seconds)


def _played(stage: Stage, wiring: Wiring, month: ShopMonth) -> bool:
    """One act after the other, each when the one before has settled; whether it was not stopped."""
    with stage.console.status("a month of the shop") as line:
        line.update("a month of the shop: purchases")
        month.sell()
        if not wait_until_quiet(stage, wiring):
            return False
        line.update("a month of the shop: credits used, accounts suspended, an outage of 30 hours")
        month.report()
        _set_standings(wiring, month)
        _pay_for_the_outage(stage, wiring, month)
        if not wait_until_quiet(stage, wiring):
            return False
        line.update("a month of the shop: refund requests of every kind")
        month.ask()
        return wait_until_quiet(stage, wiring)


def _set_standings(wiring: Wiring, month: ShopMonth) -> None:
    for customer_id, standing, cause in month.standings():
        account = Account(
            customer_id=customer_id, standing=Standing(standing), cause=StandingCause(cause)
        )
        now_ms = wiring.clock.now_ms()
        with wiring.store.write() as connection:
            change_standing(connection, wiring.settings, account, reason=_REASON, now_ms=now_ms)


def _pay_for_the_outage(stage: Stage, wiring: Wiring, month: ShopMonth) -> None:
    began_at, ended_at, price_id = month.outage()
    down = Outage(
        outage_id=0,
        began_at=began_at,
        ended_at=ended_at,
        affects=(price_id,),
        evidence="the played shop's incident 1",
    )
    run = OutageRun(wiring=wiring, settings=stage.settings, down=down)
    run.carry_out(_REASON, told=lambda _place, _number: stage.watch())
