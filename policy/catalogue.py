"""What the merchant sells: for each of Stripe's prices, what it is, how it ranks, what credits it brings.

It comes from a TOML file (`[offers."price_…"]`) or from a price's own metadata (`redress_*` keys); the file
wins. Nothing is guessed from names or amounts: a price that neither knows is not in the catalogue, and
what was bought by it is an unknown fact.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy.request_facts import Plan
from policy.toml_table import TomlTable

_CREDITS_MAX = 10**9
_TIER_MAX = 1000
_VALIDITY_DAYS_MAX = 3660
#: What a price's metadata may say, each key with this in front.
METADATA_PREFIX = "redress_"
_KINDS = ("subscription", "credit_pack")
_PLANS = {"month": Plan.MONTHLY, "year": Plan.ANNUAL}
_KNOWN = {"name", "kind", "interval", "tier", "credits", "validity_days"}
_REQUIRED = {"name", "kind", "credits"}


class CatalogueError(ValueError):
    """An entry of the catalogue cannot be followed; the text names where it stands and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One thing that is sold. `ref` is Stripe's price id, or the product that a charge's metadata names.

    `credits` are issued once for a pack and each month for a plan, an annual one included. `tier`
    ranks plans, higher is better; None where the merchant does not rank. `validity_days` is how long
    issued credits can be used; None: they do not expire.
    """

    ref: str
    name: str
    plan: Plan
    tier: int | None
    credits: int
    validity_days: int | None


def read_catalogue(text: str, file: str) -> dict[str, Offer]:
    """The offers of a catalogue file by their ref; `file` is its name for errors. Raises CatalogueError."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as broken:
        raise CatalogueError(f"{file}: {broken}") from broken
    top = TomlTable(file=file, path="", entries=content, refused=CatalogueError)
    top.require_keys({"offers"})
    offers = top.table("offers")
    return {ref: _offer(ref, offers.table(ref)) for ref in offers.entries}


def offer_of_price(
    price_id: str, interval: str | None, metadata: Mapping[str, str]
) -> Offer | None:
    """The offer that a price's metadata describes; None when it has none of our keys.

    `interval` is Stripe's own word ("month", "year"), None for a price that is paid once; of a price
    that recurs at any other pace nothing is known. Raises CatalogueError for senseless metadata.
    """
    ours: dict[str, Any] = {
        key.removeprefix(METADATA_PREFIX): value
        for key, value in metadata.items()
        if key.startswith(METADATA_PREFIX)
    }
    if not ours:
        return None
    ours.setdefault("name", price_id)
    ours.setdefault("kind", "credit_pack" if interval is None else "subscription")
    if ours["kind"] == "subscription" and interval is not None:
        ours.setdefault("interval", interval)
    # Metadata are texts; what is no number stays one, and is refused with the others.
    for key in ("tier", "credits", "validity_days"):
        if key in ours and ours[key].isascii() and ours[key].isdigit():
            ours[key] = int(ours[key])
    table = TomlTable(
        file=price_id, path=f"metadata.{METADATA_PREFIX}", entries=ours, refused=CatalogueError
    )
    return _offer(price_id, table)


def _offer(ref: str, table: TomlTable) -> Offer:
    table.require_keys(_REQUIRED | (set(table.entries) & _KNOWN))
    kind = table.choice("kind", _KINDS)
    if kind == "subscription":
        plan = _PLANS[table.choice("interval", tuple(_PLANS))]
    elif "interval" in table.entries:
        raise table.error("interval", "is for subscriptions; a credit pack is paid once")
    else:
        plan = Plan.PACK
    return Offer(
        ref=ref,
        name=table.text("name"),
        plan=plan,
        tier=table.number("tier", 0, _TIER_MAX) if "tier" in table.entries else None,
        credits=table.number("credits", 1, _CREDITS_MAX),
        validity_days=table.number("validity_days", 1, _VALIDITY_DAYS_MAX)
        if "validity_days" in table.entries
        else None,
    )
