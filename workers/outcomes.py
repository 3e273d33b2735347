"""Records what became of a refund at Stripe, whoever learnt it first: the call's answer or an event.

One refund of Stripe's is matched to its intent by the intent's id in its metadata, and only when
charge, amount and currency are the intent's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.cases import move_case
from ledger.refund_intents import INTENT_METADATA, Intent, intent_by_id, move_intent
from ledger.states import INTENT_MOVES, CaseState, IntentState
from runtime.probes import probe
from workers.refund_consequences import ACCEPTED, carry_out
from workers.rendered_fields import RenderedFields

#: Stripe's refund statuses. `canceled` is handled like `failed`: the money came back to the balance.
_STATES: Mapping[str | None, IntentState] = {
    "succeeded": IntentState.SUCCEEDED,
    "failed": IntentState.FAILED,
    "canceled": IntentState.FAILED,
}

_CASE_STATES: Mapping[IntentState, tuple[CaseState, str | None]] = {
    IntentState.PENDING: (CaseState.REFUNDING, None),
    IntentState.SUCCEEDED: (CaseState.REFUNDED, None),
    IntentState.FAILED: (
        CaseState.REVIEW,
        "the refund failed at Stripe and the money came back: pay the customer another way",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSeen:
    """One refund as Stripe showed it."""

    refund_id: str
    charge_id: str | None
    intent_id: str | None
    amount_minor: int
    currency: str
    status: str | None

    @property
    def state(self) -> IntentState:
        """The state that this refund's status gives its intent."""
        return _STATES.get(self.status, IntentState.PENDING)

    def belongs_to(self, intent: Intent) -> bool:
        """Whether it names the intent and moves the same money of the same charge."""
        return self.intent_id == intent.intent_id and self.same_money(intent)

    def same_money(self, intent: Intent) -> bool:
        """Whether it moves the intent's amount of the intent's charge."""
        return (self.charge_id, self.amount_minor, self.currency) == (
            intent.charge_id,
            intent.amount.amount_minor,
            intent.amount.currency,
        )


def refund_seen(rendered: object) -> RefundSeen:
    """Read one of Stripe's refunds; UnreadableRendering names the field that cannot be read."""
    fields = RenderedFields(rendered, "refund")
    return RefundSeen(
        refund_id=fields.text("id"),
        charge_id=fields.reference("charge"),
        intent_id=fields.part("metadata").text_or_none(INTENT_METADATA),
        amount_minor=fields.amount("amount"),
        currency=fields.currency("currency"),
        status=fields.text_or_none("status"),
    )


def record_refund(
    connection: Connection, seen: RefundSeen, now_ms: int, *, to_product: bool
) -> str:
    """Move the intent that a refund belongs to; returns a sentence for the event's note.

    `to_product` says whether the product has an endpoint to be told of what goes with the refund.
    """
    if seen.intent_id is None:
        probe("outcome.not_ours")
        return "a refund that was not made by redress"
    intent = intent_by_id(connection, seen.intent_id, lock=True)
    if intent is None:
        return f"a refund that names {seen.intent_id}, which this ledger does not know"
    strange = _strange(intent, seen)
    if strange is not None:
        move_case(connection, intent.case_id, CaseState.REVIEW, note=strange, now_ms=now_ms)
        return strange
    if seen.state is intent.state:
        return f"refund {intent.intent_id} is {intent.state} already"
    if seen.state not in INTENT_MOVES[intent.state]:
        probe("outcome.no_news")
        return f"refund {intent.intent_id} stays {intent.state}: {seen.state} is no news"
    if seen.state is IntentState.FAILED:
        probe("outcome.failed_later")
    settle_intent(connection, intent, seen, now_ms, to_product=to_product)
    return f"refund {intent.intent_id} is {seen.state}"


def _strange(intent: Intent, seen: RefundSeen) -> str | None:
    """What does not fit between an intent and a refund that names it; None when all does."""
    if not seen.belongs_to(intent):
        return f"refund {seen.refund_id} names this intent but moves other money"
    if intent.refund_id not in (None, seen.refund_id):
        return f"a second refund {seen.refund_id} names this intent, after {intent.refund_id}"
    if intent.state in (IntentState.OBSERVED, IntentState.WITHDRAWN):
        return f"refund {seen.refund_id} was made for this intent, which was never sent"
    return None


def settle_intent(
    connection: Connection, intent: Intent, seen: RefundSeen, now_ms: int, *, to_product: bool
) -> bool:
    """Write a refund's state on its intent and case; False when the intent moved meanwhile."""
    moved = move_intent(
        connection,
        intent,
        seen.state,
        {
            "refund_id": seen.refund_id,
            "held": None,
            "note": None,
            "next_attempt_ms": None,
            "lease_until_ms": None,
            "first_sent_ms": intent.first_sent_ms or now_ms,
        },
        now_ms,
    )
    if moved:
        move_case_with_refund(connection, intent.case_id, seen.state, now_ms)
        if seen.state in ACCEPTED and intent.state is not IntentState.PENDING:
            carry_out(connection, intent, now_ms, to_product=to_product)
    return moved


def move_case_with_refund(
    connection: Connection, case_id: int, refund: IntentState, now_ms: int
) -> None:
    """Put a case where its refund stands, once Stripe has accepted that."""
    state, note = _CASE_STATES[refund]
    move_case(connection, case_id, state, note=note, now_ms=now_ms)
