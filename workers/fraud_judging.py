"""Judges payments for fraud: gathers their signals, asks the policy, writes what follows from it.

Everything happens in the caller's transaction. A payment of which nothing is suspected leaves no row and costs three
queries. A report about one payment of a card (a fraud dispute, a warning) speaks about the others as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from ledger.cases import FRAUD, Case, cases_about, move_case, open_case
from ledger.engine import lock_names
from ledger.fraud_facts import (
    Suspect,
    keys_of,
    own_try,
    payments_of_card,
    suspect,
)
from ledger.fraud_reports import Reports, reports
from ledger.payment_facts import payments_by_charge
from ledger.refund_intents import Intent, intents_of_cases, refund_under_way
from ledger.states import CaseState, StandingCause
from policy.clauses import Clause
from policy.decision import Decision, Verdict
from policy.fraud_scores import ScoreFacts, decide_score, weigh
from policy.fraud_signals import Signal
from policy.fraud_warnings import decide_warning
from policy.payments import Payment
from policy.terms_file import Terms
from runtime.probes import probe
from workers.business_days import business_days_after
from workers.case_following import (
    BEYOND_JUDGEMENT,
    CaseAtHand,
    Desk,
    Verdicts,
    follow_decision,
    ruled_on,
)
from workers.context import JudgingContext
from workers.dispute_judging import judge_disputes
from workers.fraud_gathering import signals_of, warning_facts
from workers.judge import Judged
from workers.purchase_asking import WAITS, ask_for_purchase, purchase_known
from workers.shadow_terms import note_let_through
from workers.suspicions import follow_suspicion

DENIED: Final = "no refund: not taken for fraud, or nothing is left to give back"
UNDER_WAY: Final = "suspected fraud, and another refund is under way: judged when that has ended"
#: Stripe's own word for a refund of fraud; it feeds Radar's lists, so it is said only where there is no doubt.
_FRAUDULENT: Final = "fraudulent"
_RANK: Final = (Verdict.DENY, Verdict.REVIEW, Verdict.APPROVE)


def judge_fraud(
    context: JudgingContext,
    connection: Connection,
    charge_ids: Iterable[str],
    event_row_id: int | None,
) -> Judged:
    """Judge each charge; where one is reported as fraud, the other payments of its card as well."""
    bench = _Bench(context=context, connection=connection, event_row_id=event_row_id)
    waiting, seen = sorted(set(charge_ids)), set[str]()
    while waiting:
        charge_id = waiting.pop(0)
        seen.add(charge_id)
        bench.judged.lists_changed = False
        reported = bench.judge(charge_id)
        # An entry speaks about later payments alone, so that this comes to an end.
        again = bench.judged.lists_changed
        waiting += [one for one in reported if again or one not in seen]
    return bench.judged


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One payment as it is looked at: its try, its reports and signals, and the terms of its purchase."""

    suspect: Suspect
    reports: Reports
    signals: dict[str, Signal]
    terms: Terms

    @property
    def suspicious(self) -> bool:
        """Whether anything about it needs more than being let through."""
        rules = self.terms.fraud_scores
        scored = sum(weigh(self.signals, rules).values()) >= rules.review_score
        return scored or bool(self.reports.own_warnings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """One transaction's judging."""

    context: JudgingContext
    connection: Connection
    event_row_id: int | None
    judged: Judged = field(default_factory=Judged)

    def judge(self, charge_id: str) -> list[str]:
        """Judge one charge; returns the other charges that what is reported about it speaks about."""
        look = self._look(charge_id)
        if look is None:
            return []
        case = cases_about(self.connection, FRAUD, [charge_id]).get(charge_id)
        if case is not None or (look.suspect.own.succeeded and look.suspicious):
            self._decide(look, case)
        elif look.suspect.own.succeeded:
            note_let_through(
                self.connection,
                self.context.shadow,
                charge_id,
                signals=look.signals,
                exempt=look.reports.exempt,
                now_ms=self.context.clock.now_ms(),
            )
        if look.reports.disputed:
            self.judged.add(
                judge_disputes(self.context, self.connection, charge_id, self.event_row_id)
            )
        reported = look.reports.own_warnings or look.reports.own_fraud_disputes
        if not (reported or self.judged.lists_changed):
            return []
        others = payments_of_card(self.connection, charge_id)
        return [one for one in others if one != charge_id]

    def _look(self, charge_id: str) -> _Look | None:
        if self.connection.dialect.name == "postgresql":
            # Whoever writes a try that shares anything with this one has committed before it is counted.
            own = own_try(self.connection, charge_id)
            lock_names(self.connection, [] if own is None else list(keys_of(own)))
        found = suspect(self.connection, charge_id)
        if found is None:
            return None
        terms = self.context.terms.in_force(found.own.created)
        reported = reports(self.connection, found.own, self.context.clock.now_ms())
        signals = signals_of(self.connection, found, reported, terms.fraud_scores)
        return _Look(suspect=found, reports=reported, signals=signals, terms=terms)

    def _decide(self, look: _Look, case: Case | None) -> None:
        charge_id = look.suspect.own.charge_id
        payment = payments_by_charge(self.connection, [charge_id])[charge_id]
        intent = None
        if case is not None:
            intent = intents_of_cases(self.connection, [case.case_id]).get(case.case_id)
            if intent is not None and intent.state in BEYOND_JUDGEMENT:
                probe("fraud.beyond")
                return
            if ruled_on(self.connection, case.case_id):
                probe("fraud.ruled_on")
                return
        decision = self._decision(look, payment)
        if case is None and not look.reports.own_warnings and _comes_to_nothing(decision):
            return
        case = case or self._open_case(payment, look.terms)
        self._follow(case, intent, payment, decision)

    def _decision(self, look: _Look, payment: Payment) -> Decision:
        """Of what the score and each warning come to, the one that does most."""
        scored = ScoreFacts(payment=payment, signals=look.signals, exempt=look.reports.exempt)
        found = [
            decide_warning(
                warning_facts(
                    self.connection,
                    look.suspect,
                    warning,
                    payment,
                    look.terms.fraud_warnings,
                    network=look.suspect.network,
                    now=self.context.clock.now_ms() // 1_000,
                ),
                look.terms,
            )
            for warning in look.reports.own_warnings
        ]
        # A warning before a score that comes to the same: it is the firmer ground.
        found.append(decide_score(scored, look.terms))
        return max(found, key=lambda one: _RANK.index(one.verdict))

    def _follow(
        self,
        case: Case,
        intent: Intent | None,
        payment: Payment,
        decision: Decision,
    ) -> None:
        now_ms = self.context.clock.now_ms()
        approved = decision.verdict is Verdict.APPROVE
        if approved and not purchase_known(payment):
            probe("fraud.purchase_unknown")
            self.judged.look_ups |= ask_for_purchase(self.connection, payment, now_ms)
            move_case(self.connection, case.case_id, CaseState.REVIEW, note=WAITS, now_ms=now_ms)
            return
        if approved and refund_under_way(self.connection, payment.charge_id, case.case_id):
            probe("fraud.waits_for_another_refund")
            review = CaseState.REVIEW
            move_case(self.connection, case.case_id, review, note=UNDER_WAY, now_ms=now_ms)
            return
        desk = Desk(connection=self.connection, settings=self.context.settings, now_ms=now_ms)
        at_hand = CaseAtHand(
            case=case, intent=intent, payment=payment, event_row_id=self.event_row_id
        )
        verdicts = Verdicts(
            stripe_reason=_FRAUDULENT if _certain(decision) else None, denied=DENIED
        )
        followed = follow_decision(desk, at_hand, decision, verdicts)
        self.judged.intents |= followed.intents
        self.judged.decisions += followed.decision_id is not None
        self.judged.withdrawn |= {payment.charge_id} if followed.withdrawn else set()
        if followed.decision_id is None:
            return
        if approved:
            probe("fraud.refunded")
        carried = follow_suspicion(
            desk,
            case,
            followed.decision_id,
            decision,
            payment,
            freed_as=StandingCause.MISTAKE,
        )
        self.judged.notices |= carried.notices
        self.judged.lists_changed |= carried.lists_changed

    def _open_case(self, payment: Payment, terms: Terms) -> Case:
        now_ms = self.context.clock.now_ms()
        return open_case(
            self.connection,
            kind=FRAUD,
            charge_id=payment.charge_id,
            kept_charge_id=None,
            customer_id=payment.customer_id,
            now_ms=now_ms,
            due_ms=business_days_after(now_ms, terms.requests.review_business_days),
        )


def _comes_to_nothing(decision: Decision) -> bool:
    """Whether it neither moves money nor asks anybody nor keeps an account from its owner."""
    rests = any(one.clause is Clause.FRAUD_SUSPEND for one in decision.clauses)
    return decision.verdict is Verdict.DENY and not rests


def _certain(decision: Decision) -> bool:
    return bool(decision.clauses[0].compared["certain"])
