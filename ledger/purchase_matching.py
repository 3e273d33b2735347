"""The purchases that a refund request could be about: by the digest of an e-mail address, and the time.

A guest's address is on his charge, a customer's on the customer; either is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Connection, Integer, bindparam, select, union

from ledger.payment_facts import payments_by_charge
from ledger.stripe_tables import charges, customers
from policy.payments import Payment

#: More purchases of one customer within days than anybody makes.
CANDIDATES_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseFound:
    """One purchase: the payment, and what Stripe calls what was bought (a product, or prices)."""

    payment: Payment
    refs: tuple[str, ...]

    @property
    def charge_id(self) -> str:
        """The charge that paid for it."""
        return self.payment.charge_id


def purchases_of(
    connection: Connection,
    *,
    email_digest: str,
    paid_from: int,
    paid_before: int,
    livemode: bool,
) -> list[PurchaseFound]:
    """The payments of an address that took money in [paid_from, paid_before), the earliest first.

    Unix seconds. At most CANDIDATES_MAX and one: that one tells that there may be more.
    """
    parameters = {
        "email": email_digest,
        "from": paid_from,
        "before": paid_before,
        "live": livemode,
        "most": CANDIDATES_MAX + 1,
    }
    found = list(connection.execute(_PAID, parameters).scalars())
    known = payments_by_charge(connection, found)
    return [PurchaseFound(payment=known[one], refs=_refs(known[one])) for one in found]


def _refs(payment: Payment) -> tuple[str, ...]:
    prices: Sequence[str] = () if payment.invoice is None else payment.invoice.price_ids
    return (*([] if payment.product is None else [payment.product]), *prices)


# Built once. Each half of the union has an index of its own; one OR over both would read every charge.
_IN_TIME = (
    charges.c.captured_minor > 0,
    charges.c.livemode == bindparam("live", type_=Boolean),
    charges.c.created >= bindparam("from", type_=BigInteger),
    charges.c.created < bindparam("before", type_=BigInteger),
)
_HIS = union(
    select(charges.c.charge_id, charges.c.created).where(
        charges.c.email_digest == bindparam("email"), *_IN_TIME
    ),
    select(charges.c.charge_id, charges.c.created)
    .join(customers, customers.c.customer_id == charges.c.customer_id)
    .where(customers.c.email_digest == bindparam("email"), *_IN_TIME),
).subquery()
_PAID = (
    select(_HIS.c.charge_id)
    .order_by(_HIS.c.created, _HIS.c.charge_id)
    .limit(bindparam("most", type_=Integer))
)
