"""Approvals that wait for a second person: one for each case at most, and never confirmed by who gave it."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from ledger.approval_tables import ApprovalState, approvals
from policy.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What one person approved. `decision_id` is the case's newest decision then, 0 if it had none."""

    case_id: int
    decision_id: int
    amount: Money
    keeps_credits: bool
    keeps_subscription: bool
    actor: str
    reason: str
    made_ms: int


def write_approval(connection: Connection, approval: Approval) -> None:
    """Write down the first person's word; the case must have no other that waits."""
    connection.execute(
        insert(approvals),
        {
            "case_id": approval.case_id,
            "decision_id": approval.decision_id,
            "amount_minor": approval.amount.amount_minor,
            "currency": approval.amount.currency,
            "keeps_credits": approval.keeps_credits,
            "keeps_subscription": approval.keeps_subscription,
            "actor": approval.actor,
            "reason": approval.reason,
            "state": ApprovalState.WAITING.value,
            "made_ms": approval.made_ms,
        },
    )


def waiting_approval(connection: Connection, case_id: int) -> Approval | None:
    """The approval of a case that waits for a second person; its case should be locked by who acts on it."""
    row = connection.execute(_WAITING, {"of_case": case_id}).first()
    if row is None:
        return None
    return Approval(
        case_id=row.case_id,
        decision_id=row.decision_id,
        amount=Money(amount_minor=row.amount_minor, currency=row.currency),
        keeps_credits=row.keeps_credits,
        keeps_subscription=row.keeps_subscription,
        actor=row.actor,
        reason=row.reason,
        made_ms=row.made_ms,
    )


def confirm_approval(connection: Connection, case_id: int, second_actor: str, now_ms: int) -> None:
    """Note that a second person said the same."""
    _end(connection, case_id, ApprovalState.CONFIRMED, second_actor, now_ms)


def drop_approval(connection: Connection, case_id: int, now_ms: int) -> None:
    """End an approval that waits, if there is one: something else took its place."""
    _end(connection, case_id, ApprovalState.DROPPED, None, now_ms)


def _end(
    connection: Connection,
    case_id: int,
    state: ApprovalState,
    second_actor: str | None,
    now_ms: int,
) -> None:
    values = {"state": state.value, "second_actor": second_actor, "ended_ms": now_ms}
    connection.execute(_END.values(**values), {"of_case": case_id})


_WAITS: Final = approvals.c.state == ApprovalState.WAITING.value
_WAITING: Final = select(approvals).where(approvals.c.case_id == bindparam("of_case"), _WAITS)
_END: Final = update(approvals).where(approvals.c.case_id == bindparam("of_case"), _WAITS)
