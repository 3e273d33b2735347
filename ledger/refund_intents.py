"""Refund intents: each movement of money is written and committed here before it is tried.

An intent's id is derived from what it is for, and its idempotency key from its id: a ledger that is
rebuilt from the same events arrives at the same keys, so that even then Stripe pays once.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from ledger.rows import AnyRow
from ledger.states import IntentState, MoveRefused, require_intent_move
from ledger.stripe_tables import charges
from ledger.tables import refund_intents
from policy.canonical_json import Json, dump_canonical
from policy.money import Money
from runtime.limits import FIRST_RING_GRACE_MS

#: Marks our own calls in `event.request.idempotency_key`, with no look-up needed.
KEY_PREFIX = "redress:"

#: The key in a refund's metadata that names its intent.
INTENT_METADATA = "redress_intent"

_NOTHING_LEFT = (IntentState.OBSERVED, IntentState.RESERVED, IntentState.WITHDRAWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One refund as it stands. `params` is the exact JSON that is sent to Stripe."""

    intent_id: str
    case_id: int
    decision_id: int
    charge_id: str
    kept_charge_id: str | None
    customer_id: str | None
    cause: str
    amount: Money
    livemode: bool
    params: str
    idempotency_key: str
    state: IntentState
    held: str | None  # the brake that keeps it back, in words
    note: str | None
    refund_id: str | None
    attempts: int
    fence: int
    lease_until_ms: int | None
    next_attempt_ms: int | None
    first_sent_ms: int | None


def intent_id_for(*, livemode: bool, charge_id: str, cause: str) -> str:
    """The one id that a refund of this charge for this cause can have."""
    named = f"{'live' if livemode else 'test'}|{charge_id}|{cause}"
    return f"ri_{hashlib.sha256(named.encode()).hexdigest()[:24]}"


def reserve(
    connection: Connection,
    *,
    case_id: int,
    decision_id: int,
    charge_id: str,
    kept_charge_id: str | None,
    customer_id: str | None,
    cause: str,
    reason: str | None,
    amount: Money,
    livemode: bool,
    state: IntentState,
    now_ms: int,
) -> str:
    """Write the intent of an approved refund (RESERVED, or OBSERVED in observe mode); returns its id.

    An intent of which nothing has left is taken up again with the new decision, and its fence raised:
    whoever had read the parameters of the old one can no longer send them. Raises MoveRefused for one
    that is at Stripe, or may be. `reason` is Stripe's own word for the refund; None where
    none of them fits.
    """
    intent_id = intent_id_for(livemode=livemode, charge_id=charge_id, cause=cause)
    values = {
        "decision_id": decision_id,
        "kept_charge_id": kept_charge_id,
        "amount_minor": amount.amount_minor,
        "currency": amount.currency,
        "params": _params(charge_id, amount, reason, intent_id),
        "state": state.value,
        "held": None,
        "note": None,
        "next_attempt_ms": now_ms if state is IntentState.RESERVED else None,
        "changed_ms": now_ms,
    }
    before = intent_by_id(connection, intent_id, lock=True)
    if before is not None:
        if before.state not in _NOTHING_LEFT:
            raise MoveRefused(f"a refund intent that is {before.state} cannot be decided anew")
        if before.state is not state:
            require_intent_move(before.state, state)
        connection.execute(
            update(refund_intents)
            .where(refund_intents.c.id == intent_id)
            .values(**values, fence=refund_intents.c.fence + 1, lease_until_ms=None)
        )
        return intent_id
    fresh = {
        "id": intent_id,
        "case_id": case_id,
        "charge_id": charge_id,
        "customer_id": customer_id,
        "cause": cause,
        "livemode": livemode,
        "idempotency_key": f"{KEY_PREFIX}refund:{intent_id}",
        "created_ms": now_ms,
    }
    connection.execute(_RESERVE, fresh | values)
    return intent_id


def intent_by_id(connection: Connection, intent_id: str, *, lock: bool = False) -> Intent | None:
    """One intent, its row locked for this transaction if asked; None when there is none."""
    row = connection.execute(_BY_ID_LOCKED if lock else _BY_ID, {"intent": intent_id}).first()
    return None if row is None else _intent(row)


def intents_of_cases(connection: Connection, case_ids: list[int]) -> dict[int, Intent]:
    """The intents of these cases, by case."""
    rows = connection.execute(_OF_CASES, {"ids": case_ids}).all()
    return {row.case_id: _intent(row) for row in rows}


def refund_under_way(connection: Connection, charge_id: str, but_of_case: int | None) -> bool:
    """Whether a refund of the charge by another case may still leave, or what became of it is not told in full."""
    parameters = {"charge": charge_id, "case": but_of_case or 0}
    return connection.execute(_UNDER_WAY, parameters).first() is not None


def refund_left_to_people(connection: Connection, charge_id: str, but_of_case: int | None) -> bool:
    """Whether such a refund is not tried any more, so that only a person can find out what became of it."""
    parameters = {"charge": charge_id, "case": but_of_case or 0}
    return connection.execute(_LEFT_TO_PEOPLE, parameters).first() is not None


def lease_intent(
    connection: Connection, intent_id: str, now_ms: int, until_ms: int
) -> Intent | None:
    """Take one due intent under a lease; None when it is not due, not open, or somebody else's."""
    parameters = {"intent": intent_id, "now": now_ms, "until": until_ms}
    done = connection.execute(_LEASE, parameters).first()
    return None if done is None else _intent(done)


