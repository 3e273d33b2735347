"""What follows at once from the finding that a payment is fraud: the account rests, and the card is listed.

Written in the transaction of the decision, each as a row of its own that is there once. The money, the credits
and the subscription follow when Stripe has accepted the refund (`refund_consequences.py`).
"""

from dataclasses import dataclass, field
from typing import Final

from ledger.accounts import Account, account_of, set_standing
from ledger.audit_log import record
from ledger.cases import Case
from ledger.engine import lock_names
from ledger.list_entries import ListEntry, add_entry_once, origin_of_case, remove_entries_of_case
from ledger.states import ListName, ListSubject, Standing, StandingCause
from ledger.suspensions import (
    end_suspension,
    note_suspension,
    others_hold,
    suspension_of,
)
from policy.clauses import Clause
from policy.decision import Decision
from policy.payments import Payment
from runtime.probes import probe
from workers.case_following import Desk
from workers.product_notices import product_listens, tell_standing

#: Who acts where no person does, in lists and in the audit log.
US: Final = "redress"


@dataclass(slots=True, kw_only=True)
class Carried:
    """What following a finding led to: the notices to be rung for, and whether the lists say otherwise now."""

    notices: set[int] = field(default_factory=set)
    lists_changed: bool = False


def follow_suspicion(
    desk: Desk,
    case: Case,
    decision_id: int,
    decision: Decision,
    payment: Payment,
    *,
    freed_as: StandingCause | None,
) -> Carried:
    """Suspend the account and list the card where the decision says so; undo it where it no longer does.

    `freed_as` is the cause that stays with an account that is freed. In observe mode nothing happens; what was done before is not done again.
    """
    carried = Carried()
    if not desk.enforcing:
        return carried
    rests = next((one for one in decision.clauses if one.clause is Clause.FRAUD_SUSPEND), None)
    if rests is None:
        return lift_suspicion(desk, case.case_id, freed_as)
    if rests.compared["blocks_card"] and payment.card_fingerprint is not None:
        carried.lists_changed = block_card(
            desk,
            payment,
            reason=f"case {case.case_id}: {case.kind}",
            case_id=case.case_id,
        )
    if rests.compared["suspends_account"] and payment.customer_id is not None:
        carried.notices |= suspend(desk, case.case_id, decision_id, payment.customer_id)
    return carried


def block_card(desk: Desk, payment: Payment, *, reason: str, case_id: int) -> bool:
    """Put a payment's card on the block list; False when the case has done so before."""
    entry = ListEntry(
        list_name=ListName.BLOCK,
        subject=ListSubject.CARD,
        value=str(payment.card_fingerprint),
        reason=reason,
        author=US,
        expires_ms=None,
        origin=origin_of_case(case_id),
        since=payment.created,
    )
    listed = add_entry_once(desk.connection, entry, desk.now_ms)
    if listed:
        probe("fraud.card_listed")
    return listed


def lift_suspicion(desk: Desk, case_id: int, cause: StandingCause | None) -> Carried:
    """Take back what a case did to lists and account, as far as no other case does it.

    `cause` stays with the freed account: a mistake lets a refund that was asked for be judged by it.
    """
    connection, now_ms = desk.connection, desk.now_ms
    lifted = Carried(lists_changed=remove_entries_of_case(connection, case_id) > 0)
    found = suspension_of(connection, case_id)
    if found is None:
        return lifted
    lock_names(connection, [f"account:{found.customer_id}"])
    if not end_suspension(connection, case_id, now_ms):
        return lifted
    before = account_of(connection, found.customer_id)
    ours = before.standing is Standing.SUSPENDED and before.cause is StandingCause.FLAG
    if not ours or others_hold(connection, found.customer_id, case_id):
        probe("fraud.stays_suspended")
        return lifted
    probe("fraud.freed")
    after = Account(customer_id=found.customer_id, standing=Standing.ACTIVE, cause=cause)
    lifted.notices |= _stand(desk, before, after, f"case {case_id}")
    return lifted


def suspend(desk: Desk, case_id: int, decision_id: int, customer_id: str) -> set[int]:
    """Suspend an account because of a case, once; the notices to ring for."""
    connection = desk.connection
    lock_names(connection, [f"account:{customer_id}"])
    before = account_of(connection, customer_id)
    noted = note_suspension(
        connection,
        case_id=case_id,
        customer_id=customer_id,
        decision_id=decision_id,
        now_ms=desk.now_ms,
    )
    if not noted or before.standing is not Standing.ACTIVE:
        probe("fraud.suspended_already")
        return set()
    probe("fraud.suspended")
    after = Account(customer_id=customer_id, standing=Standing.SUSPENDED, cause=StandingCause.FLAG)
    return _stand(desk, before, after, f"case {case_id}")


def _stand(desk: Desk, before: Account, after: Account, why: str) -> set[int]:
    set_standing(desk.connection, after, desk.now_ms)
    audit_id = record(
        desk.connection,
        at_ms=desk.now_ms,
        actor=US,
        action="accounts.set",
        object_id=f"account:{after.customer_id}",
        result=f"{after.standing} ({after.cause or 'no cause'})",
        origin="worker",
        detail=why,
    )
    if not product_listens(desk.settings):
        return set()
    told = tell_standing(desk.connection, before, after, audit_id=audit_id, now_ms=desk.now_ms)
    return set() if told is None else {told}
