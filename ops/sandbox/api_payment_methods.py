"""Cards of the sandbox: test tokens only, never card numbers (https://docs.stripe.com/testing).

A card's identity is its `fingerprint`: the same text is the same card. `_declines` holds
[code, decline_code] of a card that is always declined.
"""

import zlib
from dataclasses import dataclass
from typing import Any

from ops.sandbox.api_call import Call, merged_metadata
from ops.sandbox.api_errors import bad_parameter, invalid, missing
from ops.sandbox.api_lists import list_objects
from ops.sandbox.book_tables import Json

_FINGERPRINT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCard:
    """What a test token stands for; `declines` is (code, decline_code)."""

    brand: str
    last4: str
    funding: str = "credit"
    declines: tuple[str, str] | None = None


CARDS = {
    "visa": TestCard(brand="visa", last4="4242"),
    "visa_debit": TestCard(brand="visa", last4="5556", funding="debit"),
    "mastercard": TestCard(brand="mastercard", last4="4444"),
    "amex": TestCard(brand="amex", last4="8431"),
    "discover": TestCard(brand="discover", last4="1117"),
    "jcb": TestCard(brand="jcb", last4="0505"),
    "chargeDeclined": TestCard(
        brand="visa", last4="0002", declines=("card_declined", "generic_decline")
    ),
    "chargeDeclinedInsufficientFunds": TestCard(
        brand="visa", last4="9995", declines=("card_declined", "insufficient_funds")
    ),
    # The bank wants to hear of the cardholder, who is not there when a subscription is changed.
    "authenticationRequired": TestCard(
        brand="visa", last4="3184", declines=("authentication_required", "authentication_required")
    ),
    "chargeDeclinedExpiredCard": TestCard(
        brand="visa", last4="0069", declines=("expired_card", "expired_card")
    ),
}


def create(call: Call) -> Json:
    """Create a card from `card[token]=tok_…`; the metadata may choose fingerprint and country."""
    given = call.params
    if given["type"] != "card" if "type" in given else True:
        raise bad_parameter("The sandbox has cards only: give type=card", "type")
    card = given.get("card", {})
    if "number" in card or "token" not in card:
        raise bad_parameter(
            "The sandbox takes no card numbers: give card[token]=tok_visa", "card[token]"
        )
    metadata = merged_metadata({}, given.get("metadata"))
    fingerprint = metadata.get("sandbox_fingerprint") or "".join(
        call.rng.choices(_FINGERPRINT_ALPHABET, k=16)
    )
    method = _render(call, _test_card(card["token"], "tok_", "card[token]"), fingerprint, metadata)
    method["billing_details"] |= given.get("billing_details", {})
    return call.save("payment_methods", method)


def retrieve(call: Call) -> Json:
    """Return one payment method."""
    return call.fetch("payment_methods")


def attach(call: Call) -> Json:
    """Attach a payment method (or a pm_card_… token) to a customer; emits payment_method.attached."""
    customer = call.fetch("customers", call.params.get("customer", ""), "customer")
    method = resolve(call, call.path_ids[0], "payment_method")
    if method["customer"] not in (None, customer["id"]):
        raise invalid("The payment method is attached to another customer.", "payment_method")
    method["customer"] = customer["id"]
    call.save("payment_methods", method)
    call.emit("payment_method.attached", method)
    return method


def list_all(call: Call) -> Json:
    """List payment methods of `customer`."""
    return list_objects(call, "payment_methods", "customer")


def list_of_customer(call: Call) -> Json:
    """List the payment methods of the customer in the path."""
    call.fetch("customers")
    call.params["customer"] = call.path_ids[0]
    return list_objects(call, "payment_methods", "customer")


def resolve(call: Call, wanted: str, param: str) -> Json:
    """Return the payment method of an id, or a new one of the card that a pm_card_… token names."""
    if not wanted.startswith("pm_card_"):
        return call.fetch("payment_methods", wanted, param)
    name = wanted.removeprefix("pm_card_")
    method = _render(call, _test_card(wanted, "pm_card_", param), f"sandbox_{name}", {})
    return call.save("payment_methods", method)


def charge_details(method: Json) -> Json:
    """Return `payment_method_details` of a charge made with this card."""
    card = method["card"]
    copied = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    details: Json = {name: card[name] for name in copied} | {
        "amount_authorized": None,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "multicapture": {"status": "available"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": 0, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }
    return {"card": details, "type": "card"}


def _test_card(token: Any, prefix: str, param: str) -> TestCard:
    card = CARDS.get(str(token).removeprefix(prefix))
    if card is None or not str(token).startswith(prefix):
        raise missing("token" if prefix == "tok_" else "PaymentMethod", str(token), param)
    return card


def _render(call: Call, card: TestCard, fingerprint: str, metadata: dict[str, str]) -> Json:
    last4 = card.last4
    if not fingerprint.startswith("sandbox_") and card.declines is None:
        # Two different cards should also look different to a person.
        last4 = f"{zlib.crc32(fingerprint.encode()) % 10_000:04}"
    return {
        "id": call.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "card": {
            "brand": card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
            "country": metadata.get("sandbox_country", "US"),
            "display_brand": card.brand,
            "exp_month": 8,
            "exp_year": 2034,
            "fingerprint": fingerprint,
            "funding": card.funding,
            "generated_from": None,
            "last4": last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": call.now,
        "customer": None,
        "livemode": False,
        "metadata": metadata,
        "type": "card",
        "_declines": list(card.declines) if card.declines else None,
    }