def due_intents(connection: Connection, now_ms: int, count_max: int) -> list[str]:
    """The ids of the intents that need to be rung for now, longest due first.

    A fresh intent was rung for when it was committed, and gets FIRST_RING_GRACE_MS before the next.
    """
    parameters = {"now": now_ms, "rung_before": now_ms - FIRST_RING_GRACE_MS, "most": count_max}
    return list(connection.execute(_RING_FOR, parameters).scalars())


def move_intent(
    connection: Connection,
    intent: Intent,
    state: IntentState,
    values: Mapping[str, object],
    now_ms: int,
) -> bool:
    """Move an intent if it still stands where `intent` saw it (state and fence); False if not."""
    if state is not intent.state:
        require_intent_move(intent.state, state)
    done = connection.execute(
        _MOVE,
        {
            "changed_ms": now_ms,
            **values,
            "state": state.value,
            "intent": intent.intent_id,
            "seen_fence": intent.fence,
            "seen_state": intent.state.value,
        },
    )
    return done.rowcount == 1


def withdraw_unsent(connection: Connection, intent: Intent, note: str, now_ms: int) -> bool:
    """Withdraw an intent of which nothing has left; False when it is past that, or was withdrawn."""
    if intent.state not in (IntentState.RESERVED, IntentState.OBSERVED):
        return False
    values = {"note": note, "held": None, "next_attempt_ms": None, "lease_until_ms": None}
    return move_intent(connection, intent, IntentState.WITHDRAWN, values, now_ms)


def release_held(connection: Connection, now_ms: int) -> int:
    """Make every intent that a brake keeps back due now, after the brake was released."""
    done = connection.execute(
        update(refund_intents)
        .where(refund_intents.c.held.is_not(None), refund_intents.c.next_attempt_ms.is_not(None))
        .values(next_attempt_ms=now_ms)
    )
    return done.rowcount


# Statements are built once: building one costs as much as running it.
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_UNSETTLED = [
    state.value for state in (IntentState.RESERVED, IntentState.SUBMITTED, IntentState.UNKNOWN)
]
_DUE = (
    refund_intents.c.state.in_(_UNSETTLED),
    refund_intents.c.next_attempt_ms <= _NOW,
    or_(refund_intents.c.lease_until_ms.is_(None), refund_intents.c.lease_until_ms <= _NOW),
)
_RING_FOR = (
    select(refund_intents.c.id)
    .where(
        *_DUE,
        or_(
            refund_intents.c.fence > 0,
            refund_intents.c.next_attempt_ms <= bindparam("rung_before", type_=BigInteger),
        ),
    )
    .order_by(refund_intents.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_RESERVE = insert(refund_intents)
_BY_ID = select(refund_intents).where(refund_intents.c.id == bindparam("intent"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_OF_CASES = select(refund_intents).where(
    refund_intents.c.case_id.in_(bindparam("ids", expanding=True))
)
_OTHERS = select(refund_intents.c.id).where(
    refund_intents.c.charge_id == bindparam("charge"),
    refund_intents.c.case_id != bindparam("case", type_=BigInteger),
)
# What Stripe accepted and the charge's own event has not told yet: until then more seems to be left than is.
_accepted = refund_intents.alias("accepted")
_ACCEPTED_MINOR = (
    select(func.coalesce(func.sum(_accepted.c.amount_minor), 0))
    .where(
        _accepted.c.charge_id == bindparam("charge"),
        _accepted.c.state.in_([IntentState.PENDING.value, IntentState.SUCCEEDED.value]),
    )
    .scalar_subquery()
)
_TOLD_MINOR = (
    select(charges.c.refunded_minor)
    .where(charges.c.charge_id == bindparam("charge"))
    .scalar_subquery()
)
_UNDER_WAY = _OTHERS.where(
    or_(refund_intents.c.state.in_(_UNSETTLED), _ACCEPTED_MINOR > _TOLD_MINOR)
)
_LEFT_TO_PEOPLE = _OTHERS.where(
    refund_intents.c.state.in_(_UNSETTLED), refund_intents.c.next_attempt_ms.is_(None)
)
_MOVE = update(refund_intents).where(
    refund_intents.c.id == bindparam("intent"),
    refund_intents.c.fence == bindparam("seen_fence"),
    refund_intents.c.state == bindparam("seen_state"),
)
_LEASE = (
    update(refund_intents)
    .where(refund_intents.c.id == bindparam("intent"), *_DUE)
    .values(lease_until_ms=bindparam("until"), fence=refund_intents.c.fence + 1)
    .returning(refund_intents)
)


def _params(charge_id: str, amount: Money, reason: str | None, intent_id: str) -> str:
    params: dict[str, Json] = {
        "charge": charge_id,
        "amount": amount.amount_minor,
        "metadata": {INTENT_METADATA: intent_id},
    }
    return dump_canonical(params if reason is None else params | {"reason": reason})


def _intent(row: AnyRow) -> Intent:
    return Intent(
        intent_id=row.id,
        case_id=row.case_id,
        decision_id=row.decision_id,
        charge_id=row.charge_id,
        kept_charge_id=row.kept_charge_id,
        customer_id=row.customer_id,
        cause=row.cause,
        amount=Money(amount_minor=row.amount_minor, currency=row.currency),
        livemode=row.livemode,
        params=row.params,
        idempotency_key=row.idempotency_key,
        state=IntentState(row.state),
        held=row.held,
        note=row.note,
        refund_id=row.refund_id,
        attempts=row.attempts,
        fence=row.fence,
        lease_until_ms=row.lease_until_ms,
        next_attempt_ms=row.next_attempt_ms,
        first_sent_ms=row.first_sent_ms,
    )
