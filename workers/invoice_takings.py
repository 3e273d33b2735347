"""Reads from Stripe what the invoice of a payment really took, and which invoices the subscription had before.

Since the basil release a line tells its discounts and taxes itself, and whether it is a proration under `parent`.
Sources: docs.stripe.com/api/invoices/line_item, /api/credit_notes (2026-10-28.endive). Amounts are minor units.
"""

from policy.invoice_taking import EarlierInvoice, InvoiceTaking
from policy.payments import Payment
from workers.billing_objects import is_proration, net_of_line, period_prices, price_of_line
from workers.gateway import Gateway, Rendered
from workers.rendered_fields import RenderedFields, UnreadableRendering

#: A year's plan and some days, so that the purchase before the last renewal is seen.
_CHAIN_SECONDS = 400 * 86_400
_CHAIN_MAX = 12
_VOID = "void"


def invoice_taking(gateway: Gateway, payment: Payment) -> InvoiceTaking | None:
    """What the invoice behind a payment took; None where there is none of a subscription.

    Raises GatewayError when Stripe does not answer, UnreadableRendering for what cannot be added up.
    """
    invoice = payment.invoice
    if invoice is None or invoice.subscription_id is None:
        return None
    since = max(0, payment.created - _CHAIN_SECONDS)
    found = gateway.invoices_of(invoice.subscription_id, since)
    mine = next((one for one in found if one.get("id") == invoice.invoice_id), None)
    if mine is None:
        raise UnreadableRendering("the subscription's invoices lack the one that was paid")
    notes = gateway.credit_notes_of(invoice.invoice_id)
    return _taking(RenderedFields(mine, "invoice"), notes, _earlier(found, mine))


def _taking(
    invoice: RenderedFields, notes: list[Rendered], before: tuple[EarlierInvoice, ...]
) -> InvoiceTaking:
    plan, prorations = _split(invoice)
    paid_minor, balance_minor = invoice.amount_or("amount_paid", 0), _from_balance(invoice)
    otherwise = sum(_given_otherwise(RenderedFields(note, "credit_note")) for note in notes)
    return InvoiceTaking(
        invoice_id=invoice.text("id"),
        plan_minor=max(0, plan),
        charged_minor=sum(amount for amount in prorations if amount > 0),
        credited_minor=-sum(amount for amount in prorations if amount < 0),
        balance_minor=balance_minor,
        paid_minor=paid_minor,
        # What the balance had paid goes back to it first: that was never the card's.
        given_back_minor=min(paid_minor, max(0, otherwise - balance_minor)),
        before=before,
    )


def _split(invoice: RenderedFields) -> tuple[int, list[int]]:
    """What the whole periods on an invoice came to, and each proration."""
    lines = invoice.part("lines")
    if lines.flag("has_more"):
        raise UnreadableRendering("invoice.lines has more lines than one page")
    plan, prorations = 0, []
    for line in lines.parts("data"):
        amount = net_of_line(line)
        if is_proration(line):
            prorations.append(amount)
        elif price_of_line(line) is not None:
            plan += amount
    return plan, prorations


def _from_balance(invoice: RenderedFields) -> int:
    if invoice.raw("ending_balance") is None:
        return 0
    return max(0, invoice.signed("ending_balance") - invoice.signed("starting_balance"))


def _given_otherwise(note: RenderedFields) -> int:
    """What a note on a paid invoice gave back by other ways than refunds."""
    if note.text_or_none("status") == _VOID or note.text_or_none("type") == "pre_payment":
        return 0
    refunded = sum(one.amount_or("amount_refunded", 0) for one in note.parts("refunds"))
    return max(0, note.amount("amount") - refunded)


def _earlier(found: list[Rendered], mine: Rendered) -> tuple[EarlierInvoice, ...]:
    """The invoices before this one, the newest first."""
    created = RenderedFields(mine, "invoice").whole("created")
    before = [RenderedFields(one, "invoice") for one in found if one is not mine]
    earlier = [
        EarlierInvoice(
            invoice_id=one.text("id"),
            billing_reason=one.text_or_none("billing_reason") or "manual",
            plans=period_prices(one.part("lines")),
            paid_minor=one.amount_or("amount_paid", 0),
            created=one.whole("created"),
        )
        for one in before
        if one.whole("created") <= created
    ]
    earlier.sort(key=lambda one: (-one.created, one.invoice_id))
    return tuple(earlier[:_CHAIN_MAX])
