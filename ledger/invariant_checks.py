"""The ledger against its own invariants, by SQL: what the constraints hold is looked for all the same.

The constraints keep a process from breaking an invariant; these queries find what reached the file
another way: a restored backup, a hand on the database, a constraint that a migration lost. Numbers of
invariants are those of docs/architecture.md.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Select, String, and_, cast, func, literal, or_, select

from ledger.credit_checks import credit_checks
from ledger.refund_intents import KEY_PREFIX
from ledger.states import MONEY_HELD, CaseState, EventState, IntentState
from ledger.stripe_tables import charges, refunds
from ledger.tables import cases, decisions, events, refund_intents

#: Rows shown of those that break an invariant.
EXAMPLES_MAX = 3

#: The newest events that are looked at; older ones were looked at when they were new.
EVENTS_LOOKED_AT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One statement and the rows that contradict it; holds when there are none."""

    invariant: str
    statement: str
    examples: tuple[str, ...]  # ids, at most EXAMPLES_MAX of them

    @property
    def holds(self) -> bool:
        """Whether no row contradicts the statement."""
        return not self.examples


def check_invariants(connection: Connection) -> list[Breach]:
    """Every check in turn, in one transaction; a check reads and never writes."""
    return [
        Breach(
            invariant=invariant,
            statement=statement,
            examples=tuple(connection.execute(query.limit(EXAMPLES_MAX)).scalars()),
        )
        for invariant, statement, query in _checks(connection)
    ]


def _checks(connection: Connection) -> list[tuple[str, str, Select[str]]]:
    newest = connection.execute(select(func.max(events.c.id))).scalar() or 0
    return [
        ("I2", "a settled event has its time, and only a settled one", _unsettled(newest)),
        ("I3", "one refund per charge and cause", _twice_for_a_cause()),
        ("I3", "one refund at Stripe per intent", _twice_at_stripe()),
        ("I4", "refunds held and made stay within what was captured", _overdrawn()),
        ("I6", "an intent has the approval of its own case, for its amount", _unapproved()),
        ("I6", "a refund of ours at Stripe has its intent", _orphan_refunds()),
        ("I6", "an approved case has its intent", _approved_without_intent()),
        ("I9", "an intent's key derives from its id alone", _strange_keys()),
        *(("credits", statement, query) for statement, query in credit_checks(connection)),
    ]


def _unsettled(newest_row: int) -> Select[str]:
    open_states = [EventState.NEW.value, EventState.CLAIMED.value]
    is_open = events.c.state.in_(open_states)
    return select(cast(events.c.id, String)).where(
        events.c.id > newest_row - EVENTS_LOOKED_AT,
        or_(
            and_(is_open, events.c.settled_ms.is_not(None)),
            and_(~is_open, events.c.settled_ms.is_(None)),
        ),
    )


def _twice_for_a_cause() -> Select[str]:
    return (
        select(refund_intents.c.charge_id)
        .group_by(refund_intents.c.charge_id, refund_intents.c.cause)
        .having(func.count() > 1)
    )


def _twice_at_stripe() -> Select[str]:
    moved = refunds.c.status.in_(["succeeded", "pending", "requires_action"])
    return (
        select(func.coalesce(refunds.c.intent_id, ""))
        .where(refunds.c.intent_id.is_not(None), moved)
        .group_by(refunds.c.intent_id)
        .having(func.count() > 1)
    )


def _overdrawn() -> Select[str]:
    held = (
        select(
            refund_intents.c.charge_id,
            func.sum(refund_intents.c.amount_minor).label("held_minor"),
        )
        .where(refund_intents.c.state.in_([state.value for state in MONEY_HELD]))
        .group_by(refund_intents.c.charge_id)
        .subquery()
    )
    return (
        select(held.c.charge_id)
        .outerjoin(charges, charges.c.charge_id == held.c.charge_id)
        .where(held.c.held_minor > func.coalesce(charges.c.captured_minor, 0))
    )


def _unapproved() -> Select[str]:
    return (
        select(refund_intents.c.id)
        .outerjoin(decisions, decisions.c.id == refund_intents.c.decision_id)
        .where(
            or_(
                decisions.c.id.is_(None),
                decisions.c.verdict != "approve",
                decisions.c.case_id != refund_intents.c.case_id,
                decisions.c.amount_minor != refund_intents.c.amount_minor,
                decisions.c.currency != refund_intents.c.currency,
            )
        )
    )


def _orphan_refunds() -> Select[str]:
    return (
        select(refunds.c.refund_id)
        .outerjoin(refund_intents, refund_intents.c.id == refunds.c.intent_id)
        .where(refunds.c.intent_id.is_not(None), refund_intents.c.id.is_(None))
    )


def _approved_without_intent() -> Select[str]:
    paying = [CaseState.REFUNDING.value, CaseState.REFUNDED.value]
    return (
        select(cases.c.charge_id)
        .outerjoin(
            refund_intents,
            and_(
                refund_intents.c.case_id == cases.c.id,
                refund_intents.c.state != IntentState.WITHDRAWN.value,
            ),
        )
        .where(cases.c.state.in_(paying), refund_intents.c.id.is_(None))
    )


def _strange_keys() -> Select[str]:
    derived = literal(f"{KEY_PREFIX}refund:").concat(refund_intents.c.id)
    return select(refund_intents.c.id).where(refund_intents.c.idempotency_key != derived)
