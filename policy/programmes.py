"""The networks' programmes that watch a merchant's disputes and fraud reports, and how close a month is to them.

Sources: https://docs.stripe.com/disputes/monitoring-programs (2026-10-28.endive): Visa's VAMP counts fraud
reports (TC40) and disputes (TC15) against the month's payments, also of payments that were given back; Mastercard's
ECM counts chargebacks against the payments of the month before. The last is Stripe's own line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Close to a programme: count and ratio have come this far (percent).
NEAR_PERCENT: Final = 75
_BASIS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCounts:
    """What one network saw in one calendar month (UTC): payments, disputes without inquiries, fraud reports."""

    payments: int
    disputes: int
    fraud_reports: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One line of one programme: entered from `count` cases and a ratio of `basis_points` (1.5 % = 150) on.

    `network` is None for a line over all of them; `with_reports` counts fraud reports beside disputes;
    `against_month_before` divides by the payments of the month before.
    """

    name: str
    network: str | None
    count: int
    basis_points: int
    with_reports: bool
    against_month_before: bool

    def applies_to(self, network: str | None) -> bool:
        """Whether a network's cases count here."""
        return self.network is None or self.network == network


PROGRAMMES: Final[Sequence[Programme]] = (
    Programme(
        name="Visa VAMP, non-compliant",
        network="visa",
        count=5,
        basis_points=50,
        with_reports=True,
        against_month_before=False,
    ),
    Programme(
        name="Visa VAMP, excessive",
        network="visa",
        count=1_500,
        basis_points=150,
        with_reports=True,
        against_month_before=False,
    ),
    Programme(
        name="Mastercard ECM",
        network="mastercard",
        count=100,
        basis_points=150,
        with_reports=False,
        against_month_before=True,
    ),
    Programme(
        name="Mastercard HECM",
        network="mastercard",
        count=300,
        basis_points=300,
        with_reports=False,
        against_month_before=True,
    ),
    Programme(
        name="Stripe, excessive disputes",
        network=None,
        count=1,
        basis_points=75,
        with_reports=False,
        against_month_before=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeStanding:
    """How one month stands to one programme: `cases` of `payments`. Without payments there is no ratio."""

    programme: Programme
    cases: int
    payments: int

    @property
    def basis_points(self) -> int | None:
        """The ratio in hundredths of a percent, rounded down; None without payments."""
        return None if self.payments == 0 else self.cases * _BASIS // self.payments

    @property
    def reached(self) -> bool:
        """Whether the month is in the programme."""
        return self._beyond(100)

    @property
    def near(self) -> bool:
        """Whether count and ratio have come close, or further."""
        return self._beyond(NEAR_PERCENT)

    def _beyond(self, percent: int) -> bool:
        counted = self.cases * 100 >= self.programme.count * percent
        # Multiplied out: a ratio that is rounded could pass a line that it does not reach.
        wanted = self.programme.basis_points * percent * self.payments
        return counted and self.payments > 0 and self.cases * _BASIS * 100 >= wanted


def programme_standing(
    programme: Programme, month: MonthCounts, before: MonthCounts
) -> ProgrammeStanding:
    """How a month stands to a programme; `before` is the month before it."""
    reports = month.fraud_reports if programme.with_reports else 0
    payments = before.payments if programme.against_month_before else month.payments
    return ProgrammeStanding(programme=programme, cases=month.disputes + reports, payments=payments)
