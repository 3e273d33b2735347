"""The end of putting a change of plan right: the wished plan is scheduled, and what was paid goes back.

Money goes back as every refund does: a case, a decision, an intent behind the brakes. The credit note that
tells Stripe's books of it follows when the refund has left. Source: docs.stripe.com/api/credit_notes/create.
"""

import json

from sqlalchemy import Connection

from ledger.asked_plan_changes import NewPlanChange, asked_since, write_change
from ledger.cases import PLAN_PREFIX, cases_about, open_case
from ledger.credit_issues import Purchase, undo_issues
from ledger.credits import revoke_credits
from ledger.engine import lock_names
from ledger.payment_facts import payments_by_charge
from ledger.plan_change_leases import lock_subscription
from ledger.refund_intents import Intent, intents_of_cases, refund_under_way
from ledger.seen_plan_changes import SeenPlan
from ledger.seen_plan_leases import settle_seen
from ledger.states import CaseState, IntentState, SeenPlanState
from policy.clauses import Clause
from policy.payments import Payment
from policy.wrong_plan_charges import WrongChargeFacts, decide_wrong_charge
from runtime.call_limits import PLAN_CREDIT_PAUSE_SECONDS, PLAN_PERSON_PAUSE_SECONDS
from runtime.probes import probe
from runtime.queues import CHANGE_PLAN_JOB
from workers import crash_points
from workers.business_days import business_days_after
from workers.case_following import CaseAtHand, Desk, Verdicts, follow_decision
from workers.context import WorkerContext, ring_for
from workers.handlers import charges_of_invoice
from workers.money_brakes import all_stopped
from workers.plan_money import ChangeInvoice, plan_money
from workers.plan_repairs import Looked, call, credit_note, settled_by_credit, to_pay_back
from workers.product_notices import product_listens, tell_revoked

VERDICTS = Verdicts(
    stripe_reason="requested_by_customer", denied="nothing is left of what was charged early"
)
NOT_KNOWN_YET = "the payment of invoice {} is not known yet"
_REFUNDED = frozenset({IntentState.PENDING, IntentState.SUCCEEDED})


def finish_restoring(context: WorkerContext, looked: Looked) -> None:
    """Ask for the wished plan at the period's end, and open the refunds; what must still come is awaited."""
    seen, intents = looked.seen, set[str]()
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        lock_subscription(connection, seen.subscription_id)
        paid = to_pay_back(looked.money)
        charges = {one.invoice_id: _charge_of(connection, one) for one in paid if one.paid_minor}
        unknown = [one for one, payment in charges.items() if payment is None]
        drafts = [one.invoice_id for one in looked.money.invoices if one.status == "draft"]
        if unknown or drafts:
            probe("restore.waits_for_an_invoice")
            _wait(connection, seen, now_ms, NOT_KNOWN_YET.format((unknown + drafts)[0]))
            return
        state = SeenPlanState.CREDITING if paid else SeenPlanState.RESTORED
        due_ms = now_ms + PLAN_CREDIT_PAUSE_SECONDS * 1000 if paid else None
        owed = json.dumps([one.invoice_id for one in paid])
        settled = settle_seen(
            connection, seen, now_ms, state=state.value, next_attempt_ms=due_ms, owed=owed
        )
        if settled is None:
            return
        change_id = _ask_for_the_wish(connection, looked, now_ms)
        for one in settled_by_credit(looked.money):
            _take_credits(context, connection, seen, one)
        for one in paid:
            payment = charges.get(one.invoice_id)
            if payment is not None:
                intents |= _pay_back(context, connection, seen, one, payment)
    ring_for(context.wakeups, intents, ())
    if change_id is not None:
        context.wakeups.wake_effect(CHANGE_PLAN_JOB, change_id)


def go_on_crediting(context: WorkerContext, seen: SeenPlan) -> None:
    """Write the credit note of each refund that has left; done when no invoice waits for one."""
    found = plan_money(
        context.gateway,
        seen.subscription_id,
        seen.customer_id,
        since=seen.base_at,
        paid_from=seen.base_at,
    )
    context.crash.reach(crash_points.RESTORE_LOOKED)
    # What a later change took is no matter of this one.
    mine = [one for one in to_pay_back(found) if one.invoice_id in seen.owed]
    waiting = [pause for one in mine if (pause := _credited(context, seen, one))]
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        if waiting:
            _wait(connection, seen, now_ms, None, min(waiting))
        else:
            state = SeenPlanState.RESTORED.value
            settle_seen(connection, seen, now_ms, state=state, next_attempt_ms=None)


def _credited(context: WorkerContext, seen: SeenPlan, invoice: ChangeInvoice) -> int:
    """Write one invoice's credit note if its time has come; else in how many seconds to look again."""
    from_card = min(invoice.paid_minor, invoice.wrong_minor)
    with context.store.write() as connection:
        if all_stopped(connection, context.settings, livemode=seen.livemode) is not None:
            return PLAN_CREDIT_PAUSE_SECONDS
        intent, closed = None, False
        if from_card:
            intent, closed = _refund_of(connection, seen, invoice)
    if from_card and (intent is None or intent.state not in _REFUNDED or intent.refund_id is None):
        if closed:
            return 0  # without a refund there is nothing to note
        under_way = intent is not None and intent.next_attempt_ms is not None
        return PLAN_CREDIT_PAUSE_SECONDS if under_way else PLAN_PERSON_PAUSE_SECONDS
    refunded = 0 if intent is None else intent.amount.amount_minor
    refund_id = None if intent is None else intent.refund_id
    to_balance = invoice.wrong_minor - from_card
    call(context.gateway, credit_note(invoice, refund_id, refunded, to_balance))
    probe("restore.credit_note")
    context.crash.reach(crash_points.RESTORE_CALLED)
    return 0


