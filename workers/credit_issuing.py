"""Issues the credits that paid purchases bring: packs and monthly plans at once, annual plans by the month.

A purchase is noted in the transaction that handles its event, and issued there if the catalogue knows
the price. If Stripe has not told of the price yet, it is asked, and the purchase waits for the answer.
"""

import json
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection

from ledger.credit_issues import (
    Issue,
    Purchase,
    due_issues,
    ended_at,
    move_issue,
    note_purchase,
    reopen_issues,
    superseded,
    take_issue,
    waiting_for,
    was_given_back,
)
from ledger.credits import grant_credits
from ledger.look_ups import want_look_up
from ledger.projections import Projection, Sighting
from ledger.seen_plan_changes import is_unsettled
from ledger.states import IssueState
from policy.billing_periods import period_end
from policy.catalogue import Offer
from policy.request_facts import Plan
from policy.request_terms import MONTHS_OF_YEAR
from runtime.call_limits import PLAN_PERSON_PAUSE_SECONDS
from runtime.limits import SWEEP_ROWS_MAX
from runtime.probes import probe
from workers.context import WorkerContext

_DAY_SECONDS = 86_400

#: Which columns of which projections say what was paid for, or what that is.
_TOLD_BY: Mapping[str, frozenset[str]] = {
    "invoices": frozenset({"status", "customer_id", "lines"}),
    "charges": frozenset({"status", "captured_minor", "customer_id"}),
    "prices": frozenset({"offer", "interval"}),
}


def issue_for(
    context: WorkerContext,
    connection: Connection,
    sighting: Sighting,
    projection: Projection,
    *,
    anyway: bool = False,
) -> list[int]:
    """What an object that reads differently now brings in credits; returns the questions to Stripe.

    `anyway`: although nothing changed (a replay asks again: the catalogue may describe more than it did).
    """
    name = sighting.table.name
    if name not in _TOLD_BY:
        return []
    news = bool(_TOLD_BY[name] & projection.changed)
    if not (news or anyway):
        return []
    if name == "prices":
        _issue_waiting(context, connection, context.catalogue.look(connection, [sighting.key]))
        return []
    if not news and was_given_back(connection, sighting.key):
        return []
    if name == "invoices":
        return _issue_for_invoice(context, connection, sighting, anew=not news)
    _issue_for_charge(context, connection, sighting)
    return []


def issue_due(context: WorkerContext) -> int:
    """Issue the next month of every annual plan that is due; returns how many were looked at."""
    now_ms = context.clock.now_ms()
    with context.store.read() as connection:
        due = due_issues(connection, now_ms, SWEEP_ROWS_MAX)
    for issue_id in due:
        with context.store.write() as connection:
            issue = take_issue(connection, issue_id, now_ms)
            if issue is not None:
                _issue_month(context, connection, issue)
    return len(due)


def _issue_for_invoice(
    context: WorkerContext, connection: Connection, sighting: Sighting, *, anew: bool
) -> list[int]:
    values = sighting.values
    customer_id = values["customer_id"]
    if values["status"] != "paid" or customer_id is None:
        return []
    if anew:
        reopen_issues(connection, sighting.key, context.clock.now_ms())
    quantities: Counter[str] = Counter()
    for line in json.loads(str(values["lines"])):
        quantities[line["price"]] += line["quantity"]
    known = context.catalogue.look(connection, quantities)
    asked = []
    for price_id, quantity in sorted(quantities.items()):
        told = price_id in known
        if quantity == 0 or (told and known[price_id] is None):
            continue
        purchase = Purchase(
            source=sighting.key,
            ref=price_id,
            customer_id=str(customer_id),
            subscription_id=None
            if values["subscription_id"] is None
            else str(values["subscription_id"]),
            quantity=quantity,
            paid_at=int(str(values["paid_at"] or values["created"])),
        )
        note_purchase(connection, purchase, context.clock.now_ms())
        if not told:
            probe("issue.price_untold")
            reason = "an invoice is for a price that no event has shown"
            now_ms = context.clock.now_ms()
            asked.append(want_look_up(connection, "price", price_id, reason, now_ms))
    _issue_waiting(context, connection, known)
    return [row_id for row_id in asked if row_id is not None]


