"""`redress refunds`: which refunds there are, and the whole story behind each."""

from collections.abc import Sequence
from typing import Any

import click

from ledger.refund_queries import (
    RefundFilter,
    cases_that_keep,
    list_refunds,
    refund_stories,
    refund_totals,
)
from ledger.rows import AnyRow
from ledger.states import IntentState
from ops.moments import Moment, short_moment
from ops.operator_context import OperatorContext
from ops.refund_story import print_story, story_document
from ops.terminal import json_option, print_json, print_table, say
from policy.money import Money
from runtime.limits import SWEEP_ROWS_MAX
from workers.terms_book import TermsBook


@click.group(epilog="Example: redress refunds list --since 1d")
def refunds() -> None:
    """List refunds and tell their whole story."""


@refunds.command("list", epilog="Example: redress refunds list --state reserved --since 1d")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in IntentState]),
    help="Where the refunds stand.",
)
@click.option("--charge", "charge_id", help="The charge that is refunded.")
@click.option("--customer", "customer_id", help="The customer who gets the money.")
@click.option("--since", type=Moment(), help="Decided then or later: 2h, 2026-01-31.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@click.option("--before", "before_intent", help="Older than this refund intent.")
@json_option
@click.pass_obj
def list_command(
    operator: OperatorContext,
    /,
    limit: int,
    before_intent: str | None,
    *,
    as_json: bool,
    **filters: Any,
) -> None:
    """List refunds, the newest first, with totals over all that fit."""
    wanted = RefundFilter(
        states=tuple(IntentState(state) for state in filters["states"]),
        charge_id=filters["charge_id"],
        customer_id=filters["customer_id"],
        since_ms=filters["since"],
    )
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_refunds(connection, wanted, limit + 1, before_intent)
        totals = refund_totals(connection, wanted)
    rows, more = found[:limit], len(found) > limit
    if as_json:
        print_json(
            {
                "refunds": [_document(row) for row in rows],
                "more": more,
                "totals": [_total(row) for row in totals],
            }
        )
    elif rows:
        _print_list(rows, operator.clock.now_ms())
        if more:
            say(f"More are older: add --before {rows[-1].id}, or narrow the list.")
        _print_totals(totals)
    else:
        say(_nothing(wanted))


@refunds.command("show", epilog="Example: redress refunds show ch_3RabcD2eZvKYlo2C")
@click.argument("intent_or_charge")
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, intent_or_charge: str, *, as_json: bool) -> None:
    """Tell everything about one charge's refund: why, what was compared, what Stripe said."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        stories = refund_stories(connection, intent_or_charge)
        keeping = cases_that_keep(connection, intent_or_charge)
    if not stories and not keeping:
        raise click.ClickException(
            f"No case is about {intent_or_charge}: it is no refund intent of ours, and no charge that"
            " ever looked like a duplicate."
        )
    if as_json:
        print_json(
            {
                "cases": [story_document(story) for story in stories],
                "kept_beside": [case.charge_id for case in keeping],
            }
        )
        return
    titles = TermsBook.by(operator.settings()).newest.clause_titles
    for story in stories:
        print_story(story, titles, operator.clock.now_ms())
    for case in keeping:
        say(
            f"{intent_or_charge} is the payment that is kept beside {case.charge_id}"
            f" (case {case.id}, {case.state})."
        )


def _document(row: AnyRow) -> dict[str, Any]:
    return {
        "intent_id": row.id,
        "case_id": row.case_id,
        "charge_id": row.charge_id,
        "kept_charge_id": row.kept_charge_id,
        "customer_id": row.customer_id,
        "cause": row.cause,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "livemode": row.livemode,
        "state": row.state,
        "held": row.held,
        "note": row.note,
        "refund_id": row.refund_id,
        "idempotency_key": row.idempotency_key,
        "attempts": row.attempts,
        "next_attempt_ms": row.next_attempt_ms,
        "first_sent_ms": row.first_sent_ms,
        "created_ms": row.created_ms,
        "changed_ms": row.changed_ms,
    }


def _total(row: AnyRow) -> dict[str, Any]:
    return {
        "currency": row.currency,
        "state": row.state,
        "count": row.number,
        "amount_minor": int(row.amount_minor),
    }


def _print_list(rows: Sequence[AnyRow], now_ms: int) -> None:
    print_table(
        ("decided", "intent", "charge", "amount", "state", "note"),
        [
            (
                short_moment(row.created_ms, now_ms),
                row.id,
                row.charge_id,
                str(Money(amount_minor=row.amount_minor, currency=row.currency)),
                row.state,
                row.held or row.note or "",
            )
            for row in rows
        ],
        right=("amount",),
        whole=("decided", "intent", "state"),
    )


def _print_totals(totals: Sequence[AnyRow]) -> None:
    say("", "All that fit:")
    print_table(
        ("money", "refunds", "state"),
        [
            (
                str(Money(amount_minor=int(row.amount_minor), currency=row.currency)),
                str(row.number),
                row.state,
            )
            for row in totals
        ],
        right=("money", "refunds"),
    )


def _nothing(wanted: RefundFilter) -> str:
    if wanted == RefundFilter():
        return "No refund was decided yet; `redress events list` shows what has arrived."
    return "No refund fits; take a filter away, or see all by `redress refunds list`."
