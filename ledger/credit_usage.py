"""What the product reports as used: each report once, drawn from the grants that were valid then.

The oldest expiry is drawn first, a grant without one last. What no grant covers is kept as an entry that
draws on none: the report is a fact whether or not anything was left, and a grant that is told later
covers it (credit_covering.py). Drawing happens in the order in which reports are told, within one batch
in the order of their time; it is not undone when something older is told later.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ledger.credit_grants import is_valid
from ledger.credit_tables import credit_entries
from ledger.credits import INSERT_ENTRIES, lock_customers
from ledger.late_usage import DrawnUsage, note_late_usage
from ledger.open_grants import OpenGrant, open_grants
from ledger.states import CreditKind
from runtime.call_limits import USAGE_CREDITS_MAX, USAGE_TEXT_CHARS_MAX
from runtime.probes import probe

#: Keys and customers that one statement asks about; SQLite takes 32,766 parameters at most.
_ASKED_AT_ONCE = 1_000
_SOURCE = "product"
#: Before the product's own keys, so that none of them is that of an entry of ours.
_KEY_PREFIX = "usage:"
#: The year 5138: a later moment is milliseconds by mistake.
_AT_MAX = 10**11


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """One usage. `successful` is whether what was made of it succeeded; None: not known yet.

    `key` is the product's own and makes a repetition harmless; `credits` is more than zero, `at` unix
    seconds, `reference` the product's own id of what was made. Raises ValueError at birth, which names
    the field.
    """

    key: str
    customer_id: str
    credits: int
    at: int
    successful: bool | None
    reference: str | None

    def __post_init__(self) -> None:
        """Refuse what could not be stored, or not be told from another report."""
        for name in ("key", "customer_id", "reference"):
            text = getattr(self, name)
            if name == "reference" and text is None:
                continue
            if not (0 < len(text) <= USAGE_TEXT_CHARS_MAX and text.isprintable()):
                most = USAGE_TEXT_CHARS_MAX
                raise ValueError(f"{name} must be 1 to {most} printable characters")
        if not 0 < self.credits <= USAGE_CREDITS_MAX:
            raise ValueError(f"credits must be 1 to {USAGE_CREDITS_MAX}")
        if not 0 <= self.at <= _AT_MAX:
            raise ValueError("at must be unix seconds")


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
        note_late_usage(connection, [*_drawn_of(rows)], now_ms)
    return UsageRecorded(
        recorded=len(fresh),
        known=known,
        conflicting=tuple(conflicting),
        overdrawn=-sum(row["credits"] for row in rows if row["grant_id"] is None),
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
            probe("usage.known")
            known += 1
        else:
            probe("usage.conflicting")
            conflicting.append(report.key)
    return list(fresh.values()), known, conflicting


def _told(connection: Connection, keys: Sequence[str]) -> dict[str, UsageReport]:
    """The entries under these keys as the reports that they came from."""
    credits_of: Counter[str] = Counter()
    found = {}
    for asked in _chunks(keys):
        stored = [f"{_KEY_PREFIX}{key}" for key in asked]
        for row in connection.execute(_KNOWN, {"keys": stored}):
            key = row.key.removeprefix(_KEY_PREFIX)
            credits_of[key] -= row.credits
            found[key] = row
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """So many credits of a report on one grant; `grant_id` None for what none covers."""

    grant_id: int | None
    credits: int
    draw: int | None = None
    left_after: int | None = None


class _Left:
    """What is left of each grant while a batch draws."""

    def __init__(self, connection: Connection, customer_ids: Iterable[str]) -> None:
        self._grants: dict[str, list[OpenGrant]] = defaultdict(list)
        for asked in _chunks(sorted(customer_ids)):
            for grant in open_grants(connection, asked):
                self._grants[grant.customer_id].append(grant)

    def draw(self, report: UsageReport) -> list[_Drawn]:
        """What of a report each grant covers."""
        drawn, wanted = [], report.credits
        for grant in self._grants[report.customer_id]:
            some = min(wanted, grant.left) if is_valid(grant, report.at) else 0
            if some > 0:
                grant.left -= some
                grant.draws += 1
                wanted -= some
                drawn.append(
                    _Drawn(
                        grant_id=grant.grant_id,
                        credits=some,
                        draw=grant.draws,
                        left_after=grant.left,
                    )
                )
        return [*drawn, _Drawn(grant_id=None, credits=wanted)] if wanted else drawn


def _rows(report: UsageReport, drawn: Sequence[_Drawn], now_ms: int) -> Iterator[Mapping[str, Any]]:
    for part, one in enumerate(drawn):
        yield {
            "key": f"{_KEY_PREFIX}{report.key}",
            "part": part,
            "customer_id": report.customer_id,
            "kind": CreditKind.USAGE.value,
            "grant_id": one.grant_id,
            "credits": -one.credits,
            "draw": one.draw,
            "left_after": one.left_after,
            "source": _SOURCE,
            "successful": report.successful,
            "reference": report.reference,
            "at": report.at,
            "recorded_ms": now_ms,
        }


def _drawn_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[DrawnUsage]:
    for row in rows:
        if row["grant_id"] is not None:
            yield DrawnUsage(grant_id=row["grant_id"], credits=-row["credits"], at=row["at"])


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), _ASKED_AT_ONCE):
        yield list(items[start : start + _ASKED_AT_ONCE])


# Statements are built once: building one costs as much as running it.
_KNOWN = select(credit_entries).where(credit_entries.c.key.in_(bindparam("keys", expanding=True)))