def _issue_for_charge(context: WorkerContext, connection: Connection, sighting: Sighting) -> None:
    """A charge that names a product of the catalogue in its metadata, and needs no invoice."""
    values = sighting.values
    product = values["product"]
    offer = context.catalogue.of_product(None if product is None else str(product))
    paid = values["status"] == "succeeded" and values["captured_minor"]
    if offer is None or not paid or values["customer_id"] is None:
        return
    purchase = Purchase(
        source=sighting.key,
        ref=offer.ref,
        customer_id=str(values["customer_id"]),
        subscription_id=None,
        quantity=1,
        paid_at=int(str(values["created"])),
    )
    issue = note_purchase(connection, purchase, context.clock.now_ms())
    if issue is not None:
        _issue(context, connection, issue, offer)


def _issue_waiting(
    context: WorkerContext, connection: Connection, known: Mapping[str, Offer | None]
) -> None:
    """Issue what waits for these prices, which are known now."""
    for issue in waiting_for(connection, known):
        offer = known[issue.purchase.ref]
        if offer is not None:
            _issue(context, connection, issue, offer)
        else:
            probe("issue.no_offer")
            _stop(context, connection, issue)


def _issue_month(context: WorkerContext, connection: Connection, issue: Issue) -> None:
    purchase = issue.purchase
    month_at = _month_at(purchase, issue.issued)
    ended = None
    if purchase.subscription_id is not None:
        ended = ended_at(connection, purchase.subscription_id)
        if superseded(connection, purchase, month_at):
            _after_another_plan(context, connection, issue, purchase.subscription_id)
            return
    offer = context.catalogue.look(connection, [purchase.ref]).get(purchase.ref)
    if offer is None or (ended is not None and ended <= month_at):
        _stop(context, connection, issue)
    else:
        _issue(context, connection, issue, offer)


def _after_another_plan(
    context: WorkerContext, connection: Connection, issue: Issue, subscription_id: str
) -> None:
    """A year ends early where another plan was paid for; while that may be put right, the month waits."""
    if not is_unsettled(connection, subscription_id):
        _stop(context, connection, issue)
        return
    now_ms = context.clock.now_ms()
    move_issue(
        connection,
        issue.issue_id,
        IssueState.ISSUING,
        issued=issue.issued,
        next_at=now_ms // 1000 + PLAN_PERSON_PAUSE_SECONDS,
        now_ms=now_ms,
    )


def _issue(context: WorkerContext, connection: Connection, issue: Issue, offer: Offer) -> None:
    """Grant the next month's credits, or a pack's, and note when the month after is due."""
    purchase, at = issue.purchase, _month_at(issue.purchase, issue.issued)
    validity = offer.validity_days
    grant_credits(
        connection,
        key=f"issue:{purchase.source}:{purchase.ref}:{issue.issued}",
        customer_id=purchase.customer_id,
        credits=offer.credits * purchase.quantity,
        at=at,
        expires_at=None if validity is None else at + validity * _DAY_SECONDS,
        source=purchase.source,
        now_ms=context.clock.now_ms(),
    )
    issued = issue.issued + 1
    more = offer.plan is Plan.ANNUAL and issued < MONTHS_OF_YEAR
    move_issue(
        connection,
        issue.issue_id,
        IssueState.ISSUING if more else IssueState.DONE,
        issued=issued,
        next_at=_month_at(purchase, issued) if more else None,
        now_ms=context.clock.now_ms(),
    )


def _stop(context: WorkerContext, connection: Connection, issue: Issue) -> None:
    now_ms = context.clock.now_ms()
    move_issue(
        connection,
        issue.issue_id,
        IssueState.STOPPED,
        issued=issue.issued,
        next_at=None,
        now_ms=now_ms,
    )


def _month_at(purchase: Purchase, months: int) -> int:
    return period_end(purchase.paid_at, "month", months, purchase.paid_at)
