"""Does a decision still hold for the payment as Stripe sees it now? The last look before money leaves.

For whatever was decided about one payment alone: a request, a person's ruling, an outage. The decision
is made again from its own facts, with the payment as it is now in their place. Duplicates, which hang
on other payments too: `last_check.py`.
"""

from ledger.decisions import decision_by_id
from ledger.payment_facts import payments_by_charge
from ledger.refund_intents import Intent
from policy.canonical_json import Json
from policy.decision import Decision, Verdict
from policy.payments import DisputeStanding, Payment, payment_to_json
from policy.redeciding import redecide_any
from policy.rulings import RulingRefused
from runtime.probes import probe
from workers.context import WorkerContext
from workers.stripe_view import as_stripe_says


def objection_to_decision(context: WorkerContext, intent: Intent) -> str | None:
    """Why the refund must not be sent after all, in one sentence; None when it still must.

    Raises GatewayError when Stripe cannot be read: then nothing is known and nothing is sent.
    """
    with context.store.read() as connection:
        known = payments_by_charge(connection, [intent.charge_id]).get(intent.charge_id)
        row = decision_by_id(connection, intent.decision_id)
    if known is None:
        return "the ledger does not know the charge"
    payment = as_stripe_says(context.gateway, known, context.terms.newest.duplicates)
    objection = objection_to_payment(intent, payment)
    if objection is not None:
        return objection
    decision = Decision.from_json(row.body)
    try:
        again = redecide_any(
            _with_payment(decision, payment), context.terms.in_force(known.created)
        )
    except RulingRefused as refused:
        return f"ruled before the payment changed: {refused}"
    if again.verdict is not Verdict.APPROVE:
        return f"decided again before the call: {again.verdict}"
    if again.amount != intent.amount:
        probe("decision_check.other_amount")
        return f"decided again before the call: {again.amount} instead of {intent.amount}"
    return None


def objection_to_payment(intent: Intent, payment: Payment) -> str | None:
    """What forbids any refund of a payment, whatever was decided; None when nothing does."""
    if (payment.currency, payment.livemode) != (intent.amount.currency, intent.livemode):
        return "Stripe has the charge in another currency or mode than the decision"
    if payment.dispute in (DisputeStanding.OPEN, DisputeStanding.LOST):
        probe("last_check.disputed")
        return f"the charge is disputed at Stripe ({payment.dispute}): it must not be refunded"
    if payment.fully_refunded:
        probe("last_check.refunded_meanwhile")
        return "the charge was refunded in full at Stripe meanwhile: nothing is left to refund"
    return None


def _with_payment(decision: Decision, payment: Payment) -> dict[str, Json]:
    """The decision's facts with the payment as it is now: every kind keeps it under one key."""
    ((kind, facts),) = decision.facts.items()
    if not isinstance(facts, dict) or "payment" not in facts:
        raise TypeError(f"facts of a {kind} have no payment")
    return {kind: {**facts, "payment": payment_to_json(payment)}}
