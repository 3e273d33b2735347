"""The last look before money leaves: the charge as Stripe sees it now, and the decision made again.

The ledger may be behind: a refund by hand, a dispute, or an earlier payment may have happened since
the decision. So the charge and the payment that stays are read from Stripe, put in the place of what
the ledger knew, and the policy must approve the same amount once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ledger.payment_facts import GroupTooLarge, dispute_standing, gather_group, worst_dispute
from ledger.refund_intents import Intent
from policy.decision import Verdict
from policy.payments import DisputeStanding, Payment
from workers.context import WorkerContext
from workers.gateway import Rendered
from workers.judge import decide, find_in_group
from workers.rendered_fields import RenderedFields


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeStanding:
    """What Stripe says about one charge right now, as far as a refund depends on it."""

    captured_minor: int
    refunded_minor: int
    currency: str
    livemode: bool
    dispute: DisputeStanding
    disputed_minor: int


def disagreement(context: WorkerContext, intent: Intent) -> str | None:
    """Why the refund must not be sent after all, in one sentence; None when it still must.

    Raises GatewayError when Stripe cannot be read: then nothing is known and nothing is sent.
    """
    standings = {
        charge_id: stripe_standing(context, charge_id)
        for charge_id in (intent.charge_id, intent.kept_charge_id)
        if charge_id is not None
    }
    mine = standings[intent.charge_id]
    if (mine.currency, mine.livemode) != (intent.amount.currency, intent.livemode):
        return "Stripe has the charge in another currency or mode than the decision"
    if mine.dispute in (DisputeStanding.OPEN, DisputeStanding.LOST):
        return f"the charge is disputed at Stripe ({mine.dispute}): it must not be refunded"
    if mine.refunded_minor >= mine.captured_minor:
        return "the charge was refunded in full at Stripe meanwhile: nothing is left to refund"
    return _decided_otherwise(context, intent, standings)


def stripe_standing(context: WorkerContext, charge_id: str) -> StripeStanding:
    """Read one charge, and its disputes if it has any, from Stripe."""
    fields = RenderedFields(context.gateway.charge(charge_id), "charge")
    captured_minor = fields.amount("amount_captured")
    disputes: list[tuple[DisputeStanding, int]] = []
    if fields.flag("disputed"):
        disputes = [_dispute(rendered) for rendered in context.gateway.disputes_of(charge_id)]
        # A dispute that is flagged and not listed has just been opened.
        disputes = disputes or [(DisputeStanding.OPEN, captured_minor)]
    standing, taken_minor = worst_dispute(disputes)
    return StripeStanding(
        captured_minor=captured_minor,
        refunded_minor=fields.amount_or("amount_refunded", 0),
        currency=fields.text("currency").lower(),
        livemode=fields.flag("livemode"),
        dispute=standing,
        disputed_minor=taken_minor,
    )


def _dispute(rendered: Rendered) -> tuple[DisputeStanding, int]:
    fields = RenderedFields(rendered, "dispute")
    return dispute_standing(fields.text("status")), fields.amount("amount")


def _decided_otherwise(
    context: WorkerContext, intent: Intent, standings: Mapping[str, StripeStanding]
) -> str | None:
    with context.store.read() as connection:
        try:
            group = gather_group(
                connection, intent.charge_id, context.terms.reach(), context.terms.related
            )
        except GroupTooLarge as too_large:
            return str(too_large)
    payments = [_as_stripe_says(payment, standings) for payment in group]
    for payment, finding in find_in_group(context.terms, payments):
        if payment.charge_id != intent.charge_id:
            continue
        decision = decide(context.terms, payment, finding)
        if decision.verdict is not Verdict.APPROVE or finding is None:
            return f"decided again before the call: {decision.verdict}"
        if decision.amount != intent.amount:
            return f"decided again before the call: {decision.amount} instead of {intent.amount}"
        if finding.kept_charge_id not in standings:
            return f"the payment that stays is now {finding.kept_charge_id}: decided again"
        return None
    return "the payment no longer hangs together with any other"


def _as_stripe_says(payment: Payment, standings: Mapping[str, StripeStanding]) -> Payment:
    now = standings.get(payment.charge_id)
    if now is None:
        return payment
    return replace(
        payment,
        captured_minor=now.captured_minor,
        refunded_minor=now.refunded_minor,
        dispute=now.dispute,
        disputed_minor=now.disputed_minor,
    )
