"""Judges charges: gathers the payments to compare, asks the policy, writes what follows from it.

Everything happens in the caller's transaction: the case, the decision and the refund intent are
committed together with the event that led to them, or not at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ledger.cases import DUPLICATE_CHARGE, Case, cases_about, cases_keeping, move_case, open_case
from ledger.engine import lock_names
from ledger.look_ups import want_look_up
from ledger.payment_facts import INVOICES_OF_PAYMENT_INTENT, GroupTooLarge, gather_group
from ledger.payment_ties import ties, ties_of_charge
from ledger.refund_intents import Intent, intents_of_cases, refund_under_way
from ledger.states import CaseState
from policy.decision import Decision, Verdict
from policy.duplicate_charges import Finding, decide_cleared, decide_duplicate, find_duplicates
from policy.payments import Payment
from runtime.probes import probe
from workers.case_following import (
    BEYOND_JUDGEMENT,
    CaseAtHand,
    Desk,
    Verdicts,
    follow_decision,
    ruled_on,
)
from workers.context import WorkerContext
from workers.terms_book import TermsBook

VERDICTS = Verdicts(
    stripe_reason="duplicate",
    denied="no refund: it is no duplicate charge, or nothing is left to refund",
)
UNDER_WAY = "a duplicate charge that another refund is under way for: judged when that has ended"


@dataclass(slots=True, kw_only=True)
class Judged:
    """What judging led to: what has to be rung for after the commit, how many decisions were written.

    `lists_changed`: the next payments of a card are judged otherwise now. `withdrawn`: the charges of which a
    refund that had not left was taken back.
    """

    intents: set[str] = field(default_factory=set)
    look_ups: set[int] = field(default_factory=set)
    notices: set[int] = field(default_factory=set)
    decisions: int = 0
    lists_changed: bool = False
    withdrawn: set[str] = field(default_factory=set)

    def add(self, other: "Judged") -> None:
        """Count another judging in."""
        self.intents |= other.intents
        self.look_ups |= other.look_ups
        self.notices |= other.notices
        self.decisions += other.decisions
        self.lists_changed |= other.lists_changed
        self.withdrawn |= other.withdrawn


def judge_charges(
    context: WorkerContext,
    connection: Connection,
    charge_ids: Iterable[str],
    event_row_id: int | None,
) -> Judged:
    """Judge each charge with all that hangs together with it. Rows known to be alone cost one query."""
    bench = _Bench(context=context, connection=connection, event_row_id=event_row_id)
    waiting = sorted(set(charge_ids))
    seen: set[str] = set()
    while waiting:
        charge_id = waiting.pop(0)
        if charge_id not in seen:
            members = set(bench.judge_group_of(charge_id))
            seen |= {charge_id, *members}
            # A payment that was tied to one of these and no longer is must be cleared as well.
            if members:
                waiting += sorted(cases_keeping(connection, DUPLICATE_CHARGE, members) - seen)
    return bench.judged


def find_in_group(
    terms: TermsBook, payments: list[Payment]
) -> list[tuple[Payment, Finding | None]]:
    """Each payment with what the terms in force at its purchase find about it."""
    found: dict[str, dict[str, Finding]] = {}
    judged = []
    for payment in payments:
        in_force = terms.in_force(payment.created)
        if in_force.version not in found:
            findings = find_duplicates(payments, in_force.duplicates)
            found[in_force.version] = {finding.charge_id: finding for finding in findings}
        judged.append((payment, found[in_force.version].get(payment.charge_id)))
    return judged


def decide(terms: TermsBook, payment: Payment, finding: Finding | None) -> Decision:
    """The decision about one payment under the terms of its purchase."""
    in_force = terms.in_force(payment.created)
    if finding is None:
        return decide_cleared(payment, in_force)
    return decide_duplicate(finding, payment, in_force)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """One transaction's judging."""

    context: WorkerContext
    connection: Connection
    event_row_id: int | None
    judged: Judged = field(default_factory=Judged)

    def judge_group_of(self, charge_id: str) -> list[str]:
        """Judge the charge and all that is tied to it; returns those charges, none if nothing is near."""
        try:
            group = self._group(charge_id)
        except GroupTooLarge as too_large:
            self._leave_to_a_person(charge_id, str(too_large))
            return []
        if not group:
            return []
        charge_ids = [payment.charge_id for payment in group]
        cases = cases_about(self.connection, DUPLICATE_CHARGE, charge_ids)
        case_ids = [case.case_id for case in cases.values()]
        intents = intents_of_cases(self.connection, case_ids) if case_ids else {}
        reviews = 0
        for payment, finding in find_in_group(self.context.terms, group):
            case = cases.get(payment.charge_id)
            intent = None if case is None else intents.get(case.case_id)
            if intent is not None and intent.state in BEYOND_JUDGEMENT:
                probe("judge.beyond")
                continue
            if case is None and finding is None:
                continue
            if case is not None and ruled_on(self.connection, case.case_id):
                probe("judge.ruled_on")
                continue
            decision = decide(self.context.terms, payment, finding)
            case = case or self._open_case(payment.charge_id, payment.customer_id)
            self._follow(case, intent, payment, finding, decision)
            reviews += decision.verdict is Verdict.REVIEW
        if reviews:
            self._ask_for_invoices(group)
        return charge_ids

    def _group(self, charge_id: str) -> list[Payment]:
        """The charge's group, read under the locks of everything that could tie a payment to it."""
        reach, related = self.context.terms.reach(), self.context.terms.related
        if self.connection.dialect.name == "sqlite":
            return gather_group(self.connection, charge_id, reach, related)
        # Before the first look: another worker's half of a pair may not be committed yet, and who
        # comes second must wait for it and then see it.
        held = ties_of_charge(self.connection, charge_id)
        lock_names(self.connection, held)
        group = gather_group(self.connection, charge_id, reach, related)
        more = sorted({name for payment in group for name in ties(payment)} - set(held))
        if not more:
            return group
        lock_names(self.connection, more)
        # Read again: only what is read under the locks can be acted on.
        return gather_group(self.connection, charge_id, reach, related)

    def _follow(
        self,
        case: Case,
        intent: Intent | None,
        payment: Payment,
        finding: Finding | None,
        decision: Decision,
    ) -> None:
        """Write a decision and what follows from it, unless the case already stands on the same one."""
        now_ms = self.context.clock.now_ms()
        approved = decision.amount is not None
        if approved and refund_under_way(self.connection, payment.charge_id, case.case_id):
            move_case(
                self.connection, case.case_id, CaseState.REVIEW, note=UNDER_WAY, now_ms=now_ms
            )
            return
        desk = Desk(connection=self.connection, settings=self.context.settings, now_ms=now_ms)
        at_hand = CaseAtHand(
            case=case,
            intent=intent,
            payment=payment,
            event_row_id=self.event_row_id,
            kept_charge_id=None if finding is None else finding.kept_charge_id,
        )
        followed = follow_decision(desk, at_hand, decision, VERDICTS)
        self.judged.intents |= followed.intents
        self.judged.decisions += followed.decision_id is not None
        self.judged.withdrawn |= {payment.charge_id} if followed.withdrawn else set()

    def _open_case(self, charge_id: str, customer_id: str | None) -> Case:
        return open_case(
            self.connection,
            kind=DUPLICATE_CHARGE,
            charge_id=charge_id,
            kept_charge_id=None,
            customer_id=customer_id,
            now_ms=self.context.clock.now_ms(),
        )

    def _leave_to_a_person(self, charge_id: str, note: str) -> None:
        known = cases_about(self.connection, DUPLICATE_CHARGE, [charge_id])
        case = known.get(charge_id) or self._open_case(charge_id, None)
        if case.note is None:
            now_ms = self.context.clock.now_ms()
            move_case(self.connection, case.case_id, CaseState.REVIEW, note=note, now_ms=now_ms)

    def _ask_for_invoices(self, group: list[Payment]) -> None:
        """Have Stripe asked about every payment of the group whose invoice is not known."""
        for payment in group:
            if payment.invoice_known or payment.payment_intent_id is None:
                continue
            row_id = want_look_up(
                self.connection,
                INVOICES_OF_PAYMENT_INTENT,
                payment.payment_intent_id,
                "a review hangs on what the payment was for",
                self.context.clock.now_ms(),
            )
            if row_id is not None:
                self.judged.look_ups.add(row_id)
