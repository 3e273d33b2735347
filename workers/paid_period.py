"""What a payment bought, for how long, and how much of that time the product was down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.credit_issues import billed_prices
from ledger.outages import Outage, outages_within, without_a_break
from policy.billing_periods import period_end
from policy.catalogue import Offer
from policy.payments import Payment
from policy.request_facts import Plan
from workers.catalogue_book import CatalogueBook

_DAY_SECONDS = 86_400
_INTERVALS: Mapping[Plan, str] = {Plan.MONTHLY: "month", Plan.ANNUAL: "year"}
#: How far ahead outages are looked for when the period is not known.
_LONGEST_SECONDS = 366 * _DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidPeriod:
    """The facts by the names of the policy; None where they are not known. Seconds."""

    offer: Offer | None
    period_seconds: int | None
    lost_seconds: int | None
    longest_outage_seconds: int

    @property
    def plan(self) -> Plan | None:
        """What was bought."""
        return None if self.offer is None else self.offer.plan


def paid_period(
    catalogue: CatalogueBook,
    connection: Connection,
    payment: Payment,
    also: Sequence[Outage] = (),
) -> PaidPeriod:
    """The period of a payment: that of its one price or product, as the catalogue tells.

    `also` are outages that may not be written down yet; one that is counts once all the same.
    """
    offer = _offer(catalogue, connection, payment)
    period_seconds = None if offer is None else _seconds(offer, payment.created)
    refs = [] if offer is None else [offer.ref]
    ends_at = payment.created + (period_seconds or _LONGEST_SECONDS)
    found = [*outages_within(connection, payment.created, ends_at), *also]
    found = [one for one in found if one.seconds_within(payment.created, ends_at)]
    stretches = without_a_break([one for one in found if one.touches(refs)])
    lost_seconds = sum(
        min(ended, ends_at) - max(began, payment.created) for began, ended in stretches
    )
    return PaidPeriod(
        offer=offer,
        period_seconds=period_seconds,
        lost_seconds=None if period_seconds is None and lost_seconds else lost_seconds,
        longest_outage_seconds=max((ended - began for began, ended in stretches), default=0),
    )


def _offer(catalogue: CatalogueBook, connection: Connection, payment: Payment) -> Offer | None:
    """None for several things at once, and for what nobody describes."""
    if payment.invoice is None:
        return catalogue.of_product(payment.product)
    # What is prorated on it belongs to another plan.
    billed = billed_prices(connection, payment.invoice.invoice_id) or payment.invoice.price_ids
    known = catalogue.look(connection, billed)
    offers = [known.get(price_id) for price_id in billed]
    return offers[0] if len(offers) == 1 else None


def _seconds(offer: Offer, paid_at: int) -> int | None:
    if offer.plan is Plan.PACK:
        return None if offer.validity_days is None else offer.validity_days * _DAY_SECONDS
    return period_end(paid_at, _INTERVALS[offer.plan], 1, paid_at) - paid_at
