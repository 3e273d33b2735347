"""What the product reports as used: each report once, drawn from the grants that were valid then.

The oldest expiry is drawn first, a grant without one last. What no grant covers is kept as an entry that
draws on none: the report is a fact whether or not anything was left.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from ledger.credit_tables import credit_entries
from ledger.credits import (
    INSERT_ENTRIES,
    Grant,
    drawing_order,
    grants_of_customers,
    lock_customers,
)
from ledger.states import CreditKind

#: Keys and customers that one statement asks about; SQLite takes 32,766 parameters at most.
_ASKED_AT_ONCE = 1_000
_SOURCE = "product"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """One usage. `successful` is whether what was made of it succeeded; None: not known yet.

    `credits` is more than zero, `at` unix seconds, `reference` the product's own id of what was made.
    """

    key: str
    customer_id: str
    credits: int
    at: int
    successful: bool | None
    reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecorded:
    """What became of a batch. `conflicting` are keys that were used before for another report."""

    recorded: int
    known: int
    conflicting: tuple[str, ...]
    overdrawn: int


def record_usage(
    connection: Connection, reports: Sequence[UsageReport], now_ms: int
) -> UsageRecorded:
    """Write every report that is new; those of one customer draw in the order of their time."""
    lock_customers(connection, [report.customer_id for report in reports])
    fresh, known, conflicting = _sorted_out(connection, reports)
    left = _Left(connection, {report.customer_id for report in fresh})
    rows = [
        row
        for report in sorted(fresh, key=lambda one: (one.at, one.key))
        for row in _rows(report, left.draw(report), now_ms)
    ]
    if rows:
        connection.execute(INSERT_ENTRIES, rows)
    return UsageRecorded(
        recorded=len(fresh),
        known=known,
        conflicting=tuple(conflicting),
        overdrawn=-sum(int(str(row["credits"])) for row in rows if row["grant_id"] is None),
    )


def _sorted_out(
    connection: Connection, reports: Sequence[UsageReport]
) -> tuple[list[UsageReport], int, list[str]]:
    """The new reports, the number of known ones, and the keys of those that contradict a known one."""
    told = _told(connection, [report.key for report in reports])
    fresh: dict[str, UsageReport] = {}
    known, conflicting = 0, []
    for report in reports:
        before = told.get(report.key) or fresh.get(report.key)
        if before is None:
            fresh[report.key] = report
        elif before == report:
            known += 1
        else:
            conflicting.append(report.key)
    return list(fresh.values()), known, conflicting


def _told(connection: Connection, keys: Sequence[str]) -> dict[str, UsageReport]:
    """The entries under these keys as the reports that they came from."""
    credits_of: Counter[str] = Counter()
    found = {}
    for asked in _chunks(keys):
        for row in connection.execute(_KNOWN, {"keys": asked}):
            credits_of[row.key] -= row.credits
            found[row.key] = row
    return {
        key: UsageReport(
            key=key,
            customer_id=row.customer_id,
            credits=credits_of[key],
            at=row.at,
            successful=row.successful,
            reference=row.reference,
        )
        for key, row in found.items()
    }


class _Left:
    """What is left of each grant while a batch draws."""

    def __init__(self, connection: Connection, customer_ids: Iterable[str]) -> None:
        self._grants: dict[str, list[Grant]] = defaultdict(list)
        for asked in _chunks(sorted(customer_ids)):
            for grant in sorted(grants_of_customers(connection, asked), key=drawing_order):
                self._grants[grant.customer_id].append(grant)
        self._left = {
            grant.grant_id: grant.left for grants in self._grants.values() for grant in grants
        }

    def draw(self, report: UsageReport) -> list[tuple[int | None, int]]:
        """The grants that cover a report and by how much; None for what none does."""
        drawn: list[tuple[int | None, int]] = []
        wanted = report.credits
        for grant in self._grants[report.customer_id]:
            some = min(wanted, self._left[grant.grant_id]) if grant.is_valid(report.at) else 0
            if some > 0:
                self._left[grant.grant_id] -= some
                drawn.append((grant.grant_id, some))
                wanted -= some
        return [*drawn, (None, wanted)] if wanted else drawn


def _rows(
    report: UsageReport, drawn: Sequence[tuple[int | None, int]], now_ms: int
) -> Iterator[Mapping[str, object]]:
    for part, (grant_id, some) in enumerate(drawn):
        yield {
            "key": report.key,
            "part": part,
            "customer_id": report.customer_id,
            "kind": CreditKind.USAGE.value,
            "grant_id": grant_id,
            "credits": -some,
            "source": _SOURCE,
            "successful": report.successful,
            "reference": report.reference,
            "at": report.at,
            "recorded_ms": now_ms,
        }


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), _ASKED_AT_ONCE):
        yield list(items[start : start + _ASKED_AT_ONCE])


# Statements are built once: building one costs as much as running it.
_KNOWN = select(credit_entries).where(credit_entries.c.key.in_(bindparam("keys", expanding=True)))
