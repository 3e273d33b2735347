"""The grants of customers from which something is left, at a cost that does not grow with their history."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from ledger.credit_grants import drawing_order
from ledger.credit_tables import credit_entries
from ledger.states import CreditKind


@dataclass(slots=True, kw_only=True)
class OpenGrant:
    """One grant; `left` and `draws` change while a batch draws. Times are unix seconds."""

    grant_id: int
    customer_id: str
    at: int
    expires_at: int | None
    left: int
    draws: int


def open_grants(connection: Connection, customer_ids: Sequence[str]) -> list[OpenGrant]:
    """The grants of these customers from which something is left, in the order of drawing."""
    rows = connection.execute(_STANDING, {"customers": list(customer_ids)}).all()
    found = [
        OpenGrant(
            grant_id=row.id,
            customer_id=row.customer_id,
            at=row.at,
            expires_at=row.expires_at,
            left=row.credits if row.draws is None else row.left_after,
            draws=row.draws or 0,
        )
        for row in rows
    ]
    return sorted((one for one in found if one.left > 0), key=drawing_order)


# Built once. The newest entry on a grant is found by the index over grant and turn.
_drawn = credit_entries.alias("drawn")
_LEFT_AFTER = (
    select(_drawn.c.left_after)
    .where(_drawn.c.grant_id == credit_entries.c.id)
    .order_by(_drawn.c.draw.desc())
    .limit(1)
    .scalar_subquery()
)
_DRAWS = (
    select(func.max(_drawn.c.draw))
    .where(_drawn.c.grant_id == credit_entries.c.id)
    .scalar_subquery()
)
_STANDING = select(
    *(credit_entries.c[name] for name in ("id", "customer_id", "at", "expires_at", "credits")),
    _DRAWS.label("draws"),
    _LEFT_AFTER.label("left_after"),
).where(
    credit_entries.c.customer_id.in_(bindparam("customers", expanding=True)),
    credit_entries.c.grant_id.is_(None),
    credit_entries.c.kind.in_([CreditKind.GRANT.value, CreditKind.RESTORATION.value]),
)
