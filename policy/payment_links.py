"""Whether two payments were for the same thing: the relation under the duplicate-charge detector.

Each condition of a rule answers yes, no, or with a `Doubt`: the fact that would be needed is not
known. One no and there is no link; one doubt and the link is for a person, never for an automatic
refund. Source: policy § Duplicates.
"""

from collections.abc import Mapping

from policy.duplicate_findings import Doubt, DuplicateKind, Link
from policy.invoice_coverage import Coverage
from policy.likeness import (
    Answer,
    doubts_unless_refuted,
    orders_agree,
    same_card,
    same_customer,
    same_intent,
)
from policy.payments import Payment
from policy.subscription_links import link_second_subscription
from policy.terms_file import DuplicateTerms


def link_between(
    earlier: Payment,
    later: Payment,
    terms: DuplicateTerms,
    coverage: Mapping[str, Coverage],
) -> Link | None:
    """Why `later` may repeat `earlier`, or None.

    Both have one currency and mode. Charges of one PaymentIntent are one payment (retries, several
    captures) and never linked. Where both invoices are known they alone decide.
    """
    if same_intent(earlier, later):
        return None
    if earlier.invoice is not None and later.invoice is not None:
        invoice_id = later.invoice.invoice_id
        if earlier.invoice.invoice_id == invoice_id:
            return _link_same_invoice(invoice_id, later, terms, coverage[later.charge_id])
        return link_second_subscription(earlier, later, (earlier.invoice, later.invoice), terms)
    if earlier.captured_minor != later.captured_minor:
        return None
    if earlier.order_reference is not None and earlier.order_reference == later.order_reference:
        return _link_same_order(earlier, later, terms)
    return _link_same_purchase(earlier, later, terms)


def _link_same_invoice(
    invoice_id: str, later: Payment, terms: DuplicateTerms, before: Coverage
) -> Link | None:
    paid_again = _paid_again(later, before)
    if paid_again is False:
        return None
    doubts = () if paid_again is True else (paid_again,)
    return Link(
        kind=DuplicateKind.SAME_INVOICE,
        confidence=terms.confidence.doubtful if doubts else terms.confidence.same_invoice,
        doubts=doubts,
        compared={
            "invoice_id": invoice_id,
            "amount_due_minor": before.due_minor,
            "covered_minor": before.covered_minor,
            "contested_minor": before.contested_minor,
            "captured_minor": later.captured_minor,
        },
    )


def _paid_again(later: Payment, before: Coverage) -> Answer:
    if before.due_minor is None:
        return Doubt.AMOUNT_DUE
    if before.covered_minor >= before.due_minor:
        return True
    if before.covered_minor + before.contested_minor >= before.due_minor:
        return Doubt.KEPT_DISPUTED
    paid_minor = before.covered_minor + before.contested_minor + later.captured_minor
    return Doubt.PART_OF_INVOICE if paid_minor > before.due_minor else False


def _link_same_order(earlier: Payment, later: Payment, terms: DuplicateTerms) -> Link | None:
    doubts = doubts_unless_refuted(
        (_same_payer(earlier, later), _one_way_of_paying(earlier, later)),
    )
    if doubts is None:
        return None
    return Link(
        kind=DuplicateKind.SAME_ORDER,
        confidence=terms.confidence.doubtful if doubts else terms.confidence.same_order,
        doubts=doubts,
        compared={
            "order_reference": later.order_reference,
            "amount_minor": later.captured_minor,
            "same_customer": same_customer(earlier, later),
            "same_card": same_card(earlier, later),
        },
    )


def _same_payer(earlier: Payment, later: Payment) -> Answer:
    """One customer or one card; two known customers are two payers unless they share a card."""
    if same_customer(earlier, later) or same_card(earlier, later):
        return True
    return Doubt.PAYER if None in (earlier.customer_id, later.customer_id) else False


def _one_way_of_paying(earlier: Payment, later: Payment) -> Answer:
    """Not one through an invoice and the other beside it, as far as is known."""
    return True if (earlier.invoice is None) == (later.invoice is None) else Doubt.INVOICE


def _link_same_purchase(earlier: Payment, later: Payment, terms: DuplicateTerms) -> Link | None:
    seconds_apart = later.created - earlier.created
    doubts = doubts_unless_refuted(
        (
            seconds_apart <= terms.same_purchase_window_seconds,
            _purchase_payer(earlier, later),
            _same_product(earlier, later),
            orders_agree(earlier, later),
            _one_way_of_paying(earlier, later),
        ),
    )
    if doubts is None:
        return None
    return Link(
        kind=DuplicateKind.SAME_PURCHASE,
        confidence=_purchase_confidence(doubts, terms),
        doubts=doubts,
        compared={
            "seconds_apart": seconds_apart,
            "window_seconds": terms.same_purchase_window_seconds,
            "amount_minor": later.captured_minor,
            "product": later.product,
            "same_customer": same_customer(earlier, later),
            "same_card": same_card(earlier, later),
        },
    )


def _purchase_payer(earlier: Payment, later: Payment) -> Answer:
    if same_customer(earlier, later):
        return True
    return Doubt.CARD_ONLY if same_card(earlier, later) else False


def _same_product(earlier: Payment, later: Payment) -> Answer:
    if None in (earlier.product, later.product):
        return Doubt.PRODUCT
    return earlier.product == later.product


def _purchase_confidence(doubts: tuple[Doubt, ...], terms: DuplicateTerms) -> int:
    """The least that any of the doubts leaves of the certainty."""
    levels = terms.confidence
    ceilings = {Doubt.CARD_ONLY: levels.same_card, Doubt.PRODUCT: levels.product_unknown}
    left_by_doubts = [ceilings.get(doubt, levels.doubtful) for doubt in doubts]
    return min([levels.same_purchase, *left_by_doubts])
