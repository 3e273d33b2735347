"""What is sold, as far as it is known now: the catalogue's file, and what Stripe's prices say themselves."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from sqlalchemy import Connection

from ledger.credit_issues import known_prices
from policy.catalogue import CatalogueError, Offer, offer_of_price, read_catalogue
from runtime.limits import CATALOGUE_BYTES_MAX


class CatalogueBook:
    """The offers by price or product. Raises CatalogueError at birth when the file cannot be followed."""

    def __init__(self, path: Path | None = None) -> None:
        self._offers = {} if path is None else _read(path)

    def of_product(self, ref: str | None) -> Offer | None:
        """The offer that the file has for a product of the merchant's own naming."""
        return None if ref is None else self._offers.get(ref)

    def of_price(
        self, price_id: str, interval: str | None, metadata: Mapping[str, str]
    ) -> Offer | None:
        """The offer of a price that Stripe has just shown; None for one that nobody describes, or none can follow."""
        if price_id in self._offers:
            return self._offers[price_id]
        try:
            return offer_of_price(price_id, interval, metadata)
        except CatalogueError:
            return None

    def look(self, connection: Connection, price_ids: Iterable[str]) -> Mapping[str, Offer | None]:
        """The offer of each price: None for one that is none, and no entry while Stripe has not told.

        A price whose metadata cannot be followed is no offer; `redress doctor` says why.
        """
        wanted = set(price_ids)
        listed = {ref: self._offers[ref] for ref in wanted & self._offers.keys()}
        rest = wanted - listed.keys()
        told = known_prices(connection, rest) if rest else {}
        return listed | {
            ref: self.of_price(row.price_id, row.interval, json.loads(row.offer))
            for ref, row in told.items()
        }


def _read(path: Path) -> Mapping[str, Offer]:
    try:
        with path.open("rb") as file:
            content = file.read(CATALOGUE_BYTES_MAX + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name}: cannot be read: {type(error).__name__}") from error
    if len(content) > CATALOGUE_BYTES_MAX:
        raise CatalogueError(f"{path.name}: is larger than {CATALOGUE_BYTES_MAX} bytes")
    return read_catalogue(text, path.name)
