"""Proportional refunds for an outage: what each subscription that it touched is owed, and paying it.

A plan reads the ledger alone; the last look at Stripe comes before each call, as for every refund. One
case per payment and outage, so that a run that was cut off is simply run again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.cases import OUTAGE_PREFIX, cases_about, move_case, open_case
from ledger.credit_issues import billed_minor
from ledger.engine import Store, lock_names
from ledger.outages import Outage, subscription_charges
from ledger.payment_facts import payments_by_charge
from ledger.refund_intents import intents_of_cases, refund_under_way
from ledger.states import CaseState
from policy.decision import Decision
from policy.outage_decisions import OutageFacts, decide_outage
from policy.payments import Payment
from policy.terms_file import Terms
from runtime.probes import probe
from workers.business_days import business_days_after
from workers.case_following import (
    BEYOND_JUDGEMENT,
    CaseAtHand,
    Desk,
    Followed,
    Telling,
    Verdicts,
    follow_decision,
    tell_decision,
)
from workers.catalogue_book import CatalogueBook
from workers.paid_period import PaidPeriod, paid_period
from workers.terms_book import TermsBook

VERDICTS = Verdicts(
    stripe_reason="requested_by_customer",
    denied="no refund: its share went back before, or is nothing",
)
UNDER_WAY = "another refund of this payment is under way: run the outage again when that has ended"
_PAGE = 200
#: A yearly plan that was paid a leap year ago may have been touched.
_PERIOD_SECONDS_MAX = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What one payment is owed for an outage, as the ledger sees it now."""

    payment: Payment
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageDesk:
    """What outages are judged with."""

    store: Store
    terms: TermsBook
    catalogue: CatalogueBook

    def touched(self, outage: Outage) -> Iterator[Owed]:
        """Every payment whose period the outage cut into, with what it is owed; page by page."""
        after = ""
        while True:
            with self.store.read() as connection:
                page = subscription_charges(
                    connection,
                    outage.began_at - _PERIOD_SECONDS_MAX,
                    outage.ended_at,
                    after,
                    _PAGE,
                )
                known = payments_by_charge(connection, page)
                owed = [self._owed(connection, outage, known[one]) for one in page if one in known]
            yield from (one for one in owed if one is not None)
            if len(page) < _PAGE:
                return
            after = page[-1]

    def pay(self, desk: Desk, outage: Outage, charge_id: str) -> Followed:
        """Open the case of one payment and follow its decision; nothing when that was done before."""
        # With whoever judges a request about the same payment, and any other outage of it.
        lock_names(desk.connection, [f"refund_request:{charge_id}"])
        payment = payments_by_charge(desk.connection, [charge_id])[charge_id]
        owed = self._owed(desk.connection, outage, payment)
        kind = f"{OUTAGE_PREFIX}{outage.outage_id}"
        case = cases_about(desk.connection, kind, [charge_id]).get(charge_id)
        intent = None
        if case is not None:
            intent = intents_of_cases(desk.connection, [case.case_id]).get(case.case_id)
        if owed is None or (intent is not None and intent.state in BEYOND_JUDGEMENT):
            probe("outage.not_touched_or_paid")
            return Followed()
        terms = self.terms.in_force(payment.created)
        if case is None:
            due_ms = business_days_after(desk.now_ms, terms.requests.review_business_days)
            case = open_case(
                desk.connection,
                kind=kind,
                charge_id=charge_id,
                kept_charge_id=None,
                customer_id=payment.customer_id,
                now_ms=desk.now_ms,
                due_ms=due_ms,
            )
        if refund_under_way(desk.connection, charge_id, case.case_id):
            probe("outage.waits_for_another_refund")
            review = CaseState.REVIEW
            move_case(desk.connection, case.case_id, review, note=UNDER_WAY, now_ms=desk.now_ms)
            return Followed()
        at_hand = CaseAtHand(case=case, intent=intent, payment=payment)
        followed = follow_decision(desk, at_hand, owed.decision, VERDICTS)
        # Whose address it is nobody told us: the product tells its customers.
        told = Telling(decision=owed.decision, terms=terms, email=None)
        tell_decision(desk, case, followed, told)
        return followed

    def _owed(self, connection: Connection, outage: Outage, payment: Payment) -> Owed | None:
        period = paid_period(self.catalogue, connection, payment, [outage])
        if not _cut_into(outage, payment, period):
            return None
        terms: Terms = self.terms.in_force(payment.created)
        invoice = payment.invoice
        facts = OutageFacts(
            payment=payment,
            plan_minor=None if invoice is None else billed_minor(connection, invoice.invoice_id),
            period_seconds=period.period_seconds,
            lost_seconds=period.lost_seconds or 0,
            fee_minor=None,
        )
        return Owed(payment=payment, decision=decide_outage(facts, terms))


def _cut_into(outage: Outage, payment: Payment, period: PaidPeriod) -> bool:
    """Whether the outage fell into the period, or may have: what nobody describes is a person's."""
    if period.offer is None:
        return not outage.affects and outage.began_at >= payment.created
    if not outage.touches([period.offer.ref]):
        return False
    ends_at = payment.created + (period.period_seconds or 0)
    return outage.seconds_within(payment.created, ends_at) > 0
