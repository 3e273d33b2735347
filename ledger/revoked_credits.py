"""Credits that were taken because of a suspicion or a dispute, and come back when it did not hold."""

from sqlalchemy import Connection, bindparam, select

from ledger.credit_tables import credit_entries
from ledger.credits import grant_credits
from ledger.states import CreditKind


def return_revoked(connection: Connection, *, by: str, key: str, at: int, now_ms: int) -> int:
    """Grant anew what `by` revoked, valid for as long as it was before; the credits that came back.

    `at` is a unix second: what would have expired by then stays away. A repetition of `key` brings nothing.
    """
    back = 0
    for row in connection.execute(_REVOKED, {"by": by}).all():
        if row.expires_at is not None and row.expires_at <= at:
            continue
        granted = grant_credits(
            connection,
            key=f"{key}:{row.grant_id}",
            customer_id=row.customer_id,
            credits=-row.credits,
            at=at,
            expires_at=row.expires_at,
            source=key,
            now_ms=now_ms,
            kind=CreditKind.RESTORATION,
        )
        back += -row.credits if granted else 0
    return back


# Built once: building it costs as much as running it.
_granted = credit_entries.alias("granted")
_REVOKED = (
    select(
        credit_entries.c.grant_id,
        credit_entries.c.customer_id,
        credit_entries.c.credits,
        _granted.c.expires_at,
    )
    .join(_granted, _granted.c.id == credit_entries.c.grant_id)
    .where(
        credit_entries.c.source == bindparam("by"),
        credit_entries.c.kind == CreditKind.REVOCATION.value,
    )
    .order_by(credit_entries.c.id)
)
