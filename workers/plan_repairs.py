"""The next call that puts a change of plan right which was made elsewhere, decided by what Stripe shows.

First the subscription goes back to its old price, with the period that was paid; then prorations that wait are
deleted; then what was billed is voided, or taken out of the balance again. Each call is harmless when it is made
twice: it bears a key of its object, and what shows that it was carried out is looked for before. Source: design
`stripe-facts` §4.3; docs.stripe.com/api/subscriptions/update, /invoiceitems, /customer_balance_transactions.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from ledger.refund_intents import KEY_PREFIX
from ledger.seen_plan_changes import SeenPlan
from policy.plan_changes import SubscriptionItem
from runtime.call_limits import PLAN_PERIOD_REST_SECONDS_MIN
from workers.billing_objects import SUBSCRIPTION_OVER
from workers.gateway import Gateway
from workers.plan_at_stripe import ItemAtHand, SubscriptionAtHand
from workers.plan_money import RESTORED_MARK, ChangeInvoice, PlanMoney

SEVERAL_ITEMS = "It has several items, and which of them changed is not clear: change it at Stripe."
STEERED = "The schedule {} of somebody else steers it: release that, or accept the change."
PERIOD_OVER = (
    "The period that was paid is over, and what was charged early has bought the one after it: a person"
    " decides what goes back."
)
OVERDUE = (
    "An invoice from before the change is not paid, and a period that began anew can be put back as a trial only,"
    " in which it would look paid: have that invoice paid or voided, then `redress plan restore`, or accept the change."
)
SPENT = "The credit of {} for invoice {} was spent on another invoice: a person decides whether it is asked back."
CREDITED_ON_RENEWAL = (
    "Invoice {} took {} less for the change: a person decides whether it is asked back."
)
_OWING = ("past_due", "unpaid")
MOVED_ON = "The subscription has moved on to another price since."


class RepairKind(StrEnum):
    """One call at Stripe that puts a change right."""

    BACK = "back"  # the old price, until the period's end
    FORGET = "forget"  # a proration that waits is deleted
    VOID = "void"  # an invoice that was not paid is voided
    BALANCE = "balance"  # a credit that was not due is taken out of the balance
    CREDIT = "credit"  # the credit note that says what went back of an invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One call: on the object `target`, with the exact parameters and key that every try of it has."""

    kind: RepairKind
    target: str
    params: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A change and what Stripe shows of its subscription now (`now` in unix seconds)."""

    seen: SeenPlan
    subscription: SubscriptionAtHand
    money: PlanMoney
    own_schedules: frozenset[str]
    now: int

    @property
    def base(self) -> SubscriptionItem:
        """The item as it was before the change."""
        return self.seen.base[0]

    @property
    def item(self) -> ItemAtHand:
        """The item as it is."""
        return self.subscription.items[0]

    @property
    def period_lasts(self) -> bool:
        """Whether the period that was paid before the change still runs."""
        return self.base.period_end - self.now > PLAN_PERIOD_REST_SECONDS_MIN

    @property
    def over(self) -> bool:
        """Whether the subscription has ended."""
        return self.subscription.status in SUBSCRIPTION_OVER

    @property
    def is_back(self) -> bool:
        """Whether it runs at the old price for the period that was paid."""
        return (
            self.item.price.price_id == self.base.price_id
            and self.item.period_end == self.base.period_end
        )

    @property
    def began_anew(self) -> bool:
        """Whether the change began a new period before the paid one was over."""
        return self.seen.after[0].period_start not in (
            self.base.period_start,
            self.base.period_end,
        )

    @property
    def hides_a_debt(self) -> bool:
        """Whether it can be put back as a trial only, and what it owed before would look paid."""
        moved = self.item.period_end != self.base.period_end
        owing = self.subscription.status in _OWING and self.money.overdue
        return self.period_lasts and moved and owing

    @property
    def moved_on(self) -> bool:
        """Whether it runs at a price that this change does not know: another event is on its way."""
        known = (self.base.price_id, *(item.price_id for item in self.seen.after))
        return not self.over and self.item.price.price_id not in known


def in_the_way(looked: Looked) -> str | None:
    """Why a machine cannot put it right, in a sentence for a person; None when it can."""
    subscription = looked.subscription
    if len(subscription.items) != 1 or len(looked.seen.base) != 1 or len(looked.seen.after) != 1:
        return SEVERAL_ITEMS
    if (
        subscription.schedule_id is not None
        and subscription.schedule_id not in looked.own_schedules
    ):
        return STEERED.format(subscription.schedule_id)
    if looked.hides_a_debt:
        return OVERDUE
    return next(filter(None, (_a_persons(looked, one) for one in looked.money.invoices)), None)


def _a_persons(looked: Looked, invoice: ChangeInvoice) -> str | None:
    """Why a person decides of one invoice, if so."""
    if invoice.undone:
        return None
    over = not looked.period_lasts and not looked.is_back
    if invoice.whole and looked.began_anew and over:
        return PERIOD_OVER
    if invoice.wrong_minor < 0 and not invoice.whole:
        return CREDITED_ON_RENEWAL.format(invoice.invoice_id, -invoice.wrong_minor)
    if invoice.wrong_minor < 0 and looked.money.balance_minor > invoice.wrong_minor:
        return SPENT.format(-invoice.wrong_minor, invoice.invoice_id)
    return None


def next_repair(looked: Looked) -> Repair | None:
    """The call to be made next; None when nothing is left but money that a refund gives back."""
    if looked.period_lasts and not looked.over and not looked.is_back:
        return _back(looked)
    if looked.money.pending:
        item_id = looked.money.pending[0]
        return Repair(kind=RepairKind.FORGET, target=item_id, params="{}", key="")
    for invoice in looked.money.invoices:
        if invoice.status == "open" and invoice.whole:
            return _of_invoice(RepairKind.VOID, invoice, invoice.invoice_id, "{}")
        if invoice.status == "open" and invoice.wrong_minor > 0 and not invoice.undone:
            return _lower(invoice)
        if invoice.wrong_minor < 0 and not invoice.undone:
            return _balance(invoice)
    return None


def to_pay_back(money: PlanMoney) -> list[ChangeInvoice]:
    """The paid invoices of which something goes back by refund and credit note."""
    return [
        invoice
        for invoice in money.invoices
        if invoice.status == "paid" and invoice.wrong_minor > 0 and not invoice.undone
    ]


def settled_by_credit(money: PlanMoney) -> list[ChangeInvoice]:
    """The invoices of changes that no card paid: what they brought goes without a refund."""
    return [
        invoice
        for invoice in money.invoices
        if invoice.status == "paid" and invoice.whole and not invoice.paid_minor
    ]


def credit_note(
    invoice: ChangeInvoice, refund_id: str | None, refunded_minor: int, to_balance_minor: int
) -> Repair:
    """The credit note of a paid invoice: what a refund gave back, and what goes to the balance that had paid."""
    params = _note_params(invoice, refunded_minor + to_balance_minor)
    if refund_id is not None:
        params["refunds"] = [{"amount_refunded": refunded_minor, "refund": refund_id}]
    if to_balance_minor:
        params["credit_amount"] = to_balance_minor
    return _of_invoice(RepairKind.CREDIT, invoice, invoice.invoice_id, _text(params))


def call(gateway: Gateway, repair: Repair) -> None:
    """Make the call. Raises GatewayError."""
    if repair.kind is RepairKind.BACK:
        gateway.change_subscription(repair.target, repair.params, repair.key)
    elif repair.kind is RepairKind.FORGET:
        gateway.delete_pending_item(repair.target)
    elif repair.kind is RepairKind.VOID:
        gateway.void_invoice(repair.target, repair.key)
    elif repair.kind is RepairKind.CREDIT:
        gateway.create_credit_note(repair.params, repair.key)
    else:
        gateway.change_balance(repair.target, repair.params, repair.key)


def _back(looked: Looked) -> Repair:
    base, item = looked.base, looked.item
    params: dict[str, object] = {
        "items": [{"id": item.item_id, "price": base.price_id, "quantity": base.quantity}],
        "proration_behavior": "none",
    }
    if item.period_end != base.period_end:
        # A period that began anew cannot be moved back; as a trial it ends where the paid one would have.
        params["trial_end"] = base.period_end
    text = _text(params)
    # Somebody may change it again within one try: then it is another call.
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Repair(
        kind=RepairKind.BACK,
        target=looked.subscription.subscription_id,
        params=text,
        key=f"{KEY_PREFIX}restore:{looked.seen.event_id}:{looked.seen.attempts}:{digest}",
    )


def _lower(invoice: ChangeInvoice) -> Repair:
    """The credit note of an invoice that is not paid yet: it asks for less."""
    params = _note_params(invoice, invoice.wrong_minor)
    return _of_invoice(RepairKind.CREDIT, invoice, invoice.invoice_id, _text(params))


def _note_params(invoice: ChangeInvoice, amount_minor: int) -> dict[str, object]:
    return {
        "amount": amount_minor,
        "invoice": invoice.invoice_id,
        "metadata": {RESTORED_MARK: invoice.invoice_id},
        "reason": "order_change",
    }


def _balance(invoice: ChangeInvoice) -> Repair:
    params = {
        "amount": -invoice.wrong_minor,
        "currency": invoice.currency,
        "description": f"Invoice {invoice.invoice_id} was for a change of plan that was put right",
        "metadata": {RESTORED_MARK: invoice.invoice_id},
    }
    return _of_invoice(RepairKind.BALANCE, invoice, invoice.customer_id, _text(params))


def _of_invoice(kind: RepairKind, invoice: ChangeInvoice, target: str, params: str) -> Repair:
    return Repair(
        kind=kind,
        target=target,
        params=params,
        key=f"{KEY_PREFIX}restore:{invoice.invoice_id}:{kind}",
    )


def _text(given: dict[str, object]) -> str:
    return json.dumps(given, sort_keys=True, separators=(",", ":"))
