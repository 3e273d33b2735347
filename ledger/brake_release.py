"""What follows when the brake is released: everything that it may have kept back is due again at once.

Refunds note the brake that keeps them back. Changes of plan and ends of subscriptions do not: those that are to
be tried again later are tried now, which costs a look at Stripe where something else was in the way.
"""

from sqlalchemy import BigInteger, Connection, bindparam, update

from ledger.ending_tables import subscription_ends
from ledger.plan_change_tables import plan_changes
from ledger.refund_intents import release_held
from ledger.seen_plan_tables import seen_plan_changes
from ledger.states import EndState, PlanChangeState, SeenPlanState


def release_all(connection: Connection, now_ms: int) -> int:
    """Make due now what a brake keeps back; returns how many refunds that was."""
    for statement in _LATER:
        connection.execute(statement, {"now": now_ms})
    return release_held(connection, now_ms)


_NOW = bindparam("now", type_=BigInteger)
_WAITING = {
    plan_changes: (PlanChangeState.WAITING, PlanChangeState.WITHDRAWING),
    seen_plan_changes: (SeenPlanState.RESTORING, SeenPlanState.CREDITING),
    subscription_ends: (EndState.WANTED,),
}
_LATER = [
    update(table)
    .where(
        table.c.state.in_([state.value for state in states]),
        table.c.next_attempt_ms > _NOW,
    )
    .values(next_attempt_ms=_NOW)
    for table, states in _WAITING.items()
]