def _refund_of(
    connection: Connection, seen: SeenPlan, invoice: ChangeInvoice
) -> tuple[Intent | None, bool]:
    """The refund of an invoice's payment for this change, and whether its case is closed."""
    about = cases_about(connection, _kind(seen), charges_of_invoice(connection, invoice.invoice_id))
    for case in about.values():
        intent = intents_of_cases(connection, [case.case_id]).get(case.case_id)
        return intent, case.state is CaseState.CLOSED
    return None, False


def _ask_for_the_wish(connection: Connection, looked: Looked, now_ms: int) -> int | None:
    """Ask for the plan that somebody wanted at once; None where the customer has asked for another since."""
    seen = looked.seen
    wished = seen.after[0].price_id
    if wished == looked.base.price_id or looked.over or not looked.period_lasts:
        return None
    if asked_since(connection, seen.subscription_id, wished, seen.seen_at * 1000):
        probe("restore.asked_since")
        return None
    asked = NewPlanChange(
        key=f"seen:{seen.event_id}",
        subscription_id=seen.subscription_id,
        price_id=wished,
        livemode=seen.livemode,
        reason=f"changed at once by {seen.made_by}; put right",
    )
    change_id, _ = write_change(connection, asked, now_ms)
    return change_id


def _pay_back(
    context: WorkerContext,
    connection: Connection,
    seen: SeenPlan,
    invoice: ChangeInvoice,
    payment: Payment,
) -> set[str]:
    """Open the case of one payment and follow its decision; the intents to ring for."""
    # With whoever judges a request about the same payment, or an outage.
    lock_names(connection, [f"refund_request:{payment.charge_id}"])
    kind, now_ms = _kind(seen), context.clock.now_ms()
    terms = context.terms.in_force(payment.created)
    if cases_about(connection, kind, [payment.charge_id]):
        return set()
    case = open_case(
        connection,
        kind=kind,
        charge_id=payment.charge_id,
        kept_charge_id=None,
        customer_id=payment.customer_id,
        now_ms=now_ms,
        due_ms=business_days_after(now_ms, terms.requests.review_business_days),
    )
    if refund_under_way(connection, payment.charge_id, case.case_id):
        return (
            set()
        )  # the open case is a person's: two refunds of one payment are none of a machine's
    facts = WrongChargeFacts(
        payment=payment,
        invoice=invoice.invoice_id,
        clause=Clause(str(seen.clause)),
        wrong_minor=min(invoice.wrong_minor, invoice.paid_minor, payment.captured_minor),
        whole=invoice.whole,
    )
    desk = Desk(connection=connection, settings=context.settings, now_ms=now_ms)
    at_hand = CaseAtHand(case=case, intent=None, payment=payment)
    return follow_decision(desk, at_hand, decide_wrong_charge(facts, terms), VERDICTS).intents


def _take_credits(
    context: WorkerContext, connection: Connection, seen: SeenPlan, invoice: ChangeInvoice
) -> None:
    """Take what a period brought that a credit had settled; a refund takes its own (`refund_consequences`)."""
    now_ms = context.clock.now_ms()
    bought = [
        Purchase(
            source=invoice.invoice_id,
            ref=price_id,
            customer_id=invoice.customer_id,
            subscription_id=seen.subscription_id,
            quantity=1,
            paid_at=seen.base_at,
        )
        for price_id in invoice.prices
    ]
    undo_issues(connection, invoice.invoice_id, bought, now_ms)
    taken = revoke_credits(
        connection,
        key=f"revocation:{invoice.invoice_id}",
        sources=[invoice.invoice_id],
        by=_kind(seen),
        at=now_ms // 1000,
        now_ms=now_ms,
    )
    if taken:
        probe("restore.credits_taken")
        if product_listens(context.settings):
            tell_revoked(
                connection,
                customer_id=invoice.customer_id,
                case_id=None,
                charge_id=None,
                by=invoice.invoice_id,
                credits=taken,
                now_ms=now_ms,
            )


def _charge_of(connection: Connection, invoice: ChangeInvoice) -> Payment | None:
    """The payment that settled an invoice, as far as events told of it."""
    known = payments_by_charge(connection, charges_of_invoice(connection, invoice.invoice_id))
    return next((one for one in known.values() if one.captured_minor > 0), None)


def _kind(seen: SeenPlan) -> str:
    return f"{PLAN_PREFIX}{seen.event_id}"


def _wait(
    connection: Connection,
    seen: SeenPlan,
    now_ms: int,
    note: str | None,
    pause_seconds: int = PLAN_CREDIT_PAUSE_SECONDS,
) -> None:
    told = {} if note is None else {"note": note}
    due_ms = now_ms + pause_seconds * 1000
    settle_seen(connection, seen, now_ms, **told, next_attempt_ms=due_ms, attempts=0)
