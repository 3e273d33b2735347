"""The comparisons of two payments that several rules share, and how answers are put together.

An answer is True, False, or the `Doubt` that names the missing fact.
"""

from collections.abc import Sequence
from typing import TypeAlias

from policy.duplicate_findings import Doubt
from policy.payments import Payment

Answer: TypeAlias = bool | Doubt


def doubts_unless_refuted(answers: Sequence[Answer]) -> tuple[Doubt, ...] | None:
    """The doubts among the answers, in their order, or None when one of the answers is no."""
    if any(answer is False for answer in answers):
        return None
    return tuple(answer for answer in answers if isinstance(answer, Doubt))


def same_intent(one: Payment, other: Payment) -> bool:
    """Whether both are charges of one PaymentIntent; a charge without one is its own payment."""
    return one.payment_intent_id is not None and one.payment_intent_id == other.payment_intent_id


def same_customer(one: Payment, other: Payment) -> bool:
    """Whether both customers are known and one."""
    return one.customer_id is not None and one.customer_id == other.customer_id


def same_card(one: Payment, other: Payment) -> bool:
    """Whether both cards are known and one, by Stripe's fingerprint of the number."""
    return one.card_fingerprint is not None and one.card_fingerprint == other.card_fingerprint


def orders_agree(one: Payment, other: Payment) -> Answer:
    """Whether the merchant's order references speak for one purchase: equal, or none at all."""
    if one.order_reference == other.order_reference:
        return True
    return Doubt.ORDER if None in (one.order_reference, other.order_reference) else False
