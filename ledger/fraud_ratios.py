"""Disputes and fraud reports against payments, per network and calendar month (UTC), as the programmes count them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, bindparam, func, select

from ledger.stripe_tables import charges, disputes, early_fraud_warnings
from policy.programmes import PROGRAMMES, MonthCounts, ProgrammeStanding, programme_standing

NOTHING = MonthCounts(payments=0, disputes=0, fraud_reports=0)
#: What is not known as a network: payments by other means than cards, and charges from before it was kept.
OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One calendar month (UTC)."""

    year: int
    month: int

    @classmethod
    def of(cls, at: int) -> "Month":
        """The month of a unix second."""
        day = datetime.fromtimestamp(at, UTC)
        return cls(year=day.year, month=day.month)

    def plus(self, months: int) -> "Month":
        """The month that lies so many months later; earlier when negative."""
        years, month = divmod(self.month - 1 + months, 12)
        return Month(year=self.year + years, month=month + 1)

    @property
    def begins(self) -> int:
        """Its first unix second."""
        return int(datetime(self.year, self.month, 1, tzinfo=UTC).timestamp())

    def __str__(self) -> str:
        """`2026-11`."""
        return f"{self.year}-{self.month:02}"


def month_counts(connection: Connection, month: Month) -> Mapping[str, MonthCounts]:
    """The counts of every network that has any in a month."""
    span = {"from": month.begins, "before": month.plus(1).begins}
    paid = _by_network(connection, _PAYMENTS, span)
    disputed = _by_network(connection, _DISPUTES, span)
    warned = _by_network(connection, _WARNINGS, span)
    return {
        network: MonthCounts(
            payments=paid.get(network, 0),
            disputes=disputed.get(network, 0),
            fraud_reports=warned.get(network, 0),
        )
        for network in sorted({*paid, *disputed, *warned})
    }


def standings(
    month: Mapping[str, MonthCounts], before: Mapping[str, MonthCounts]
) -> list[ProgrammeStanding]:
    """How a month stands to every programme whose network it knows."""
    known = [one for one in PROGRAMMES if one.network is None or one.network in {*month, *before}]
    return [
        programme_standing(
            one,
            _sum(counts for network, counts in month.items() if one.applies_to(network)),
            _sum(counts for network, counts in before.items() if one.applies_to(network)),
        )
        for one in known
    ]


def standings_at(connection: Connection, at: int) -> list[ProgrammeStanding]:
    """How the month of a unix second stands to every programme, so far."""
    month = Month.of(at)
    return standings(month_counts(connection, month), month_counts(connection, month.plus(-1)))


def near_a_programme(connection: Connection, network: str | None, at: int) -> bool:
    """Whether the month of a unix second is close to a programme that counts this network's cases."""
    return any(
        standing.near and standing.programme.applies_to(network or OTHER)
        for standing in standings_at(connection, at)
    )


def _sum(counts: Iterable[MonthCounts]) -> MonthCounts:
    found = list(counts)
    return MonthCounts(
        payments=sum(one.payments for one in found),
        disputes=sum(one.disputes for one in found),
        fraud_reports=sum(one.fraud_reports for one in found),
    )


def _by_network(
    connection: Connection, query: Select[Any, int], span: Mapping[str, int]
) -> dict[str, int]:
    return {str(row.network): int(row.number) for row in connection.execute(query, span)}


# Statements are built once: building one costs as much as running it.
_NETWORK = func.coalesce(charges.c.card_network, OTHER).label("network")
_COUNT = func.count().label("number")
_BEGINS, _ENDS = bindparam("from", type_=BigInteger), bindparam("before", type_=BigInteger)
_PAYMENTS = (
    select(_NETWORK, _COUNT)
    .where(charges.c.created >= _BEGINS, charges.c.created < _ENDS, charges.c.captured_minor > 0)
    .group_by(_NETWORK)
)
_DISPUTES = (
    select(_NETWORK, _COUNT)
    .select_from(disputes)
    .outerjoin(charges, charges.c.charge_id == disputes.c.charge_id)
    .where(
        disputes.c.created >= _BEGINS,
        disputes.c.created < _ENDS,
        # An inquiry is no dispute yet, and what was prevented never becomes one.
        disputes.c.status.not_like("warning_%"),
        disputes.c.status != "prevented",
    )
    .group_by(_NETWORK)
)
_WARNINGS = (
    select(_NETWORK, _COUNT)
    .select_from(early_fraud_warnings)
    .outerjoin(charges, charges.c.charge_id == early_fraud_warnings.c.charge_id)
    .where(early_fraud_warnings.c.created >= _BEGINS, early_fraud_warnings.c.created < _ENDS)
    .group_by(_NETWORK)
)
