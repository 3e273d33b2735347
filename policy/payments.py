"""A payment as the policy sees it: what one captured charge was for, who paid it, what is left.

Times are Stripe's own (unix seconds, UTC) and amounts are minor units of the payment's currency.
None means "not known, or not there"; where the two differ, a field of its own says which.
"""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from policy.canonical_json import Json, array, exact_keys
from policy.checks import (
    MalformedFactError,
    require_count,
    require_currency,
    require_flag,
    require_member,
    require_text,
)
from policy.money import Money


class DisputeStanding(StrEnum):
    """Where the disputes about a charge stand, the worst of them when there are several."""

    NONE = "none"  # nobody disputed it
    INQUIRY = "inquiry"  # the bank asks; no money moved (Stripe's warning_* states)
    OPEN = "open"  # the money is withdrawn until the bank decides; refunds are refused
    WON = "won"  # the bank gave the money back to the merchant
    LOST = "lost"  # the customer has the money back


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFacts:
    """The invoice behind a payment.

    `billing_reason` is Stripe's word (`subscription_create`, `subscription_cycle`, …);
    `amount_due_minor` is what the invoice asked for when it was finalised, before any payment;
    `price_ids` is empty when its lines are not known.
    """

    invoice_id: str
    subscription_id: str | None
    billing_reason: str | None
    amount_due_minor: int | None
    price_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse wrong types and empty ids."""
        require_text("invoice_id", self.invoice_id)
        require_text("subscription_id", self.subscription_id, optional=True)
        require_text("billing_reason", self.billing_reason, optional=True)
        require_count("amount_due_minor", self.amount_due_minor, optional=True)
        require_member("price_ids", self.price_ids, tuple)
        for price_id in self.price_ids:
            require_text("price_ids", price_id)

    @property
    def told(self) -> bool:
        """Whether more is known of it than its id: a payment's tie may be told before the invoice itself."""
        return self.amount_due_minor is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFacts:
    """The subscription whose invoice was paid, in its newest known state (unix seconds)."""

    subscription_id: str
    created: int
    ended_at: int | None
    status: str

    def __post_init__(self) -> None:
        """Refuse wrong types and empty ids."""
        require_text("subscription_id", self.subscription_id)
        require_count("created", self.created)
        require_count("ended_at", self.ended_at, optional=True)
        require_text("status", self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One charge that took money, or tried to.

    `captured_minor` is 0 for attempts that failed. `refunded_minor` counts captured money only: the
    released rest of a hold is no refund. `invoice_known=False` means that an invoice may be behind
    it that nobody told us about yet; with True, `invoice=None` says that there is none.
    `disputed_minor` may exceed the charge. Raises ValueError at birth for wrong types.
    """

    charge_id: str
    payment_intent_id: str | None
    created: int
    captured_minor: int
    refunded_minor: int
    currency: str
    customer_id: str | None
    card_fingerprint: str | None
    order_reference: str | None
    product: str | None
    invoice: InvoiceFacts | None
    invoice_known: bool
    subscription: SubscriptionFacts | None
    dispute: DisputeStanding
    disputed_minor: int
    livemode: bool

    def __post_init__(self) -> None:
        """Refuse wrong types, empty texts, and an invoice that is there but not known."""
        require_text("charge_id", self.charge_id)
        for name in (
            "payment_intent_id",
            "customer_id",
            "card_fingerprint",
            "order_reference",
            "product",
        ):
            require_text(name, getattr(self, name), optional=True)
        for name in ("created", "captured_minor", "refunded_minor", "disputed_minor"):
            require_count(name, getattr(self, name))
        require_currency("currency", self.currency)
        require_flag("invoice_known", self.invoice_known)
        require_flag("livemode", self.livemode)
        require_member("dispute", self.dispute, DisputeStanding)
        self._require_consistent_invoice()

    def _require_consistent_invoice(self) -> None:
        if self.invoice is not None:
            require_member("invoice", self.invoice, InvoiceFacts)
            if not self.invoice_known:
                raise MalformedFactError("invoice_known must be true when an invoice is given")
        if self.subscription is not None:
            require_member("subscription", self.subscription, SubscriptionFacts)

    @property
    def fully_refunded(self) -> bool:
        """Whether all captured money went back by refunds."""
        return self.refunded_minor >= self.captured_minor

    @property
    def standing(self) -> bool:
        """Whether the merchant holds money of this payment that no open dispute can take away."""
        taken = self.dispute in (DisputeStanding.OPEN, DisputeStanding.LOST)
        return not self.fully_refunded and not taken

    @property
    def rest_minor(self) -> int:
        """Captured less refunded less disputed.

        An inquiry moved no money and a dispute that was won gave it back, so neither is deducted.
        """
        back = self.dispute in (DisputeStanding.INQUIRY, DisputeStanding.WON)
        disputed_minor = 0 if back else self.disputed_minor
        return max(0, self.captured_minor - self.refunded_minor - disputed_minor)

    def left(self) -> Money:
        """What can still be refunded, in the steps that Stripe takes for the currency."""
        return Money(amount_minor=self.rest_minor, currency=self.currency).rounded_for_refund()


def payment_to_json(payment: Payment) -> dict[str, Json]:
    """The payment as a JSON object with a key for each field."""
    written: dict[str, Any] = asdict(payment) | {"dispute": payment.dispute.value}
    if payment.invoice is not None:
        written["invoice"]["price_ids"] = list(payment.invoice.price_ids)
    return written


def payment_from_json(value: Json) -> Payment:
    """The inverse of `payment_to_json`; ValueError for unknown or missing keys and wrong types."""
    known = _exact_fields(value, "payment", Payment)
    if known["invoice"] is not None:
        known["invoice"] = _invoice_from_json(known["invoice"])
    if known["subscription"] is not None:
        subscription = _exact_fields(known["subscription"], "subscription", SubscriptionFacts)
        known["subscription"] = SubscriptionFacts(**subscription)
    return Payment(**known | {"dispute": DisputeStanding(known["dispute"])})


def _invoice_from_json(value: Json) -> InvoiceFacts:
    known = _exact_fields(value, "invoice", InvoiceFacts)
    return InvoiceFacts(**known | {"price_ids": tuple(array(known["price_ids"], "price_ids"))})


def _exact_fields(value: Json, where: str, record: type) -> dict[str, Any]:
    return exact_keys(value, where, [field.name for field in fields(record)])


def creation_order(payment: Payment) -> tuple[int, str]:
    """The key that sorts payments from the earliest: `created`, then the charge's id."""
    return payment.created, payment.charge_id
