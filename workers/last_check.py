"""The last look before money leaves: the charge as Stripe sees it now, and the decision made again.

The ledger may be behind: a refund by hand, a dispute, or the end of a subscription may be on its way
in an event that has not arrived. So the charge and the payment that stays are read from Stripe with
all that the decision rests on, put in the place of what the ledger knew, and the policy must approve
the same amount once more.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from ledger.cases import DUPLICATE_CHARGE
from ledger.payment_facts import GroupTooLarge, gather_group, payments_by_charge
from ledger.refund_intents import Intent
from policy.decision import Verdict
from policy.payments import Payment
from runtime.probes import probe
from workers.case_following import ruled_on
from workers.context import WorkerContext
from workers.decision_check import objection_to_decision, objection_to_payment
from workers.judge import decide, find_in_group
from workers.stripe_view import as_stripe_says


def disagreement(context: WorkerContext, intent: Intent) -> str | None:
    """Why the refund must not be sent after all, in one sentence; None when it still must.

    Raises GatewayError when Stripe cannot be read: then nothing is known and nothing is sent.
    """
    if intent.cause != DUPLICATE_CHARGE:
        return objection_to_decision(context, intent)
    with context.store.read() as connection:
        by_a_person = ruled_on(connection, intent.case_id)
        kept = _kept_now(context, connection, intent)
        wanted = [one for one in (intent.charge_id, kept) if one is not None]
        known = payments_by_charge(connection, wanted)
    if by_a_person:
        return objection_to_decision(context, intent)
    if intent.charge_id not in known:
        return "the ledger does not know the charge"
    fresh = {
        charge_id: as_stripe_says(context.gateway, payment, context.terms.newest.duplicates)
        for charge_id, payment in known.items()
    }
    objection = objection_to_payment(intent, fresh[intent.charge_id])
    if objection is not None:
        return objection
    return _decided_otherwise(context, intent, fresh)


def _kept_now(context: WorkerContext, connection: Connection, intent: Intent) -> str | None:
    """The payment that stays as the ledger judges now.

    Once an intent may have left, a payment that becomes known later decides nothing anew; but it may be
    the earliest of all, and then it is the one that must be looked at.
    """
    reach, related = context.terms.reach(), context.terms.related
    try:
        group = gather_group(connection, intent.charge_id, reach, related)
    except GroupTooLarge:
        return intent.kept_charge_id
    findings = [one for _, one in find_in_group(context.terms, group) if one is not None]
    kept = {finding.charge_id: finding.kept_charge_id for finding in findings}
    return kept.get(intent.charge_id, intent.kept_charge_id)


def _decided_otherwise(
    context: WorkerContext, intent: Intent, fresh: Mapping[str, Payment]
) -> str | None:
    with context.store.read() as connection:
        try:
            group = gather_group(
                connection, intent.charge_id, context.terms.reach(), context.terms.related
            )
        except GroupTooLarge as too_large:
            return str(too_large)
    payments = [fresh.get(payment.charge_id, payment) for payment in group]
    for payment, finding in find_in_group(context.terms, payments):
        if payment.charge_id != intent.charge_id:
            continue
        decision = decide(context.terms, payment, finding)
        if decision.verdict is not Verdict.APPROVE or finding is None:
            probe("last_check.decided_otherwise")
            return f"decided again before the call: {decision.verdict}"
        if decision.amount != intent.amount:
            return f"decided again before the call: {decision.amount} instead of {intent.amount}"
        if finding.kept_charge_id not in fresh:
            return f"the payment that stays is now {finding.kept_charge_id}: decided again"
        return None
    return "the payment no longer hangs together with any other"
