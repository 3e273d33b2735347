"""Usage that was told before the grant that pays for it: kept as uncovered, drawn when the grant comes.

The product reports in minutes, an invoice's event may take hours. Which grant pays is decided when the
later of the two is known, and never changed.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from ledger.credit_tables import credit_entries
from ledger.states import CreditKind


@dataclass(frozen=True, slots=True, kw_only=True)
class UncoveredUsage:
    """One usage of which `open` credits (more than zero) are covered by no grant. `at`: unix seconds."""

    entry_id: int
    at: int
    open: int
    successful: bool | None
    reference: str | None


def uncovered_usage(connection: Connection, customer_id: str) -> list[UncoveredUsage]:
    """What a customer used and no grant has covered yet, oldest first."""
    rows = connection.execute(_UNCOVERED, {"customer": customer_id}).all()
    return [
        UncoveredUsage(
            entry_id=row.id,
            at=row.at,
            open=-int(row.credits) + int(row.covered),
            successful=row.successful,
            reference=row.reference,
        )
        for row in rows
        if -int(row.credits) + int(row.covered) > 0
    ]


def covering_rows(
    connection: Connection,
    *,
    grant_id: int,
    customer_id: str,
    credits: int,  # noqa: A002 - the field's own word
    valid: tuple[int, int | None],
    now_ms: int,
) -> list[dict[str, object]]:
    """The entries by which a new grant covers what was used in its time, as far as it reaches."""
    begins, ends = valid
    left, rows = credits, list[dict[str, object]]()
    for usage in uncovered_usage(connection, customer_id):
        some = min(left, usage.open)
        if some == 0 or usage.at < begins or (ends is not None and usage.at >= ends):
            continue
        left -= some
        rows.append(
            {
                "key": f"cover:{usage.entry_id}:{grant_id}",
                "part": 0,
                "customer_id": customer_id,
                "kind": CreditKind.COVER.value,
                "grant_id": grant_id,
                "credits": -some,
                "draw": len(rows) + 1,
                "left_after": left,
                "covers": usage.entry_id,
                "source": "product",
                "successful": usage.successful,
                "reference": usage.reference,
                "at": usage.at,
                "expires_at": None,
                "recorded_ms": now_ms,
            }
        )
    return rows


# Built once. An uncovered usage draws on no grant, so that the index of grants finds it.
_cover = credit_entries.alias("cover")
_UNCOVERED = (
    select(
        credit_entries.c.id,
        credit_entries.c.at,
        credit_entries.c.credits,
        credit_entries.c.successful,
        credit_entries.c.reference,
        select(func.coalesce(func.sum(_cover.c.credits), 0))
        .where(_cover.c.covers == credit_entries.c.id)
        .scalar_subquery()
        .label("covered"),
    )
    .where(
        credit_entries.c.customer_id == bindparam("customer"),
        credit_entries.c.grant_id.is_(None),
        credit_entries.c.kind == CreditKind.USAGE.value,
    )
    .order_by(credit_entries.c.at, credit_entries.c.id)
)
