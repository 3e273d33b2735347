"""Which purchase does a request mean? By address, day and product; never by a guess.

People write the day of their own clock and the product in their own words. So the days around count
where the day itself has nothing, and a product is what Stripe calls it or what the catalogue does.
Of more purchases than are read none is taken: one that fits better may be among the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from ledger.purchase_matching import CANDIDATES_MAX, PurchaseFound, purchases_of
from workers.catalogue_book import CatalogueBook

_DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The one purchase that fits."""

    purchase: PurchaseFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """None fits better than another; none at all where nothing is known of the address."""

    candidates: tuple[PurchaseFound, ...]


def find_purchase(
    connection: Connection,
    catalogue: CatalogueBook,
    *,
    email_digest: str,
    purchase_date: date,
    product: str,
    livemode: bool,
) -> Found | Ambiguous:
    """The purchase of that address, day (UTC) and product, or what a person has to choose from."""
    near = purchases_of(
        connection,
        email_digest=email_digest,
        paid_from=_midnight(purchase_date, -1),
        paid_before=_midnight(purchase_date, 2),
        livemode=livemode,
    )
    if len(near) > CANDIDATES_MAX:
        return Ambiguous(candidates=tuple(near[:CANDIDATES_MAX]))
    named = [one for one in near if _is_called(connection, catalogue, one, product)]
    on_the_day = [one for one in named if _day_of(one) == purchase_date]
    for fitting in (on_the_day, named):
        if len(fitting) == 1:
            return Found(purchase=fitting[0])
        if fitting:
            return Ambiguous(candidates=tuple(fitting))
    return Ambiguous(candidates=tuple(near))


def _is_called(
    connection: Connection, catalogue: CatalogueBook, purchase: PurchaseFound, product: str
) -> bool:
    wanted = product.strip().casefold()
    return wanted in {name.casefold() for name in _names(connection, catalogue, purchase.refs)}


def _names(connection: Connection, catalogue: CatalogueBook, refs: Sequence[str]) -> list[str]:
    offers = [*catalogue.look(connection, refs).values(), *map(catalogue.of_product, refs)]
    return [*refs, *(offer.name for offer in offers if offer is not None)]


def _day_of(purchase: PurchaseFound) -> date:
    return datetime.fromtimestamp(purchase.payment.created, UTC).date()


def _midnight(day: date, days_on: int) -> int:
    """The unix second at which the day that is `days_on` later begins."""
    # Counted, not built: a customer may name the last day that a calendar has.
    return (day.toordinal() - _EPOCH.toordinal() + days_on) * _DAY_SECONDS
