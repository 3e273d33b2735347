"""`redress plan seen | accept | restore`: changes of plan that were made elsewhere, and what becomes of them."""

from collections.abc import Sequence
from typing import Any

import click

from ledger.seen_plan_changes import Items, SeenPlan, list_seen
from ledger.states import SeenPlanState
from ops.moments import moment_text, short_moment
from ops.operator_audit import shell_actor
from ops.operator_context import OperatorContext
from ops.plan_acts import RESTORABLE, accept_seen, existing_seen, restore_seen
from ops.plan_changes_commands import refusal_told
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, json_outcome, print_facts, print_json, print_table, say
from runtime.limits import SWEEP_ROWS_MAX


@click.command("seen", epilog="Example: redress plan seen --state review")
@click.argument("seen_id", type=int, required=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in SeenPlanState]),
    help="Where the changes stand.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def seen_command(
    operator: OperatorContext,
    /,
    seen_id: int | None,
    states: Sequence[str],
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List changes of plan that Stripe's events told of, the newest first; or tell all about one.

    Each says who made it (we, the customer portal, the dashboard, the API, Stripe itself), how it compares with
    the terms, and what it took.
    """
    if seen_id is not None:
        _show(operator, seen_id, as_json=as_json)
        return
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_seen(connection, [SeenPlanState(state) for state in states], limit)
    if as_json:
        print_json({"seen": [_document(seen) for seen in found]})
    elif found:
        _print_list(found, operator.clock.now_ms())
    elif states:
        say("No change stands so; `redress plan seen` shows them all.")
    else:
        say("No event has told of a change of plan yet.")


@click.command(
    "accept", epilog="Example: redress plan accept 7 --reason 'a courtesy, agreed by mail'"
)
@click.argument("seen_id", type=int)
@REASON_OPTION
@json_outcome
@click.pass_obj
def accept_command(operator: OperatorContext, seen_id: int, *, reason: str | None) -> None:
    """Let a change stand that was made elsewhere, whatever the terms say; nothing more is done about it."""
    given = require_reason(reason)
    with operator.wiring() as wiring, refusal_told():
        seen = accept_seen(wiring, seen_id, shell_actor(), given)
    begun = " What was done at Stripe before stays." if seen.restored_ms is not None else ""
    say(f"Change {seen_id} stands as it was made.{begun}")


@click.command(
    "restore", epilog="Example: redress plan restore 7 --reason 'the customer wants it as it was'"
)
@click.argument("seen_id", type=int)
@REASON_OPTION
@json_outcome
@click.pass_obj
def restore_command(operator: OperatorContext, seen_id: int, *, reason: str | None) -> None:
    """Have a change put right that waits for a person, even if the subscription was put right today already."""
    given = require_reason(reason)
    with operator.wiring() as wiring, refusal_told():
        restore_seen(wiring, seen_id, shell_actor(), given)
    say(f"Change {seen_id} is looked at anew; `redress plan seen {seen_id}` tells how it stands.")


def _show(operator: OperatorContext, seen_id: int, *, as_json: bool) -> None:
    with operator.wiring() as wiring, wiring.store.read() as connection, refusal_told():
        seen = existing_seen(connection, seen_id)
    if as_json:
        print_json(_document(seen))
        return
    say(f"Change {seen.seen_id}: {seen.state}")
    print_facts(
        [
            ("subscription", seen.subscription_id),
            ("customer", seen.customer_id or ""),
            ("made by", seen.made_by.value),
            ("made", moment_text(seen.seen_at * 1000)),
            ("from", _prices(seen.before)),
            ("to", _prices(seen.after)),
            ("clause", seen.clause or ""),
            ("took", seen.money or ""),
            ("put right", "" if seen.restored_ms is None else moment_text(seen.restored_ms)),
            ("event", seen.event_id),
            ("note", seen.note or ""),
        ],
        indent=2,
    )
    if seen.state in RESTORABLE:
        say(
            f"`redress plan accept {seen_id} --reason TEXT` lets it stand,"
            f" `redress plan restore {seen_id} --reason TEXT` has it put right."
        )


def _prices(items: Items) -> str:
    return ", ".join(
        item.price_id if item.quantity == 1 else f"{item.quantity} x {item.price_id}"
        for item in items
    )


def _document(seen: SeenPlan) -> dict[str, Any]:
    return {
        "seen_id": seen.seen_id,
        "event_id": seen.event_id,
        "subscription_id": seen.subscription_id,
        "customer_id": seen.customer_id,
        "made_by": seen.made_by.value,
        "seen_at": seen.seen_at,
        "from": [item.price_id for item in seen.before],
        "to": [item.price_id for item in seen.after],
        "state": seen.state.value,
        "note": seen.note,
        "clause": seen.clause,
        "money": seen.money,
        "restored_ms": seen.restored_ms,
        "created_ms": seen.created_ms,
        "changed_ms": seen.changed_ms,
    }


def _print_list(found: Sequence[SeenPlan], now_ms: int) -> None:
    print_table(
        ("made", "id", "subscription", "by", "to", "state", "note"),
        [
            (
                short_moment(seen.seen_at * 1000, now_ms),
                str(seen.seen_id),
                seen.subscription_id,
                seen.made_by.value,
                _prices(seen.after),
                seen.state.value,
                seen.note or "",
            )
            for seen in found
        ],
        right=("id",),
        whole=("made", "by", "state"),
    )
