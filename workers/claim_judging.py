"""Judges credits that are asked back: take → see what the ledger shows → decide → give back, and record.

Nothing outside the database is asked, so the decision and the credits are one transaction. What the
usage reports show is not left to the claim; only what they cannot show is the word of whoever claims.
"""

import logging
from dataclasses import dataclass

from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.credit_claims import Claim, claim_by_id, put_off_claim, settle_claim, take_claim
from ledger.credit_decisions import append_credit_decision
from ledger.credit_returns import CLAIM_SOURCE, CreditsGone, credits_gone, give_back
from ledger.credits import lock_customers
from ledger.states import ClaimState
from policy.credit_losses import CreditClaim, CreditLoss
from policy.credit_restoration import decide_restoration
from policy.decision import Decision, Verdict
from runtime.call_limits import REQUEST_LEASE_MS
from workers.case_following import Desk
from workers.context import WorkerContext
from workers.product_notices import product_listens, tell_restored
from workers.retries import Trouble, exhausted, next_try_ms
from workers.terms_book import TermsBook

_log = logging.getLogger(__name__)

#: A minute and a half by the schedule of questions: the product reports usage in batches.
_LOOKS_MAX = 5

NOT_TOLD = "no usage was reported under this reference"
NOT_COVERED = "some of it is covered by no grant yet, so nothing was paid for it"
SUCCEEDED = "the usage was reported as a success"
PAID_BACK = "the purchase was refunded, with what was used of it"
GIVEN_UP = "tried as often as anything is: a person judges it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How many credits are shown to have gone as the claim says; None: not known. `note`: why not all."""

    documented: int | None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """What a claim came to. `before` are the credits that had come back for its reference already."""

    decision: Decision
    state: ClaimState
    before: int


def judge_claim(context: WorkerContext, claim_id: int) -> None:
    """Judge one claim, if it is due and nobody else is on it."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        claim = take_claim(connection, claim_id, now_ms, now_ms + REQUEST_LEASE_MS)
        if claim is not None and exhausted(claim.attempts):
            settle_claim(connection, claim_id, ClaimState.REVIEW, now_ms, GIVEN_UP)
            claim = None
    if claim is None:
        return
    try:
        with context.store.write() as connection:
            _judge(context, connection, claim)
    except (DBAPIError, BaseTimeoutException):
        raise  # it is due again by itself
    except Exception as error:  # noqa: BLE001 - a defect must not ring for ever
        _log.exception("a claim failed", extra={"row_id": claim_id})
        with context.store.write() as connection:
            _look_again(context, connection, claim, f"failed on a defect: {type(error).__name__}")


def decide_claim(desk: Desk, terms_book: TermsBook, claim: Claim) -> JudgedClaim:
    """Decide a claim by what is known now, and give back what the decision says."""
    return _follow(desk, terms_book, claim, _gone(desk.connection, claim))


def _judge(context: WorkerContext, connection: Connection, claim: Claim) -> None:
    current = claim_by_id(connection, claim.claim_id, lock=True)
    if (
        current is None
        or current.state is not ClaimState.WAITING
        or current.attempts != claim.attempts
    ):
        return
    gone = _gone(connection, claim)
    shown = _shown(claim, gone)
    may_be_told_yet = claim.loss is CreditLoss.FAILED and claim.our_fault is not False
    if shown.documented is None and may_be_told_yet and claim.attempts < _LOOKS_MAX:
        _look_again(context, connection, claim, shown.note or NOT_TOLD)
        return
    desk = Desk(connection=connection, settings=context.settings, now_ms=context.clock.now_ms())
    _follow(desk, context.terms, claim, gone)


def _look_again(context: WorkerContext, connection: Connection, claim: Claim, note: str) -> None:
    now_ms = context.clock.now_ms()
    due_ms = next_try_ms(Trouble.UNREACHABLE, str(claim.claim_id), claim.attempts, now_ms)
    put_off_claim(connection, claim, due_ms, note)


def _gone(connection: Connection, claim: Claim) -> CreditsGone:
    """What the ledger shows, held still until the transaction ends."""
    lock_customers(connection, [claim.customer_id])
    return credits_gone(connection, claim.customer_id, claim.reference)


def _shown(claim: Claim, gone: CreditsGone) -> Shown:
    if claim.documented is not None or claim.loss is CreditLoss.LOST:
        return Shown(documented=claim.documented)
    if not gone.told:
        return Shown(documented=None, note=NOT_TOLD)
    paid = sum(some for grant, some in gone.drawn.items() if grant not in gone.paid_back)
    if paid >= claim.credits:
        return Shown(documented=paid)
    if gone.open > 0:
        return Shown(documented=None, note=NOT_COVERED)
    reasons = [
        (gone.succeeded > 0, SUCCEEDED),
        (not gone.paid_back.isdisjoint(gone.drawn), PAID_BACK),
    ]
    return Shown(documented=paid, note="; ".join(why for holds, why in reasons if holds) or None)


def _follow(desk: Desk, terms_book: TermsBook, claim: Claim, gone: CreditsGone) -> JudgedClaim:
    shown = _shown(claim, gone)
    # As for every purchase the terms of its moment decide; where none is known, those of the loss.
    terms = terms_book.in_force(claim.at if gone.bought_at is None else gone.bought_at)
    asked = CreditClaim(
        loss=claim.loss,
        claimed=claim.credits,
        documented=shown.documented,
        our_fault=claim.our_fault,
        restored=gone.restored,
    )
    decision = decide_restoration(asked, terms)
    decision_id = append_credit_decision(
        desk.connection,
        claim_id=claim.claim_id,
        decision=decision,
        mode=desk.settings.redress_mode.value,
        now_ms=desk.now_ms,
    )
    state = _state(desk, decision)
    if state is ClaimState.RESTORED:
        _give_back(desk, claim, gone, decision, decision_id)
    note = " ".join(filter(None, [shown.note, *decision.undecided])) or None
    settle_claim(desk.connection, claim.claim_id, state, desk.now_ms, note)
    return JudgedClaim(decision=decision, state=state, before=gone.restored)


def _give_back(
    desk: Desk, claim: Claim, gone: CreditsGone, decision: Decision, decision_id: int
) -> None:
    number = 0 if decision.credits is None else decision.credits.restored
    give_back(
        desk.connection,
        gone,
        key=f"claim:{claim.claim_id}:{decision_id}",
        customer_id=claim.customer_id,
        credits=number,
        spent=claim.loss is CreditLoss.FAILED,
        source=f"{CLAIM_SOURCE}{claim.claim_id}",
        reference=claim.reference,
        at=desk.now_ms // 1000,
        now_ms=desk.now_ms,
    )
    if product_listens(desk.settings):
        # The sweeper rings for it within seconds; nobody waits for this one.
        tell_restored(
            desk.connection,
            customer_id=claim.customer_id,
            claim_id=claim.claim_id,
            decision_id=decision_id,
            reference=claim.reference,
            credits=number,
            now_ms=desk.now_ms,
        )


def _state(desk: Desk, decision: Decision) -> ClaimState:
    if decision.verdict is Verdict.DENY:
        return ClaimState.DENIED
    if decision.verdict is Verdict.REVIEW:
        return ClaimState.REVIEW
    return ClaimState.RESTORED if desk.enforcing else ClaimState.OBSERVED
