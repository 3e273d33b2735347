"""What a change of plan took or credited at Stripe that the terms do not know: prorations, and bills before the time.

Sources: docs.stripe.com/billing/subscriptions/prorations, /api/invoiceitems, /api/invoices, /api/credit_notes,
/api/customer_balance_transactions (2026-10-28.endive). Amounts are minor units, times unix seconds (UTC).
"""

from dataclasses import dataclass

from workers.billing_objects import is_proration, net_of_line, period_prices
from workers.gateway import Gateway, Rendered
from workers.rendered_fields import RenderedFields, UnreadableRendering

#: What we write at Stripe for an invoice names it under this key, so that it is found again.
RESTORED_MARK = "redress_restored"
#: Stripe makes the invoice of a change within the request, some seconds before its event at most.
BEFORE_EVENT_SECONDS = 10

_UPDATE = "subscription_update"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeInvoice:
    """One invoice that bears what was not due. `wrong_minor` may be negative: then it credited the customer.

    `whole`: the change itself made it, so nothing on it was due; `prices` are those of the periods that it
    bills in full. `balance_minor` is what it took from the
    customer's balance, `undone` whether a credit note or a balance entry of ours stands against it.
    """

    invoice_id: str
    customer_id: str
    status: str
    currency: str
    total_minor: int
    paid_minor: int
    wrong_minor: int
    balance_minor: int
    whole: bool
    undone: bool
    prices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMoney:
    """Everything of a subscription since a moment. `pending` are the ids of prorations that wait for an invoice.

    `balance_minor` is the customer's balance, negative where the customer has a credit; `overdue` says that an
    invoice waits for its payment which the change did not make.
    """

    pending: tuple[str, ...]
    invoices: tuple[ChangeInvoice, ...]
    prorated: bool
    balance_minor: int
    overdue: bool


def plan_money(
    gateway: Gateway, subscription_id: str, customer_id: str | None, *, since: int, paid_from: int
) -> PlanMoney:
    """What was taken since `since`, and whether the period that began at `paid_from` is owed.

    Raises GatewayError and UnreadableRendering.
    """
    pending = [] if customer_id is None else gateway.pending_items_of(customer_id)
    since -= BEFORE_EVENT_SECONDS
    of_period = gateway.invoices_of(subscription_id, min(since, paid_from))
    invoices = [
        one for one in of_period if RenderedFields(one, "invoice").whole("created") >= since
    ]
    marked = _marked(gateway, customer_id, invoices)
    found = [_invoice(shown, marked) for shown in invoices]
    wrong = [invoice for invoice in found if _is_wrong(invoice) and _stands(invoice)]
    of_subscription = tuple(
        item.text("id")
        for item in (RenderedFields(one, "invoiceitem") for one in pending)
        if item.flag("proration") and _subscription_of(item) == subscription_id
    )
    return PlanMoney(
        pending=of_subscription,
        invoices=tuple(wrong),
        prorated=bool(of_subscription) or any(map(_prorates, invoices)),
        balance_minor=_balance(gateway, customer_id) if any(map(_credits, wrong)) else 0,
        overdue=any(map(_is_owed, of_period)),
    )


def told_money(money: PlanMoney) -> str:
    """What a change took, in words for a person."""
    parts = [f"{len(money.pending)} prorations that wait"] if money.pending else []
    parts += [
        f"{invoice.invoice_id}: {invoice.wrong_minor} {invoice.currency} in minor units"
        f" ({invoice.status}, {invoice.paid_minor} paid)"
        for invoice in money.invoices
    ]
    return "; ".join(parts) or "nothing"


def _is_wrong(invoice: ChangeInvoice) -> bool:
    """Whether it took or credited anything, or a wrong credit has paid exactly for the period that it bills."""
    return invoice.wrong_minor != 0 or (invoice.whole and bool(invoice.prices))


def _stands(invoice: ChangeInvoice) -> bool:
    return invoice.status not in ("void", "uncollectible")


def _is_owed(shown: Rendered) -> bool:
    fields = RenderedFields(shown, "invoice")
    return fields.text("status") == "open" and fields.text_or_none("billing_reason") != _UPDATE


def _credits(invoice: ChangeInvoice) -> bool:
    return invoice.wrong_minor < 0


def _balance(gateway: Gateway, customer_id: str | None) -> int:
    if customer_id is None:
        return 0
    shown = gateway.stripe_object("customer", customer_id)
    return RenderedFields(shown, "customer").signed("balance")


def _invoice(shown: Rendered, marked: frozenset[str]) -> ChangeInvoice:
    fields = RenderedFields(shown, "invoice")
    lines = fields.part("lines")
    if lines.flag("has_more"):
        raise UnreadableRendering("invoice.lines has more lines than one page")
    total = fields.signed("total")
    whole = fields.text_or_none("billing_reason") == _UPDATE
    prorations = [line for line in lines.parts("data") if is_proration(line)]
    ending = fields.raw("ending_balance")
    return ChangeInvoice(
        invoice_id=fields.text("id"),
        customer_id=fields.reference("customer") or "",
        status=fields.text("status"),
        currency=fields.currency("currency"),
        total_minor=total,
        paid_minor=fields.amount_or("amount_paid", 0),
        wrong_minor=total if whole else sum(map(net_of_line, prorations)),
        balance_minor=0
        if ending is None or total <= 0
        else fields.signed("ending_balance") - fields.signed("starting_balance"),
        whole=whole,
        undone=fields.text("id") in marked,
        prices=period_prices(lines),
    )


def _prorates(shown: Rendered) -> bool:
    lines = RenderedFields(shown, "invoice").part("lines").parts("data")
    return any(is_proration(line) for line in lines)


def _subscription_of(item: RenderedFields) -> str | None:
    of_parent = item.part("parent").part("subscription_details").reference("subscription")
    return of_parent or item.reference("subscription")


def _marked(gateway: Gateway, customer_id: str | None, invoices: list[Rendered]) -> frozenset[str]:
    """The invoices against which a credit note or a balance entry of ours stands already."""
    found: list[Rendered] = []
    for invoice in invoices:
        found += gateway.credit_notes_of(RenderedFields(invoice, "invoice").text("id"))
    if customer_id is not None and invoices:
        found += gateway.balance_transactions_of(customer_id)
    marks = (RenderedFields(one, "answer").part("metadata").raw(RESTORED_MARK) for one in found)
    return frozenset(str(mark) for mark in marks if mark is not None)
