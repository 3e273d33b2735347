"""What the ledger knows about fraud around one payment: tries to pay, reports of the card, whom to trust.

Each look is a few ranges of an index, each cut off at a number of rows, so that it costs the same however large the
ledger has grown. Rows count by when the payment was tried, so every order of arrival ends with the same facts.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    exists,
    func,
    select,
    union_all,
)

from ledger.rows import AnyRow
from ledger.stripe_tables import charges, customers, disputes
from policy.fraud_signals import DAY_SECONDS, Signal, Try, newness

#: Of what shares one card, customer, address or device with a payment, at most so many tries are looked at.
TRIES_MAX = 200
_GOOD_MAX = 10
#: How far apart two payments of one card can be and a report about one still speak about the other: Stripe
#: gives a customer about 120 days to dispute.
REPORT_SECONDS = 120 * DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A payment as far as fraud is looked for: its own try, what its charge told, and those around it.

    `near` are the tries that share something with it, from the day that ends with it.
    """

    own: Try
    network: str | None
    told: Mapping[str, Signal]
    of_customer: Mapping[str, Signal]  # what its customer tells, where the charge does not
    near: tuple[Try, ...]


def suspect(connection: Connection, charge_id: str) -> Suspect | None:
    """One charge with the tries before it; None when the ledger does not know it."""
    row = connection.execute(_SUBJECT, {"charge": charge_id}).first()
    if row is None:
        return None
    own = _try(row)
    near = _tries(connection, _BEFORE, own, own.created - DAY_SECONDS, own.created)
    of_customer: Mapping[str, Signal] = {
        "disposable_email": row.disposable,
        "new_customer": newness(own.created, row.customer_since),
    }
    return Suspect(
        own=own,
        network=row.card_network,
        told=json.loads(row.signals),
        of_customer=of_customer,
        near=near,
    )


def later_payments(connection: Connection, own: Try) -> list[str]:
    """The payments that came after a try and count it among theirs."""
    near = _tries(connection, _AFTER, own, own.created, own.created + DAY_SECONDS)
    return [one.charge_id for one in near if one.succeeded and one.charge_id != own.charge_id]


def good_payments(connection: Connection, own: Try, before: int) -> int:
    """How many undisputed payments the customer made before the unix second `before`, up to a few."""
    if own.customer is None:
        return 0
    parameters = {"customer": own.customer, "before": before}
    return int(connection.execute(_GOOD, parameters).scalar_one())


def payments_of_card(connection: Connection, charge_id: str) -> list[str]:
    """The payments of the card that paid one charge which a report about it speaks about, itself included."""
    row = connection.execute(_SUBJECT, {"charge": charge_id}).first()
    if row is None:
        return []
    if row.card_fingerprint is None:
        return [charge_id]
    parameters = {
        "card": row.card_fingerprint,
        "from": row.created - REPORT_SECONDS,
        "to": row.created + REPORT_SECONDS,
    }
    return list(connection.execute(OF_CARD, parameters).scalars())


def payments_of_customer(connection: Connection, customer_id: str) -> list[str]:
    """The newest payments of a customer, as many as anything looks at."""
    return list(connection.execute(_OF_CUSTOMER, {"customer": customer_id}).scalars())


def keys_of(own: Try) -> Iterable[str]:
    """The names of what other payments can share with this one, to lock while it is judged."""
    return [f"{name}:{value}" for name in SHARED if (value := getattr(own, name)) is not None]


def own_try(connection: Connection, charge_id: str) -> Try | None:
    """A charge's own try alone; None when the ledger does not know it."""
    row = connection.execute(_SUBJECT, {"charge": charge_id}).first()
    return None if row is None else _try(row)


def _tries(
    connection: Connection, near: CompoundSelect[Any], own: Try, since: int, until: int
) -> tuple[Try, ...]:
    shared = {name: getattr(own, name) for name in SHARED}
    rows = connection.execute(near, {**shared, "from": since, "to": until})
    found = {row.charge_id: _try(row) for row in rows}
    return tuple(sorted(found.values(), key=lambda one: (one.created, one.charge_id)))


def _try(row: AnyRow) -> Try:
    return Try(
        charge_id=row.charge_id,
        created=row.created,
        succeeded=row.status == "succeeded",
        amount_minor=row.amount_minor,
        currency=row.currency,
        customer=row.customer_id,
        card=row.card_fingerprint,
        email=row.email_digest,
        ip=row.ip_digest,
        device=row.device_digest,
    )


#: What tries can share, by the names of `Try`.
SHARED = ("customer", "card", "email", "ip", "device")
_COLUMNS: Mapping[str, Column[Any]] = {
    "customer": charges.c.customer_id,
    "card": charges.c.card_fingerprint,
    "email": charges.c.email_digest,
    "ip": charges.c.ip_digest,
    "device": charges.c.device_digest,
}
_FROM: BindParameter[int] = bindparam("from", type_=BigInteger)
_TO: BindParameter[int] = bindparam("to", type_=BigInteger)
_READ = (
    charges.c.charge_id,
    charges.c.created,
    charges.c.status,
    charges.c.amount_minor,
    charges.c.currency,
    *_COLUMNS.values(),
)

# Statements are built once: building one costs as much as running it.
_SUBJECT = (
    select(
        *_READ,
        charges.c.signals,
        charges.c.card_network,
        customers.c.disposable,
        customers.c.created.label("customer_since"),
    )
    .outerjoin(customers, customers.c.customer_id == charges.c.customer_id)
    .where(charges.c.charge_id == bindparam("charge"))
)


def _sharing(name: str, *order: ColumnElement[Any]) -> Select[Any]:
    cut = (
        select(*_READ)
        .where(_COLUMNS[name] == bindparam(name), charges.c.created.between(_FROM, _TO))
        .order_by(*order)
        .limit(TRIES_MAX)
        .subquery()
    )
    return select(cut)


# What is nearest to the payment tells most.
_NEWEST = (charges.c.created.desc(), charges.c.charge_id.desc())
_BEFORE = union_all(*(_sharing(name, *_NEWEST) for name in SHARED))
_AFTER = union_all(*(_sharing(name, charges.c.created, charges.c.charge_id) for name in SHARED))
#: The payments of one card within a span of time, the newest first.
OF_CARD = (
    select(charges.c.charge_id)
    .where(charges.c.card_fingerprint == bindparam("card"), charges.c.created.between(_FROM, _TO))
    .order_by(*_NEWEST)
    .limit(TRIES_MAX)
)
_OF_CUSTOMER = (
    select(charges.c.charge_id)
    .where(charges.c.customer_id == bindparam("customer"))
    .order_by(charges.c.created.desc())
    .limit(TRIES_MAX)
)
_GOOD = select(func.count()).select_from(
    select(charges.c.charge_id)
    .where(
        charges.c.customer_id == bindparam("customer"),
        charges.c.created < bindparam("before", type_=BigInteger),
        charges.c.status == "succeeded",
        ~exists().where(disputes.c.charge_id == charges.c.charge_id),
    )
    .order_by(charges.c.created.desc())
    .limit(_GOOD_MAX)
    .subquery()
)
