"""Credits that the product asks back for its customers: taken in with their evidence, judged by a worker."""

from sqlalchemy import Connection

from ledger.credit_claims import Claim, ClaimConflict, NewClaim, claim_by_id, write_claim
from ledger.credit_decisions import last_credit_decision
from policy.credit_losses import CreditLoss
from policy.decision import Decision
from runtime.queues import JUDGE_CLAIM_JOB
from webhooks import api_models as models
from webhooks.product_api import (
    AHEAD_SECONDS,
    ID_MAX,
    ProductApi,
    Refused,
    key_used,
    wrong_field,
)


def claim_credits(
    api: ProductApi, asked: models.CreditClaimIn
) -> tuple[int, models.CreditClaimOut]:
    """Take a claim in; it is judged at once, and its state can be asked for."""
    now_ms = api.clock.now_ms()
    if asked.at > now_ms // 1000 + AHEAD_SECONDS:
        raise wrong_field("at", "must not lie in the future")
    if asked.documented is not None and asked.loss is CreditLoss.FAILED:
        raise wrong_field("documented", "is of lost credits; usage reports show the failed ones")
    claim = NewClaim(
        key=f"{models.REQUEST_KEY_PREFIX}{asked.key}",
        customer_id=asked.customer_id,
        loss=asked.loss,
        credits=asked.credits,
        at=asked.at,
        reference=asked.reference,
        evidence=asked.evidence,
        documented=asked.documented,
        our_fault=asked.our_fault,
    )
    try:
        with api.store.write() as connection:
            written, fresh = write_claim(connection, claim, now_ms)
            shown = _claim_shown(connection, written)
    except ClaimConflict:
        raise key_used("claim") from None
    if fresh:
        api.wakeups.wake_effect(JUDGE_CLAIM_JOB, written.claim_id)
    return 202, shown


def show_claim(api: ProductApi, *, claim_id: int) -> tuple[int, models.CreditClaimOut]:
    """One claim as it stands."""
    with api.store.read() as connection:
        claim = claim_by_id(connection, claim_id) if claim_id <= ID_MAX else None
        if claim is None:
            raise Refused(404, "not_found", "There is no claim of this id.")
        return 200, _claim_shown(connection, claim)


def _claim_shown(connection: Connection, claim: Claim) -> models.CreditClaimOut:
    row = last_credit_decision(connection, claim.claim_id)
    return models.CreditClaimOut(
        claim_id=claim.claim_id,
        state=claim.state,
        note=claim.note,
        decision=None if row is None else _decision_shown(Decision.from_json(row.body)),
    )


def _decision_shown(decision: Decision) -> models.CreditDecisionOut:
    effect = decision.credits
    return models.CreditDecisionOut(
        verdict=decision.verdict,
        credits=0 if effect is None else effect.restored,
        clauses=[result.clause.value for result in decision.clauses],
        terms_version=decision.terms_version,
    )
