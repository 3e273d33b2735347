"""What a person says about a change of plan, carried out, audited and rung for, from wherever it is said."""

from sqlalchemy import Connection

from ledger.asked_plan_changes import PlanChange, change_by_id
from ledger.plan_change_leases import lock_subscription, withdraw_change
from ledger.seen_plan_changes import SeenPlan, seen_by_id
from ledger.seen_plan_leases import settle_seen
from ledger.states import SeenPlanState
from ops.operator_audit import Actor, ActRefused, audit_act
from runtime.queues import CHANGE_PLAN_JOB, RESTORE_PLAN_JOB
from runtime.wiring import Wiring

ACCEPTABLE = frozenset(
    {
        SeenPlanState.WAITING,
        SeenPlanState.OBSERVED,
        SeenPlanState.REVIEW,
        SeenPlanState.RESTORING,
    }
)
RESTORABLE = frozenset({SeenPlanState.OBSERVED, SeenPlanState.REVIEW})


def accept_seen(wiring: Wiring, seen_id: int, by: Actor, reason: str) -> SeenPlan:
    """Let a change stand that was made elsewhere; returns it as it was. Raises ActRefused."""
    with wiring.store.write() as connection:
        seen = _locked(connection, seen_id)
        if seen.state not in ACCEPTABLE:
            raise ActRefused(
                f"Change {seen_id} is {seen.state}; only one that is waiting, observed, in review or"
                " being put right can be accepted."
            )
        now_ms = wiring.clock.now_ms()
        settle_seen(
            connection,
            seen,
            now_ms,
            state=SeenPlanState.ACCEPTED.value,
            note=f"accepted: {reason}",
            next_attempt_ms=None,
            fence=seen.fence + 1,
        )
        _audit_seen(connection, "plan.accept", seen_id, reason, now_ms=now_ms, by=by)
    return seen


def restore_seen(wiring: Wiring, seen_id: int, by: Actor, reason: str) -> None:
    """Have a change put right that waits for a person. Raises ActRefused."""
    with wiring.store.write() as connection:
        seen = _locked(connection, seen_id)
        if seen.state not in RESTORABLE:
            raise ActRefused(
                f"Change {seen_id} is {seen.state}; only one that is observed or in review can be"
                " put right."
            )
        now_ms = wiring.clock.now_ms()
        settle_seen(
            connection,
            seen,
            now_ms,
            state=SeenPlanState.WAITING.value,
            insisted=True,
            note=f"to be put right: {reason}",
            next_attempt_ms=now_ms,
            attempts=0,
            fence=seen.fence + 1,
        )
        _audit_seen(connection, "plan.restore", seen_id, reason, now_ms=now_ms, by=by)
    wiring.wakeups.wake_effect(RESTORE_PLAN_JOB, seen_id)


def withdraw_asked(wiring: Wiring, change_id: int, by: Actor, reason: str) -> PlanChange:
    """Take back a change that has not taken effect; returns it as it stands then. Raises ActRefused."""
    now_ms = wiring.clock.now_ms()
    with wiring.store.write() as connection:
        known = existing_change(connection, change_id)
        lock_subscription(connection, known.subscription_id)
        change = existing_change(connection, change_id, lock=True)
        after = withdraw_change(connection, change, now_ms)
        if after is None:
            raise ActRefused(
                f"Change {change_id} is {change.state}, so there is nothing to take back."
            )
        audit_act(
            connection,
            "plan.withdraw",
            f"plan_change:{change_id}",
            now_ms=now_ms,
            detail=reason,
            by=by,
        )
    wiring.wakeups.wake_effect(CHANGE_PLAN_JOB, change_id)
    return after


def existing_change(connection: Connection, change_id: int, *, lock: bool = False) -> PlanChange:
    """A change that was asked for. Raises ActRefused when there is none of this id."""
    change = change_by_id(connection, change_id, lock=lock)
    if change is None:
        raise ActRefused(f"There is no change {change_id}; `redress plan list` shows them all.")
    return change


def existing_seen(connection: Connection, seen_id: int, *, lock: bool = False) -> SeenPlan:
    """A change that was seen. Raises ActRefused when there is none of this id."""
    seen = seen_by_id(connection, seen_id, lock=lock)
    if seen is None:
        raise ActRefused(f"There is no seen change {seen_id}; `redress plan seen` shows them all.")
    return seen


def _locked(connection: Connection, seen_id: int) -> SeenPlan:
    lock_subscription(connection, existing_seen(connection, seen_id).subscription_id)
    return existing_seen(connection, seen_id, lock=True)


def _audit_seen(
    connection: Connection, action: str, seen_id: int, reason: str, *, now_ms: int, by: Actor
) -> None:
    audit_act(
        connection, action, f"seen_plan_change:{seen_id}", now_ms=now_ms, detail=reason, by=by
    )
