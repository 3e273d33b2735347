"""Credits: what was granted, which grant a usage consumed, and what is left. Balances are sums of entries.

A grant is an entry that brings credits and draws on no other: a purchase's, or a restoration that
belongs to none. Every entry has a key of its caller's, so that a repeated one changes nothing.
Times (`at`, `expires_at`) are unix seconds: when it happened, not when it was told.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Label,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
)

from ledger.credit_covering import covering_rows, uncovered_usage
from ledger.credit_grants import Grant, drawing_order
from ledger.credit_tables import credit_entries, credit_expiries
from ledger.engine import lock_names
from ledger.insert_once import insert_once
from ledger.states import CreditKind
from runtime.call_limits import EXPIRY_GRACE_SECONDS
from runtime.probes import probe


class RestorationRefused(ValueError):
    """More would come back to a grant than was used of it; nothing was changed."""


def grant_credits(
    connection: Connection,
    *,
    key: str,
    customer_id: str,
    credits: int,  # noqa: A002 - the field's own word
    at: int,
    expires_at: int | None,
    source: str,
    now_ms: int,
    reference: str | None = None,
    kind: CreditKind = CreditKind.GRANT,
) -> bool:
    """Write a grant (or a restoration that is one of its own); False when the key is known.

    What the customer used in its time, told before it and covered by nothing, is drawn from it at once.
    """
    values = _entry(
        key=key, customer_id=customer_id, kind=kind, credits=credits, at=at, now_ms=now_ms
    )
    more = {"source": source, "expires_at": expires_at, "reference": reference}
    lock_customers(connection, [customer_id])
    grant_id = _write_once(connection, values | more)
    if grant_id is None:
        return False
    if expires_at is not None:
        connection.execute(_WILL_EXPIRE, {"grant_id": grant_id, "due_at": expires_at})
    rows = covering_rows(
        connection,
        grant_id=grant_id,
        customer_id=customer_id,
        credits=credits,
        valid=(at, expires_at),
        now_ms=now_ms,
    )
    if rows:
        probe("usage.covered_later")
        connection.execute(INSERT_ENTRIES, rows)
    return True


def restore_credits(
    connection: Connection,
    *,
    key: str,
    grant: Grant,
    credits: int,  # noqa: A002 - the field's own word
    source: str,
    reference: str,
    at: int,
    now_ms: int,
) -> bool:
    """Give credits back to the grant that they were drawn from; False when the key is known.

    `grant` must have been read under the customer's lock. Raises RestorationRefused for more than was
    used of it and has not come back.
    """
    if connection.execute(_KEY_KNOWN, {"known": key}).first() is not None:
        return False
    if credits > grant.used - grant.restored:
        raise RestorationRefused(
            f"of this grant {grant.used - grant.restored} credits are used, so {credits} cannot come back"
        )
    values = _entry(
        key=key,
        customer_id=grant.customer_id,
        kind=CreditKind.RESTORATION,
        credits=credits,
        at=at,
        now_ms=now_ms,
    )
    more = _drawn_on(grant, credits) | {"source": source, "reference": reference}
    return _write_once(connection, values | more) is not None


def revoke_credits(
    connection: Connection, *, key: str, sources: Sequence[str], by: str, at: int, now_ms: int
) -> int:
    """Take what is left of everything that these purchases brought; returns the credits taken.

    `sources` are the ids of the charge and its invoice, `by` is what revokes (a case). The grants of a
    revoked purchase that are revoked already have nothing left, so a repetition takes nothing.
    """
    lock_customers(connection, [one.customer_id for one in grants_of(connection, sources)])
    taken = 0
    for grant in grants_of(connection, sources):
        if grant.left > 0:
            values = _entry(
                key=f"{key}:{grant.grant_id}",
                customer_id=grant.customer_id,
                kind=CreditKind.REVOCATION,
                credits=-grant.left,
                at=at,
                now_ms=now_ms,
            )
            more = _drawn_on(grant, -grant.left) | {"source": by}
            taken += 0 if _write_once(connection, values | more) is None else grant.left
    return taken


def expire_credits(connection: Connection, at: int, now_ms: int, count_max: int) -> int:
    """Write off what is left of each grant whose validity has ended; returns how many were looked at.

    An hour later, so that what was used in the last minutes and is told late still draws on it.
    """
    due = connection.execute(_EXPIRING, {"now": at - EXPIRY_GRACE_SECONDS, "most": count_max}).all()
    if not due:
        return 0
    lock_customers(connection, [row.customer_id for row in due])
    ids = [row.grant_id for row in due]
    for grant in _grants(connection, _BY_ID, {"ids": ids}):
        if grant.left > 0:
            values = _entry(
                key=f"expiry:{grant.grant_id}",
                customer_id=grant.customer_id,
                kind=CreditKind.EXPIRY,
                credits=-grant.left,
                at=grant.expires_at or at,
                now_ms=now_ms,
            )
            probe("credits.expired")
            more = _drawn_on(grant, -grant.left) | {"source": grant.source}
            _write_once(connection, values | more)
    connection.execute(_EXPIRED, {"ids": ids})
    return len(due)


def grants_of_customer(connection: Connection, customer_id: str) -> list[Grant]:
    """Every grant of a customer in the order in which usage draws: oldest expiry first."""
    return sorted(
        _grants(connection, _OF_CUSTOMERS, {"customers": [customer_id]}), key=drawing_order
    )


def grants_of(connection: Connection, sources: Sequence[str]) -> list[Grant]:
    """Every grant of these purchases, oldest first."""
    return _grants(connection, _OF_SOURCES, {"sources": list(sources)})


def overdrawn(connection: Connection, customer_id: str) -> int:
    """Credits that were used and that no grant has covered yet."""
    return sum(one.open for one in uncovered_usage(connection, customer_id))


def lock_customers(connection: Connection, customer_ids: Sequence[str]) -> None:
    """Hold the credits of these customers until the transaction ends."""
    lock_names(connection, [f"credits:{customer_id}" for customer_id in customer_ids])


def _drawn_on(grant: Grant, credits: int) -> dict[str, object]:  # noqa: A002 - the field's own word
    """What an entry that changes a grant by `credits` says of it."""
    return {
        "grant_id": grant.grant_id,
        "draw": grant.draws + 1,
        "left_after": grant.left + credits,
    }


def grants_of_customers(connection: Connection, customer_ids: Sequence[str]) -> list[Grant]:
    """Every grant of these customers."""
    return _grants(connection, _OF_CUSTOMERS, {"customers": list(customer_ids)})


def _entry(
    *,
    key: str,
    customer_id: str,
    kind: CreditKind,
    credits: int,  # noqa: A002 - the field's own word
    at: int,
    now_ms: int,
) -> dict[str, object]:
    return {
        "key": key,
        "customer_id": customer_id,
        "kind": kind.value,
        "grant_id": None,
        "draw": None,
        "left_after": None,
        "covers": None,
        "credits": credits,
        "successful": None,
        "reference": None,
        "at": at,
        "expires_at": None,
        "recorded_ms": now_ms,
    }


def _write_once(connection: Connection, values: dict[str, object]) -> int | None:
    """The id of the entry; None when its key is known."""
    row_id: int | None = connection.execute(_WRITE[connection.dialect.name], values).scalar()
    return row_id


def _grants(
    connection: Connection, query: Select[Any], parameters: dict[str, object]
) -> list[Grant]:
    return [
        Grant(
            grant_id=row.id,
            customer_id=row.customer_id,
            source=row.source,
            at=row.at,
            expires_at=row.expires_at,
            issued=row.credits,
            used=-int(row.used),
            expired=-int(row.expired),
            revoked=-int(row.revoked),
            restored=int(row.restored),
            draws=int(row.draws),
        )
        for row in connection.execute(query, parameters)
    ]


# Statements are built once: building one costs as much as running it.
_WRITE = insert_once(credit_entries, credit_entries.c.id, key=["key", "part"])
INSERT_ENTRIES = insert(credit_entries)
_KEY_KNOWN = select(credit_entries.c.id).where(credit_entries.c.key == bindparam("known"))

_grant = credit_entries.alias("granted")
_drawn = credit_entries.alias("drawn")
_is_grant = and_(_grant.c.grant_id.is_(None), _grant.c.credits > 0)


def _sum_of(name: str, *kinds: CreditKind) -> Label[int]:
    named = [kind.value for kind in kinds]
    return func.coalesce(
        func.sum(case((_drawn.c.kind.in_(named), _drawn.c.credits), else_=0)), 0
    ).label(name)


_GRANTS = (
    select(
        *(
            _grant.c[name]
            for name in ("id", "customer_id", "source", "at", "expires_at", "credits")
        ),
        _sum_of("used", CreditKind.USAGE, CreditKind.COVER),
        _sum_of("expired", CreditKind.EXPIRY),
        _sum_of("revoked", CreditKind.REVOCATION),
        _sum_of("restored", CreditKind.RESTORATION),
        func.count(_drawn.c.id).label("draws"),
    )
    .outerjoin(_drawn, _drawn.c.grant_id == _grant.c.id)
    .where(_is_grant)
    .group_by(_grant.c.id)
    .order_by(_grant.c.id)
)
_BY_ID = _GRANTS.where(_grant.c.id.in_(bindparam("ids", expanding=True)))
_OF_CUSTOMERS = _GRANTS.where(_grant.c.customer_id.in_(bindparam("customers", expanding=True)))
_OF_SOURCES = _GRANTS.where(_grant.c.source.in_(bindparam("sources", expanding=True)))
_WILL_EXPIRE = insert(credit_expiries)
_EXPIRING = (
    select(credit_expiries.c.grant_id, _grant.c.customer_id)
    .join(_grant, _grant.c.id == credit_expiries.c.grant_id)
    .where(credit_expiries.c.due_at <= bindparam("now", type_=BigInteger))
    .order_by(credit_expiries.c.due_at)
    .limit(bindparam("most", type_=Integer))
)
_EXPIRED = delete(credit_expiries).where(
    credit_expiries.c.grant_id.in_(bindparam("ids", expanding=True))
)
