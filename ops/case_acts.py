"""What a person says about a case, carried out, audited and rung for, whoever says it and from wherever."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection

from ledger.approvals import Approval, drop_approval
from ledger.case_work import CaseWork, note_work
from ledger.cases import case_by_id
from ledger.payment_facts import payments_by_charge
from ops.moments import moment_text
from ops.operator_audit import Actor, audit_act
from ops.typed_amount import read_amount_minor
from policy.money import Money
from policy.rulings import RulingRefused
from runtime.queues import JUDGE_REQUEST_JOB
from runtime.wiring import Wiring
from workers.case_following import Desk
from workers.case_questions import ask_customer
from workers.case_rulings import Ruled, appeal_case, rule_on_case
from workers.context import ring_for
from workers.second_person import Wish, approve_case
from workers.terms_book import TermsBook

#: What came of what a person said: a ruling, or a word that waits for a second one.
Outcome = TypeVar("Outcome", bound=Ruled | Approval)


def approve(
    wiring: Wiring,
    case_id: int,
    by: Actor,
    reason: str,
    *,
    amount: str,
    keeps_credits: bool,
    keeps_subscription: bool,
) -> Ruled | Approval:
    """Refund `amount` as a person typed it, or all that is left. Raises RulingRefused or a ClickException."""

    def rule(desk: Desk) -> Ruled | Approval:
        wish = Wish(
            amount=_amount(desk.connection, case_id, amount),
            keeps_credits=keeps_credits,
            keeps_subscription=keeps_subscription,
            actor=by.name,
            reason=reason,
        )
        return approve_case(desk, TermsBook.by(desk.settings), case_id, wish)

    return _rule(wiring, case_id, by, ("cases.approve", reason), rule)


def deny(wiring: Wiring, case_id: int, by: Actor, reason: str) -> Ruled:
    """Refund nothing; `reason` is what the customer reads. Raises RulingRefused."""

    def rule(desk: Desk) -> Ruled:
        ruled = rule_on_case(
            desk, TermsBook.by(desk.settings), case_id, amount_minor=None, explanation=reason
        )
        drop_approval(desk.connection, case_id, desk.now_ms)
        return ruled

    return _rule(wiring, case_id, by, ("cases.deny", reason), rule)


def appeal(
    wiring: Wiring, case_id: int, by: Actor, reason: str, stated: Mapping[str, Any]
) -> int | None:
    """Have a case judged anew with facts that were stated; the request's id, None when a person decides.

    Raises RulingRefused.
    """
    with wiring.store.write() as connection:
        desk = _desk(wiring, connection)
        request_id = appeal_case(desk, case_id, stated)
        audit_act(
            connection,
            "cases.appeal",
            f"case:{case_id}",
            now_ms=desk.now_ms,
            detail=reason,
            by=by,
        )
    if request_id is not None:
        wiring.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
    return request_id


def ask(wiring: Wiring, case_id: int, by: Actor, question: str) -> None:
    """Ask the customer by e-mail, in these words. Raises RulingRefused."""
    with wiring.store.write() as connection:
        desk = _desk(wiring, connection)
        asked = audit_act(
            connection, "cases.ask", f"case:{case_id}", now_ms=desk.now_ms, detail=question, by=by
        )
        notice = ask_customer(desk, TermsBook.by(wiring.settings), case_id, question, asked)
    ring_for(wiring.wakeups, (), (), notices=[] if notice is None else [notice])


def note_case_work(wiring: Wiring, case_id: int, by: Actor, work: CaseWork) -> None:
    """Write who has a case and until when it is put off. Raises RulingRefused when there is no such case."""
    with wiring.store.write() as connection:
        if case_by_id(connection, case_id) is None:
            raise RulingRefused(f"there is no case {case_id}")
        now_ms = wiring.clock.now_ms()
        note_work(connection, case_id, work, now_ms)
        until = "" if work.snoozed_until_ms is None else moment_text(work.snoozed_until_ms)
        put_off = f", put off until {until}" if until else ""
        audit_act(
            connection,
            "cases.work",
            f"case:{case_id}",
            now_ms=now_ms,
            detail=f"{work.assignee or 'nobody'} has it{put_off}",
            by=by,
        )


def _rule(
    wiring: Wiring,
    case_id: int,
    by: Actor,
    said: tuple[str, str],
    rule: Callable[[Desk], Outcome],
) -> Outcome:
    action, reason = said
    with wiring.store.write() as connection:
        desk = _desk(wiring, connection)
        ruled = rule(desk)
        waits = isinstance(ruled, Approval)
        audit_act(
            connection,
            action,
            f"case:{case_id}",
            now_ms=desk.now_ms,
            detail=reason,
            result="waits for a second person" if waits else "done",
            by=by,
        )
    if isinstance(ruled, Ruled):
        ring_for(wiring.wakeups, ruled.followed.intents, (), notices=ruled.followed.notices)
    return ruled


def _desk(wiring: Wiring, connection: Connection) -> Desk:
    """Where a person rules: in this transaction, now."""
    return Desk(connection=connection, settings=wiring.settings, now_ms=wiring.clock.now_ms())


def _amount(connection: Connection, case_id: int, amount: str) -> Money:
    case = case_by_id(connection, case_id)
    known = {} if case is None else payments_by_charge(connection, [case.charge_id])
    if case is None or case.charge_id not in known:
        raise RulingRefused(f"there is no case {case_id}, or no charge of it")
    payment = known[case.charge_id]
    return Money(amount_minor=read_amount_minor(amount, payment), currency=payment.currency)
