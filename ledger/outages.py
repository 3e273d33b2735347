"""Documented outages of the product: when it was down and for whom. Times are unix seconds (UTC)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, Integer, bindparam, or_, select

from ledger.insert_once import insert_once
from ledger.request_tables import outages
from ledger.rows import AnyRow
from ledger.stripe_tables import charges, invoice_payments, invoices

#: `affects` of an outage that everybody met.
EVERYBODY: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One outage. `affects` names the prices or products that were down; none: all of them."""

    outage_id: int
    began_at: int
    ended_at: int
    affects: tuple[str, ...]
    evidence: str

    def touches(self, refs: Sequence[str]) -> bool:
        """Whether what was bought by these prices or products was down."""
        return not self.affects or not set(self.affects).isdisjoint(refs)

    def seconds_within(self, began_at: int, ended_at: int) -> int:
        """How much of a period it took."""
        return max(0, min(self.ended_at, ended_at) - max(self.began_at, began_at))


def add_outage(
    connection: Connection,
    *,
    began_at: int,
    ended_at: int,
    affects: Sequence[str],
    evidence: str,
    now_ms: int,
) -> tuple[Outage, bool]:
    """Write an outage down; it and whether it is new. Raises ValueError unless it ended after it began."""
    if ended_at <= began_at:
        raise ValueError("an outage ends after it begins")
    values = {
        "began_at": began_at,
        "ended_at": ended_at,
        "affects": json.dumps(sorted(set(affects))),
        "evidence": evidence,
        "recorded_ms": now_ms,
    }
    written = connection.execute(_ADD[connection.dialect.name], values).scalar()
    keys = {name: values[name] for name in ("began_at", "ended_at", "affects")}
    row = connection.execute(_SAME, {f"the_{name}": value for name, value in keys.items()}).one()
    return _outage(row), written is not None


def outages_within(connection: Connection, began_at: int, ended_at: int) -> list[Outage]:
    """Every outage that shares time with [began_at, ended_at), oldest first."""
    parameters = {"began": began_at, "ended": ended_at}
    return [_outage(row) for row in connection.execute(_WITHIN, parameters)]


def every_outage(connection: Connection) -> list[Outage]:
    """Every outage there is, oldest first."""
    query = select(outages).order_by(outages.c.began_at, outages.c.id)
    return [_outage(row) for row in connection.execute(query)]


def subscription_charges(
    connection: Connection, paid_from: int, paid_before: int, after: str, count_max: int
) -> list[str]:
    """The charges that paid subscriptions' invoices in [paid_from, paid_before), by id, after `after`."""
    parameters = {"from": paid_from, "before": paid_before, "after": after, "most": count_max}
    return list(connection.execute(_PAID, parameters).scalars())


def without_a_break(found: Sequence[Outage]) -> list[tuple[int, int]]:
    """The stretches of time that outages make together, so that two that overlap count once."""
    stretches: list[tuple[int, int]] = []
    for began_at, ended_at in sorted((one.began_at, one.ended_at) for one in found):
        if stretches and began_at <= stretches[-1][1]:
            stretches[-1] = stretches[-1][0], max(stretches[-1][1], ended_at)
        else:
            stretches.append((began_at, ended_at))
    return stretches


def _outage(row: AnyRow) -> Outage:
    return Outage(
        outage_id=row.id,
        began_at=row.began_at,
        ended_at=row.ended_at,
        affects=tuple(json.loads(row.affects)),
        evidence=row.evidence,
    )


# Statements are built once: building one costs as much as running it.
_ADD = insert_once(outages, outages.c.id)
_SAME = select(outages).where(
    *(outages.c[name] == bindparam(f"the_{name}") for name in ("began_at", "ended_at", "affects"))
)
_WITHIN = (
    select(outages)
    .where(
        outages.c.ended_at > bindparam("began", type_=BigInteger),
        outages.c.began_at < bindparam("ended", type_=BigInteger),
    )
    .order_by(outages.c.began_at, outages.c.id)
)
_PAID = (
    select(charges.c.charge_id)
    .join(
        invoice_payments,
        or_(
            invoice_payments.c.payment_intent_id == charges.c.payment_intent_id,
            invoice_payments.c.charge_id == charges.c.charge_id,
        ),
    )
    .join(invoices, invoices.c.invoice_id == invoice_payments.c.invoice_id)
    .where(
        invoices.c.subscription_id.is_not(None),
        charges.c.captured_minor > 0,
        charges.c.created >= bindparam("from", type_=BigInteger),
        charges.c.created < bindparam("before", type_=BigInteger),
        charges.c.charge_id > bindparam("after"),
    )
    .distinct()
    .order_by(charges.c.charge_id)
    .limit(bindparam("most", type_=Integer))
)
