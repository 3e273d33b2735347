"""What a refund request asks about credits: issued, used and successful of one purchase."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, func, select

from ledger.credit_tables import credit_entries
from ledger.credits import grants_of
from ledger.states import CreditKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseCredits:
    """The facts of a purchase: None where they are not known (policy/request_facts.py)."""

    issued: int | None
    used: int | None
    successful: int | None
    expired: bool | None


def purchase_credits(
    connection: Connection, sources: Sequence[str], *, until: int | None = None
) -> PurchaseCredits:
    """The facts of a purchase by the ids of its charge and invoice.

    `until` leaves out what was granted after that second: a yearly plan is judged by its first month.
    """
    grants = [one for one in grants_of(connection, sources) if until is None or one.at <= until]
    if not grants:
        return PurchaseCredits(issued=None, used=None, successful=None, expired=None)
    usage = connection.execute(_USAGE, {"ids": [one.grant_id for one in grants]}).one()
    used = sum(max(0, one.used - one.restored) for one in grants)
    return PurchaseCredits(
        issued=sum(one.issued for one in grants),
        used=used,
        # What came back was spent in vain, and some of what is left may not be reported yet.
        successful=None if usage.unknown else min(used, -int(usage.successful or 0)),
        expired=any(one.expired > 0 for one in grants),
    )


# Built once: building it costs as much as running it.
_USAGE = select(
    func.sum(case((credit_entries.c.successful, credit_entries.c.credits), else_=0)).label(
        "successful"
    ),
    func.count().filter(credit_entries.c.successful.is_(None)).label("unknown"),
).where(
    credit_entries.c.grant_id.in_(bindparam("ids", expanding=True)),
    credit_entries.c.kind.in_([CreditKind.USAGE.value, CreditKind.COVER.value]),
)
