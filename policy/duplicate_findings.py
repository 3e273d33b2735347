"""What the duplicate-charge detector found, and what it could not know about it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from policy.canonical_json import Json, JsonScalar, array, exact_keys, require_json
from policy.checks import require_count, require_member, require_text


class DuplicateKind(StrEnum):
    """Why two payments look like payments for the same thing, from certain to probable."""

    SAME_INVOICE = "same_invoice"  # the invoice was covered and paid again
    SAME_ORDER = "same_order"  # one order of the merchant's, one amount, one payer
    SECOND_SUBSCRIPTION = "second_subscription"  # a second running one to the same price
    SAME_PURCHASE = "same_purchase"  # one payer, amount and product within minutes


class Doubt(StrEnum):
    """What is not known about a finding; each is a question whose yes means "refund it"."""

    PAYER = "payer"
    CARD_ONLY = "card_only"
    PRODUCT = "product"
    ORDER = "order"
    INVOICE = "invoice"
    AMOUNT_DUE = "amount_due"
    PART_OF_INVOICE = "part_of_invoice"
    FIRST_INVOICES = "first_invoices"
    PRICES = "prices"
    AMOUNTS = "amounts"
    SUBSCRIPTION = "subscription"
    FIRST_ENDED = "first_ended"
    KEPT_DISPUTED = "kept_disputed"
    KEPT_REFUNDED_IN_PART = "kept_refunded_in_part"
    SPLIT_INTENT = "split_intent"
    CHAIN = "chain"
    PROBABLE = "probable"
    WON = "won"
    ACTED_ON = "acted_on"

    @property
    def question(self) -> str:
        """The question for the person who reviews the case."""
        return _QUESTIONS[self]


_QUESTIONS = {
    Doubt.PAYER: "Did one person pay both?",
    Doubt.CARD_ONLY: "Do both payments with this card belong to one customer and one purchase?",
    Doubt.PRODUCT: "Were both payments for the same product?",
    Doubt.ORDER: "Is the payment without an order reference for the order of the other one?",
    Doubt.INVOICE: "Is the payment without an invoice for what the other one's invoice charged?",
    Doubt.AMOUNT_DUE: "Was the invoice already paid in full by the payments before?",
    Doubt.PART_OF_INVOICE: "Is all of it to go back, although only a part exceeds the invoice?",
    Doubt.FIRST_INVOICES: "Is each payment the first one of its subscription?",
    Doubt.PRICES: "Are both subscriptions to the same price and nothing else?",
    Doubt.AMOUNTS: "Are both subscriptions for the same thing, although the amounts differ?",
    Doubt.SUBSCRIPTION: "Was the first subscription running when the second was paid?",
    Doubt.FIRST_ENDED: "Was only one subscription wanted, although the first has ended since?",
    Doubt.KEPT_DISPUTED: "Does the merchant keep the earlier payment in spite of its dispute?",
    Doubt.KEPT_REFUNDED_IN_PART: "Was the refund on the earlier payment for another reason?",
    Doubt.SPLIT_INTENT: "Is the charge, one of several of its payment, all of a second payment?",
    Doubt.CHAIN: "Is it for the same thing as the payment kept, to which only others tie it?",
    Doubt.PROBABLE: "Is it a duplicate? The terms leave findings of this certainty to a person.",
    Doubt.WON: "Is it to go back, although the bank decided its dispute for the merchant?",
    Doubt.ACTED_ON: "Is the rest to go back, although a part of it went back before?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Why a later payment may be for the same thing as an earlier one.

    `confidence` is 0 to 100; `compared` holds the values that the rule compared.
    """

    kind: DuplicateKind
    confidence: int
    doubts: tuple[Doubt, ...]
    compared: Mapping[str, JsonScalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One payment that repeats another: `charge_id` repeats `kept_charge_id`, which stays.

    At or above the terms' `refund_at`, `confidence` justifies a refund by itself; below, `doubts`
    says why a person has to look.
    """

    charge_id: str
    kept_charge_id: str
    kind: DuplicateKind
    confidence: int
    compared: Mapping[str, JsonScalar]
    doubts: tuple[Doubt, ...] = ()

    def __post_init__(self) -> None:
        """Refuse findings that could not be stored and read back."""
        require_text("charge_id", self.charge_id)
        require_text("kept_charge_id", self.kept_charge_id)
        require_member("kind", self.kind, DuplicateKind)
        require_count("confidence", self.confidence)
        require_member("compared", self.compared, dict)
        require_json("compared", self.compared)
        for doubt in self.doubts:
            require_member("doubts", doubt, Doubt)


def finding_to_json(finding: Finding) -> dict[str, Json]:
    """The finding as a JSON object with a key for each field."""
    return {
        "charge_id": finding.charge_id,
        "kept_charge_id": finding.kept_charge_id,
        "kind": finding.kind.value,
        "confidence": finding.confidence,
        "compared": dict(finding.compared),
        "doubts": [doubt.value for doubt in finding.doubts],
    }


def finding_from_json(value: Json) -> Finding:
    """The inverse of `finding_to_json`; MalformedFactError for unknown keys and wrong types."""
    known = exact_keys(value, "finding", [field.name for field in fields(Finding)])
    known["kind"] = DuplicateKind(known["kind"])
    known["doubts"] = tuple(Doubt(doubt) for doubt in array(known["doubts"], "doubts"))
    return Finding(**known)
