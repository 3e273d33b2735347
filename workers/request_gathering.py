"""Gathers the facts that a refund request is judged by: from the ledger, from Stripe, and from people.

What nobody claims and nothing shows is not so: without a complaint about failures there were none,
and an account that nobody suspended broke no rules. What is claimed and not shown is not known, and
stays None until a person states it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ledger.accounts import account_of
from ledger.cases import DUPLICATE_CHARGE, cases_about
from ledger.decisions import last_decision
from ledger.payment_facts import payments_by_charge
from ledger.purchase_credits import PurchaseCredits, purchase_credits
from ledger.purchase_sources import sources_of
from ledger.refund_requests import Request
from ledger.states import StandingCause
from policy.billing_periods import period_end
from policy.decision import Verdict
from policy.invoice_taking import InvoiceTaking
from policy.payments import Payment
from policy.request_facts import IntakeField, Plan, Reason, RequestFacts
from runtime.probes import probe
from workers.context import WorkerContext
from workers.gateway import Gateway
from workers.invoice_takings import invoice_taking
from workers.paid_period import paid_period
from workers.rendered_fields import RenderedFields, UnreadableRendering
from workers.stripe_view import as_stripe_says

#: A change at once, or a switch at a period's end.
_BY_CHANGE = frozenset({"subscription_update", "subscription_cycle"})
_INITIAL: Mapping[str | None, bool] = {"subscription_create": True, "subscription_cycle": False}


def gather_request(
    context: WorkerContext, requests: Sequence[Request], charge_id: str
) -> RequestFacts | None:
    """The facts of all requests about one purchase; None while the ledger does not know the charge.

    The first of them is when it was asked. Calls Stripe outside of any transaction; raises GatewayError
    when it does not answer, UnreadableRendering when it cannot be understood, MalformedFactError when
    what people stated, or when they asked, contradicts the rest.
    """
    with context.store.read() as connection:
        known = payments_by_charge(connection, [charge_id]).get(charge_id)
    if known is None:
        return None
    payment = as_stripe_says(context.gateway, known, context.terms.newest.duplicates)
    if (payment.currency, payment.livemode) != (known.currency, known.livemode):
        # Neither ever changes. Asked again, Stripe tells it right; the refund would bear what is false.
        probe("request.another_currency")
        raise UnreadableRendering("charge.currency or .livemode is not what its event told")
    told = _Told(
        payment=payment,
        fee_minor=_fee_minor(context.gateway, payment),
        took=invoice_taking(context.gateway, payment),
    )
    with context.store.read() as connection:
        return _gathered(context, connection, requests, told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What Stripe told for one request."""

    payment: Payment
    fee_minor: int | None
    took: InvoiceTaking | None


def _gathered(
    context: WorkerContext,
    connection: Connection,
    requests: Sequence[Request],
    told: _Told,
) -> RequestFacts:
    payment = told.payment
    period = paid_period(context.catalogue, connection, payment)
    plan = period.plan
    found = _credits(connection, sources_of(connection, payment), plan, payment.created)
    reasons = tuple(dict.fromkeys(reason for one in requests for reason in one.reasons))
    failed = Reason.FAILURE in reasons
    account = account_of(connection, payment.customer_id)
    facts = RequestFacts(
        asked_at=min(one.asked_at for one in requests),
        named=tuple(IntakeField),
        reasons=reasons,
        payment=payment,
        plan=plan,
        initial=_initial(context, connection, told, plan),
        issued=found.issued,
        used=found.used,
        successful=found.successful,
        expired=found.expired,
        breach=account.in_breach,
        wrongly_flagged=None
        if Reason.FLAGGED in reasons and not account.wrongly_flagged
        else account.wrongly_flagged,
        abuse=account.cause is StandingCause.ABUSE,
        wrong_minor=_wrong_minor(connection, payment, reasons),
        period_seconds=period.period_seconds,
        # What failures took beside the outages is as unknown as the failures are.
        lost_seconds=None if failed else period.lost_seconds,
        longest_outage_seconds=period.longest_outage_seconds,
        longest_failure_seconds=None if failed else 0,
        fee_minor=told.fee_minor,
        took=told.took,
    )
    return _with_stated(facts, requests)


def _with_stated(facts: RequestFacts, requests: Sequence[Request]) -> RequestFacts:
    """The facts with what people stated in the place of what was gathered, the newest word last."""
    stated: dict[str, Any] = {}
    for request in requests:
        stated |= request.stated
    if "plan" in stated:
        stated["plan"] = Plan(stated["plan"])
    return replace(facts, **stated)


def _fee_minor(gateway: Gateway, payment: Payment) -> int | None:
    """What processing the payment cost; None when it was settled in another currency, or is not yet."""
    charge = RenderedFields(gateway.charge(payment.charge_id), "charge")
    transaction_id = charge.reference("balance_transaction")
    if transaction_id is None:
        return None
    rendered = gateway.stripe_object("balance_transaction", transaction_id)
    settled = RenderedFields(rendered, "balance_transaction")
    if settled.currency("currency") != payment.currency:
        return None
    return min(settled.amount("fee"), payment.captured_minor)


def _initial(
    context: WorkerContext, connection: Connection, told: _Told, plan: Plan | None
) -> bool | None:
    """Whether a yearly plan was bought for the first time; by a change it was if none was there before."""
    if plan is not Plan.ANNUAL:
        return True
    invoice, took = told.payment.invoice, told.took
    reason = None if invoice is None else invoice.billing_reason
    if reason not in _BY_CHANGE or took is None or not took.before:
        return _INITIAL.get(reason)
    before = {price_id for earlier in took.before for price_id in earlier.plans}
    known = context.catalogue.look(connection, before)
    offers = [known.get(price_id) for price_id in before]
    if None in offers:
        return None
    return all(offer is not None and offer.plan is not Plan.ANNUAL for offer in offers)


def _credits(
    connection: Connection, sources: Sequence[str], plan: Plan | None, paid_at: int
) -> PurchaseCredits:
    """Of a yearly plan those of its first month."""
    first_month = None
    if plan is Plan.ANNUAL:
        first_month = period_end(paid_at, "month", 1, paid_at) - 1
    return purchase_credits(connection, sources, until=first_month)


def _wrong_minor(connection: Connection, payment: Payment, reasons: Sequence[Reason]) -> int | None:
    about = cases_about(connection, DUPLICATE_CHARGE, [payment.charge_id])
    for case in about.values():
        decision = last_decision(connection, case.case_id)
        if decision is not None and decision.verdict == Verdict.APPROVE.value:
            return payment.captured_minor
        if decision is None or decision.verdict == Verdict.REVIEW.value:
            return None
    return None if Reason.BILLING in reasons else 0
