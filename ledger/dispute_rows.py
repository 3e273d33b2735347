"""Disputes as the ledger knows them: those of one payment, and those that wait for an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from ledger.rows import AnyRow
from ledger.stripe_tables import disputes


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """One dispute in its newest known state. Times are unix seconds, `amount_minor` minor units of `currency`."""

    dispute_id: str
    charge_id: str
    status: str
    reason: str | None
    currency: str
    amount_minor: int
    due_by: int | None
    case_type: str | None
    network_reason_code: str | None
    created: int | None


def disputes_of(connection: Connection, charge_id: str) -> list[Dispute]:
    """Every dispute of one payment, by id."""
    return [_dispute(row) for row in connection.execute(_OF_CHARGE, {"charge": charge_id})]


def dispute_by_id(connection: Connection, dispute_id: str) -> Dispute | None:
    """One dispute; None when the ledger does not know it."""
    row = connection.execute(_BY_ID, {"dispute": dispute_id}).first()
    return None if row is None else _dispute(row)


def list_disputes(connection: Connection, statuses: Sequence[str], count_max: int) -> list[Dispute]:
    """The disputes in these states (none named: any), the soonest deadline first, then the newest."""
    query = select(disputes).order_by(
        disputes.c.due_by.is_(None), disputes.c.due_by, disputes.c.created.desc()
    )
    if statuses:
        query = query.where(disputes.c.status.in_(statuses))
    return [_dispute(row) for row in connection.execute(query.limit(count_max))]


def newest_disputes(
    connection: Connection, count_max: int, before: tuple[int, str] | None = None
) -> list[Dispute]:
    """Every dispute, the newest first; `before` is the moment (unix seconds) and id of the last one shown."""
    created = func.coalesce(disputes.c.created, 0)
    query = select(disputes).order_by(created.desc(), disputes.c.dispute_id.desc())
    if before is not None:
        at, dispute_id = before
        same_moment = and_(created == at, disputes.c.dispute_id < dispute_id)
        query = query.where(or_(created < at, same_moment))
    return [_dispute(row) for row in connection.execute(query.limit(count_max))]


def _dispute(row: AnyRow) -> Dispute:
    return Dispute(
        dispute_id=row.dispute_id,
        charge_id=row.charge_id,
        status=row.status,
        reason=row.reason,
        currency=row.currency,
        amount_minor=row.amount_minor,
        # Stripe writes 0 where no answer is possible.
        due_by=row.due_by or None,
        case_type=row.case_type,
        network_reason_code=row.network_reason_code,
        created=row.created,
    )


# Statements are built once: building one costs as much as running it.
_OF_CHARGE = (
    select(disputes)
    .where(disputes.c.charge_id == bindparam("charge"))
    .order_by(disputes.c.dispute_id)
)
_BY_ID = select(disputes).where(disputes.c.dispute_id == bindparam("dispute"))
