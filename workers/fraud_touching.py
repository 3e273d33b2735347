"""Which payments must be looked at for fraud because one of Stripe's objects reads differently."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from ledger.cases import FRAUD, cases_about, cases_of_charges
from ledger.fraud_facts import later_payments, payments_of_card, payments_of_customer
from ledger.projections import Projection, Sighting
from ledger.stripe_tables import charges
from policy.fraud_signals import Try

#: What of a charge says anything about fraud; the rest can only end a case that is there.
_TELLING = frozenset(
    {
        *("status", "captured_minor", "customer_id", "card_fingerprint", "email_digest"),
        *("ip_digest", "device_digest", "signals"),
    }
)

#: What a try can share with others → its column.
_TRY_COLUMNS: Mapping[str, str] = {
    "customer": "customer_id",
    "card": "card_fingerprint",
    "email": "email_digest",
    "ip": "ip_digest",
    "device": "device_digest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Touched:
    """Which columns of a projection matter, None for any of them, and to which charges."""

    columns: frozenset[str]
    charge_ids: Callable[[Connection, Sighting, Projection], list[str]]


def suspects(
    connection: Connection, sighting: Sighting, projection: Projection, *, anyway: bool = False
) -> list[str]:
    """The charges whose judgement may differ. `anyway`: although nothing changed (a replay asks again)."""
    found = _TOUCHED.get(sighting.table.name)
    if found is None or not (anyway or projection.changed & found.columns):
        return []
    return found.charge_ids(connection, sighting, projection)


def _of_charge(connection: Connection, sighting: Sighting, projection: Projection) -> list[str]:
    """The charge itself, and those after it that count it among their tries."""
    if not projection.changed & _TELLING:
        known = cases_about(connection, FRAUD, [sighting.key])
        return [sighting.key] if known else []
    return [sighting.key, *later_payments(connection, told_try(sighting.key, sighting.values))]


def told_try(charge_id: str, values: Mapping[str, object]) -> Try:
    """The try to pay that a charge's columns tell of."""
    return Try(
        charge_id=charge_id,
        created=int(str(values["created"])),
        succeeded=values["status"] == "succeeded",
        amount_minor=int(str(values["amount_minor"])),
        currency=str(values["currency"]),
        **{name: _text(values[column]) for name, column in _TRY_COLUMNS.items()},
    )


def _text(found: object) -> str | None:
    return None if found is None else str(found)


def _of_card(connection: Connection, sighting: Sighting, _projection: Projection) -> list[str]:
    """The payments that the report speaks about: a report that is taken back has spoken about them too."""
    return payments_of_card(connection, str(sighting.values["charge_id"]))


def _of_customer(connection: Connection, sighting: Sighting, _projection: Projection) -> list[str]:
    """What the customer paid: the address counts where the charge has none of its own."""
    return payments_of_customer(connection, sighting.key)


def _paid_and_suspected(
    connection: Connection, sighting: Sighting, _projection: Projection
) -> list[str]:
    """The payments that wait to be told what they were for."""
    parameters = {"payment_intent": sighting.values["payment_intent_id"]}
    paid = list(connection.execute(_OF_PAYMENT_INTENT, parameters).scalars())
    return paid if cases_of_charges(connection, paid) else []


def _of_review(connection: Connection, sighting: Sighting, _projection: Projection) -> list[str]:
    if sighting.values["charge_id"] is not None:
        return [str(sighting.values["charge_id"])]
    parameters = {"payment_intent": sighting.values["payment_intent_id"]}
    return list(connection.execute(_OF_PAYMENT_INTENT, parameters).scalars())


_TOUCHED: Mapping[str, _Touched] = {
    "charges": _Touched(columns=_TELLING | {"refunded_minor", "disputed"}, charge_ids=_of_charge),
    "customers": _Touched(columns=frozenset({"disposable", "created"}), charge_ids=_of_customer),
    "disputes": _Touched(
        columns=frozenset({"status", "reason", "amount_minor", "due_by"}), charge_ids=_of_card
    ),
    "early_fraud_warnings": _Touched(
        columns=frozenset({"actionable", "fraud_type"}), charge_ids=_of_card
    ),
    "invoice_payments": _Touched(
        columns=frozenset({"invoice_id", "payment_intent_id"}), charge_ids=_paid_and_suspected
    ),
    "reviews": _Touched(columns=frozenset({"open", "closed_reason"}), charge_ids=_of_review),
}
# Built once: building one costs as much as running it.
_OF_PAYMENT_INTENT = select(charges.c.charge_id).where(
    charges.c.payment_intent_id == bindparam("payment_intent")
)
