"""Who buys what in the played shop: a catalogue of AI image and video credits, and its customers.

Amounts are minor units of the currency they stand beside. Everything here is made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A one-time credit pack; `sku` is what the shop writes into a payment's metadata."""

    sku: str
    name: str
    amounts_minor: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A subscription tier billed every `interval` ("month" or "year"); `credits` are issued by the month."""

    key: str
    name: str
    interval: str
    tier: int
    credits: int
    amounts_minor: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """A customer before the shop knows its Stripe ids; `card` names its card within one day."""

    number: int
    name: str
    email: str
    card: str
    card_token: str


#: What each tier issues in a month, the lowest tier first.
_TIER_CREDITS = {"starter": 200, "creator": 600, "studio": 2000}


def _pack(sku: str, name: str, *amounts_minor: int) -> Pack:
    by_currency = zip(("usd", "eur", "gbp", "jpy"), amounts_minor, strict=True)
    return Pack(sku=sku, name=name, amounts_minor=MappingProxyType(dict(by_currency)))


def _plan(tier: str, interval: str, *amounts_minor: int) -> Plan:
    by_currency = zip(("usd", "eur"), amounts_minor, strict=True)
    name = f"{tier.capitalize()}, billed by the {interval}"
    amounts = MappingProxyType(dict(by_currency))
    rank = list(_TIER_CREDITS).index(tier) + 1
    return Plan(
        key=f"{tier}-{interval}",
        name=name,
        interval=interval,
        tier=rank,
        credits=_TIER_CREDITS[tier],
        amounts_minor=amounts,
    )


# Two packs cost the same on purpose: equal amounts for different products are no duplicates.
PACKS: Mapping[str, Pack] = MappingProxyType(
    {
        pack.sku: pack
        for pack in (
            _pack("images-100", "100 image credits", 900, 900, 800, 1400),
            _pack("video-10", "10 seconds of video", 900, 900, 800, 1400),
            _pack("images-500", "500 image credits", 3900, 3700, 3300, 6000),
            _pack("video-120", "2 minutes of video", 9900, 9500, 8500, 15000),
        )
    }
)

PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        plan.key: plan
        for plan in (
            _plan("starter", "month", 1200, 1100),
            _plan("creator", "month", 2900, 2700),
            _plan("studio", "month", 7900, 7500),
            _plan("starter", "year", 12000, 11000),
            _plan("creator", "year", 29000, 27000),
            _plan("studio", "year", 79000, 75000),
        )
    }
)

_FIRST_NAMES = ("Ada", "Bruno", "Chloé", "Dmitri", "Elif", "Femi", "Grace", "Hiro", "Inês", "Jun")
_LAST_NAMES = ("Almeida", "Brown", "Çelik", "Dubois", "Evans", "Fischer", "García", "Haddad", "Ito")
_CARD_TOKENS = ("tok_visa", "tok_mastercard", "tok_visa", "tok_amex", "tok_visa")


def buyer(number: int) -> Buyer:
    """Return the buyer of that number; the same number is the same person with the same card."""
    first = _FIRST_NAMES[number % len(_FIRST_NAMES)]
    last = _LAST_NAMES[number // len(_FIRST_NAMES) % len(_LAST_NAMES)]
    return Buyer(
        number=number,
        name=f"{first} {last}",
        email=f"buyer-{number}@example.com",
        card=f"card-{number}",
        card_token=_CARD_TOKENS[number % len(_CARD_TOKENS)],
    )
