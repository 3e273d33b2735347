"""Whether two first invoices mean that one customer subscribed twice to the same price.

Two invoices are two debts, so this is the only way in which payments of different invoices can be
for the same thing. Source: policy § Duplicates, "a second active subscription".
"""

from policy.canonical_json import JsonScalar
from policy.duplicate_findings import Doubt, DuplicateKind, Link
from policy.likeness import (
    Answer,
    doubts_unless_refuted,
    orders_agree,
    same_card,
    same_customer,
)
from policy.payments import InvoiceFacts, Payment, SubscriptionFacts
from policy.terms_file import DuplicateTerms

FIRST_INVOICE = "subscription_create"

# The states in which a subscription whose first invoice was paid is still one that the customer
# has: a paused or unpaid one goes on when it is paid again.
RUNNING = frozenset({"active", "trialing", "past_due", "unpaid", "paused"})


def link_second_subscription(
    earlier: Payment,
    later: Payment,
    invoices: tuple[InvoiceFacts, InvoiceFacts],
    terms: DuplicateTerms,
) -> Link | None:
    """Why `later` pays for a second subscription to what `earlier` already bought, or None.

    `invoices` are those of the two payments, in the same order.
    """
    first, second = invoices
    same_amount = earlier.captured_minor == later.captured_minor
    doubts = doubts_unless_refuted(
        (
            _two_subscriptions(first, second),
            _both_first_invoices(first, second),
            _one_subscriber(earlier, later),
            orders_agree(earlier, later),
            _same_lines(first, second, same_amount=same_amount),
            _close_together(earlier, later, terms),
            _first_still_running(earlier, later),
        ),
    )
    if doubts is None:
        return None
    levels = terms.confidence
    return Link(
        kind=DuplicateKind.SECOND_SUBSCRIPTION,
        confidence=levels.doubtful if doubts else levels.second_subscription,
        doubts=doubts,
        compared=_compared(earlier, later, invoices)
        | {"window_seconds": terms.second_subscription_window_seconds},
    )


def _two_subscriptions(first: InvoiceFacts, second: InvoiceFacts) -> Answer:
    if None in (first.subscription_id, second.subscription_id):
        return False
    return first.subscription_id != second.subscription_id


def _both_first_invoices(first: InvoiceFacts, second: InvoiceFacts) -> Answer:
    known = {first.billing_reason, second.billing_reason} - {None}
    if known - {FIRST_INVOICE}:
        return False
    return Doubt.FIRST_INVOICES if None in (first.billing_reason, second.billing_reason) else True


def _one_subscriber(earlier: Payment, later: Payment) -> Answer:
    if same_customer(earlier, later):
        return True
    return Doubt.CARD_ONLY if same_card(earlier, later) else False


def _same_lines(first: InvoiceFacts, second: InvoiceFacts, *, same_amount: bool) -> Answer:
    """The same prices for the same money; unknown or overlapping prices leave a doubt."""
    if not first.price_ids or not second.price_ids:
        return Doubt.PRICES if same_amount else False
    if sorted(first.price_ids) == sorted(second.price_ids):
        return True if same_amount else Doubt.AMOUNTS
    return False if set(first.price_ids).isdisjoint(second.price_ids) else Doubt.PRICES


def _close_together(earlier: Payment, later: Payment, terms: DuplicateTerms) -> Answer:
    return _seconds_apart(earlier, later) <= terms.second_subscription_window_seconds


def _seconds_apart(earlier: Payment, later: Payment) -> int:
    """Between the subscriptions' creation, or between the payments where one is not known."""
    first, second = _subscription(earlier), _subscription(later)
    if first is None or second is None:
        return later.created - earlier.created
    return abs(second.created - first.created)


def _first_still_running(earlier: Payment, later: Payment) -> Answer:
    first = _subscription(earlier)
    if first is None or _subscription(later) is None:
        return Doubt.SUBSCRIPTION
    if first.ended_at is not None:
        return Doubt.FIRST_ENDED if first.ended_at >= later.created else False
    return True if first.status in RUNNING else Doubt.SUBSCRIPTION


def _subscription(payment: Payment) -> SubscriptionFacts | None:
    """The facts of the subscription that the invoice names; those of another one tell nothing."""
    known, invoice = payment.subscription, payment.invoice
    if known is None or invoice is None or known.subscription_id != invoice.subscription_id:
        return None
    return known


def _compared(
    earlier: Payment,
    later: Payment,
    invoices: tuple[InvoiceFacts, InvoiceFacts],
) -> dict[str, JsonScalar]:
    first, second = invoices
    running = _subscription(earlier)
    return {
        "first_subscription_id": first.subscription_id,
        "second_subscription_id": second.subscription_id,
        "first_price_ids": ",".join(first.price_ids),
        "second_price_ids": ",".join(second.price_ids),
        "first_amount_minor": earlier.captured_minor,
        "second_amount_minor": later.captured_minor,
        "seconds_apart": _seconds_apart(earlier, later),
        "first_status": None if running is None else running.status,
        "first_ended_at": None if running is None else running.ended_at,
        "same_customer": same_customer(earlier, later),
        "same_card": same_card(earlier, later),
    }
