"""What `redress doctor` says about the catalogue: the file, and prices that it and Stripe say nothing about."""

import json
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from ledger.credit_issues import known_prices, mentioned_prices
from ledger.rows import AnyRow
from ops.diagnosis import Diagnosis, Level
from policy.catalogue import CatalogueError, offer_of_price
from runtime.wiring import Wiring
from workers.catalogue_book import CatalogueBook

#: So many prices are named; a catalogue that lacks more is missing altogether.
_NAMED_MAX: Final = 5


def diagnose_catalogue(wiring: Wiring) -> Iterator[Diagnosis]:
    """The catalogue's file, and every price that an invoice was for and nobody describes."""
    try:
        book = CatalogueBook(wiring.settings.redress_catalogue)
    except CatalogueError as error:
        yield Diagnosis(
            subject="catalogue",
            level=Level.FAIL,
            found=str(error),
            mend="mend the file that REDRESS_CATALOGUE names; docs/catalogue.md describes it",
        )
        return
    try:
        with wiring.store.read() as connection:
            mentioned = mentioned_prices(connection)
            offers = book.look(connection, mentioned)
            told = known_prices(connection, mentioned)
    except SQLAlchemyError:
        return  # the checks of the ledger say that it is away, or not migrated
    lacking = sorted(price_id for price_id in mentioned if offers.get(price_id) is None)
    if not lacking:
        yield Diagnosis(
            subject="catalogue",
            level=Level.OK,
            found=f"{len(mentioned)} prices seen, all of them known",
        )
        return
    reasons = [_reason(price_id, told.get(price_id)) for price_id in lacking[:_NAMED_MAX]]
    more = f" and {len(lacking) - _NAMED_MAX} more" if len(lacking) > _NAMED_MAX else ""
    yield Diagnosis(
        subject="catalogue",
        level=Level.WARN,
        found=f"{len(lacking)} of {len(mentioned)} prices are not described: {', '.join(reasons)}{more}",
        mend="describe them in the file that REDRESS_CATALOGUE names, or by metadata of the price"
        " (docs/catalogue.md); until then what they bought is unknown, and a person decides",
    )


def _reason(price_id: str, row: AnyRow | None) -> str:
    """The price, with what is wrong with its metadata if it has any."""
    if row is None:
        return price_id
    try:
        offer_of_price(price_id, row.interval, json.loads(row.offer))
    except CatalogueError as error:
        return str(error)
    return price_id
