"""What a rendering of a charge tells about fraud: Radar's word, the card's checks, countries, address and device.

The product may set the charge's metadata `ip_address`, `ip_country` and `device_id`; the address and the device
are kept as digests only. Source: https://docs.stripe.com/api/charges/object (2026-10-28.endive).
"""

from typing import Final

from disposable_email_domains import blocklist

from policy.canonical_json import Json, dump_canonical
from policy.fraud_signals import agreement
from runtime.email_digest import digest_of
from workers.rendered_fields import RenderedFields

IP_KEY: Final = "ip_address"
IP_COUNTRY_KEY: Final = "ip_country"
DEVICE_KEY: Final = "device_id"
_SCORE_MAX: Final = 100


def told_signals(fields: RenderedFields, address: str | None) -> str:
    """The canonical JSON of what the charge tells, without what it does not; `address` is the payer's e-mail."""
    outcome, card = fields.part("outcome"), fields.part("payment_method_details").part("card")
    checks, metadata = card.part("checks"), fields.part("metadata")
    billing = fields.part("billing_details").part("address")
    found: dict[str, Json] = {
        "outcome": outcome.text_or_none("type"),
        "risk_level": outcome.text_or_none("risk_level"),
        "risk_score": _score(outcome),
        "radar_rule": outcome.reference("rule"),
        "cvc_check": checks.text_or_none("cvc_check"),
        "postal_code_check": checks.text_or_none("address_postal_code_check"),
        "address_check": checks.text_or_none("address_line1_check"),
        "countries": agreement(
            card.text_or_none("country"),
            billing.text_or_none("country"),
            metadata.text_or_none(IP_COUNTRY_KEY),
        ),
        "disposable_email": None if address is None else disposable(address),
        "three_d_secure": card.part("three_d_secure").text_or_none("result"),
    }
    return dump_canonical({name: value for name, value in found.items() if value is not None})


def network_of(fields: RenderedFields) -> str | None:
    """The card's network (visa, mastercard, …), whose programmes count its disputes."""
    card = fields.part("payment_method_details").part("card")
    return card.text_or_none("network") or card.text_or_none("brand")


def metadata_digest(fields: RenderedFields, key: str) -> str | None:
    """The digest of what the product set under a metadata key; None where it set nothing."""
    found = fields.part("metadata").text_or_none(key)
    return None if found is None else digest_of(key, found)


def _score(outcome: RenderedFields) -> int | None:
    """Radar's score; None for what is none, because no payment may be kept back by its form."""
    found = outcome.raw("risk_score")
    exact = isinstance(found, int) and not isinstance(found, bool)
    return found if exact and isinstance(found, int) and 0 <= found <= _SCORE_MAX else None


def disposable(address: str) -> str:
    """`yes` for an e-mail address of a domain that gives them away by the hour, `no` for any other."""
    return "yes" if address.rpartition("@")[2].casefold() in blocklist else "no"
