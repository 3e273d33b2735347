"""What a refund takes with it once Stripe has accepted it: the purchase's credits, and its subscription.

Written in the transaction that records the refund. Not before: a refund that the last check drops
must take nothing. What the customer used in between was reported by the product, and stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ledger.credit_issues import Purchase, stop_issues
from ledger.credits import revoke_credits
from ledger.decisions import decision_by_id
from ledger.payment_facts import payments_by_charge
from ledger.purchase_sources import sources_of
from ledger.refund_intents import Intent
from ledger.states import IntentState
from ledger.subscription_ends import want_end
from policy.decision import CreditEffect, Decision
from policy.payments import Payment, payment_from_json
from runtime.probes import probe
from workers.product_notices import tell_revoked

ACCEPTED = frozenset({IntentState.PENDING, IntentState.SUCCEEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What is taken of one purchase, and because of what: `by` is the refund's intent, or the lost dispute."""

    payment: Payment
    effect: CreditEffect
    by: str
    case_id: int
    decision_id: int


def carry_out(connection: Connection, intent: Intent, now_ms: int, *, to_product: bool) -> None:
    """Take what the decision behind an accepted refund says. A repetition takes nothing more.

    `to_product` has the product told of the credits, by a notice in the same transaction.
    """
    decision = Decision.from_json(decision_by_id(connection, intent.decision_id).body)
    if decision.credits is None:
        return
    taking = Taking(
        payment=_payment(connection, intent, decision),
        effect=decision.credits,
        by=intent.intent_id,
        case_id=intent.case_id,
        decision_id=intent.decision_id,
    )
    take_purchase(connection, taking, now_ms, to_product=to_product)


def take_purchase(
    connection: Connection, taking: Taking, now_ms: int, *, to_product: bool
) -> int | None:
    """Take credits and subscription as the effect says; the notice to be rung for, None for none."""
    payment, effect, told = taking.payment, taking.effect, None
    if effect.revoked:
        probe("consequence.credits_revoked")
        sources = sources_of(connection, payment)
        stop_issues(connection, sources, _purchases(payment, sources), now_ms)
        taken = revoke_credits(
            connection,
            key=f"revocation:{taking.by}",
            sources=sources,
            by=taking.by,
            at=now_ms // 1000,
            now_ms=now_ms,
        )
        if taken and to_product:
            told = tell_revoked(
                connection,
                customer_id=payment.customer_id,
                case_id=taking.case_id,
                charge_id=payment.charge_id,
                by=taking.by,
                credits=taken,
                now_ms=now_ms,
            )
    invoice = payment.invoice
    if effect.ends_subscription and invoice is not None and invoice.subscription_id is not None:
        probe("consequence.subscription_ends")
        # The sweeper rings for it within seconds; nobody waits for this one.
        want_end(
            connection,
            subscription_id=invoice.subscription_id,
            livemode=payment.livemode,
            case_id=taking.case_id,
            decision_id=taking.decision_id,
            now_ms=now_ms,
        )
    return told


def decided_payment(decision: Decision) -> Payment:
    """The payment that a decision was about, as it was known then."""
    facts: Any = decision.facts
    # A duplicate's facts have it beside the finding, all others' within what they are about.
    found = facts if "payment" in facts else next(iter(facts.values()))
    return payment_from_json(found["payment"])


def _purchases(payment: Payment, sources: Sequence[str]) -> list[Purchase]:
    """What the payment was for, as far as the decision saw it; the event that tells of it may come later."""
    invoice = payment.invoice
    if payment.customer_id is None or (invoice is None and payment.product is None):
        return []
    bought = [(payment.charge_id, payment.product)]
    if invoice is not None:
        bought = [(invoice.invoice_id, price_id) for price_id in invoice.price_ids]
    return [
        Purchase(
            source=source,
            ref=str(ref),
            customer_id=payment.customer_id,
            subscription_id=None if invoice is None else invoice.subscription_id,
            quantity=1,
            paid_at=payment.created,
        )
        for source, ref in bought
        if source in sources
    ]


def _payment(connection: Connection, intent: Intent, decision: Decision) -> Payment:
    """The payment with its invoice: as Stripe showed it for the decision, or as the ledger knows it by now.

    The event that ties a payment to its invoice may come after the refund.
    """
    decided = decided_payment(decision)
    if decided.invoice is not None:
        return decided
    return payments_by_charge(connection, [intent.charge_id]).get(intent.charge_id, decided)
