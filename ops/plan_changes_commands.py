"""`redress plan change | list | show | withdraw`: changes of plan that are asked for here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy import Connection

from ledger.asked_plan_changes import (
    ChangeConflict,
    NewPlanChange,
    PlanChange,
    list_changes,
    write_change,
)
from ledger.states import PlanChangeState, PlanEffect
from ops.moments import moment_text, short_moment
from ops.operator_audit import ActRefused, audit_act, shell_actor
from ops.operator_context import OperatorContext
from ops.plan_acts import existing_change, withdraw_asked
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, json_outcome, print_facts, print_json, print_table, say
from runtime.call_limits import REQUEST_TEXT_CHARS_MAX
from runtime.limits import SWEEP_ROWS_MAX
from runtime.queues import CHANGE_PLAN_JOB

_ASK = "redress plan change sub_1Qx price_1Qy --key order-17 --reason 'asked by chat'"
_EFFECTS: Mapping[PlanEffect | None, str] = {
    None: "not decided yet",
    PlanEffect.NOW: "now",
    PlanEffect.PERIOD_END: "at the end of the period",
    PlanEffect.STAY: "the plan stays as it is",
}


@click.command("change", epilog=f"Example: {_ASK}")
@click.argument("subscription_id")
@click.argument("price_id")
@click.option("--key", required=True, help="Your own; the same key again changes nothing.")
@REASON_OPTION
@json_option
@click.pass_obj
def change_command(
    operator: OperatorContext,
    /,
    subscription_id: str,
    price_id: str,
    *,
    key: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """Ask for another price of a subscription; it takes effect when the terms say.

    `redress plan preview` shows before what it would do. A later change takes the place of one that is
    still to come.
    """
    now_ms = operator.clock.now_ms()
    asked = NewPlanChange(
        key=_line("--key", key),
        subscription_id=_line("SUBSCRIPTION_ID", subscription_id),
        price_id=_line("PRICE_ID", price_id),
        livemode=operator.settings().livemode,
        reason=require_reason(reason),
    )
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            try:
                change_id, fresh = write_change(connection, asked, now_ms)
            except ChangeConflict as conflict:
                raise click.ClickException(f"{conflict}; give this one a key of its own.") from None
            if fresh:
                detail = f"{asked.subscription_id} to {asked.price_id}: {asked.reason}"
                _audit(connection, "plan.change", change_id, now_ms, detail)
        wiring.wakeups.wake_effect(CHANGE_PLAN_JOB, change_id)
    if as_json:
        print_json({"change_id": change_id, "new": fresh})
        return
    known = "" if fresh else " It was asked for before; nothing was changed."
    say(f"Change {change_id}.{known} `redress plan show {change_id}` tells how it stands.")


@click.command("list", epilog="Example: redress plan list --state scheduled")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in PlanChangeState]),
    help="Where the changes stand.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def list_command(
    operator: OperatorContext, states: Sequence[str], limit: int, *, as_json: bool
) -> None:
    """List changes of plan, the newest first."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_changes(connection, [PlanChangeState(state) for state in states], limit)
    if as_json:
        print_json({"changes": [_document(change) for change in found]})
    elif found:
        _print_list(found, operator.clock.now_ms())
    elif states:
        say("No change stands so; `redress plan list` shows them all.")
    else:
        say("Nobody asked for another plan yet; `redress plan change` does.")


@click.command("show", epilog="Example: redress plan show 7")
@click.argument("change_id", type=int)
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, change_id: int, *, as_json: bool) -> None:
    """Tell everything about one change."""
    with operator.wiring() as wiring, wiring.store.read() as connection, refusal_told():
        change = existing_change(connection, change_id)
    if as_json:
        print_json(_document(change))
        return
    say(f"Change {change.change_id}: {change.state}")
    print_facts(
        [
            ("subscription", change.subscription_id),
            ("from", change.from_price_id or ""),
            ("to", change.price_id),
            ("takes effect", _EFFECTS[change.effect]),
            ("on", "" if change.effective_at is None else moment_text(change.effective_at * 1000)),
            ("clause", change.clause or ""),
            ("only a preview", "yes" if change.preview else ""),
            ("schedule", change.schedule_id or ""),
            ("asked", moment_text(change.created_ms)),
            ("why", change.reason),
            ("changed", moment_text(change.changed_ms)),
            ("note", change.note or ""),
        ],
        indent=2,
    )
    if change.state is PlanChangeState.SCHEDULED:
        say(f"`redress plan withdraw {change.change_id} --reason TEXT` takes it back.")


@click.command(
    "withdraw", epilog="Example: redress plan withdraw 7 --reason 'the customer changed her mind'"
)
@click.argument("change_id", type=int)
@REASON_OPTION
@json_outcome
@click.pass_obj
def withdraw_command(operator: OperatorContext, change_id: int, *, reason: str | None) -> None:
    """Take back a change that has not taken effect; the plan then goes on as it is."""
    given = require_reason(reason)
    with operator.wiring() as wiring, refusal_told():
        after = withdraw_asked(wiring, change_id, shell_actor(), given)
    if after.state is PlanChangeState.WITHDRAWN:
        say(f"Change {change_id} is taken back; nothing had been sent to Stripe.")
    else:
        say(f"Change {change_id} is being taken back; `redress plan show {change_id}` tells.")


def _line(name: str, text: str) -> str:
    given = text.strip()
    if not given or len(given) > REQUEST_TEXT_CHARS_MAX or not given.isprintable():
        raise click.UsageError(
            f"{name} must be one line of 1 to {REQUEST_TEXT_CHARS_MAX} printable characters."
        )
    return given


@contextmanager
def refusal_told() -> Iterator[None]:
    """Turn an act that cannot be done into its sentence."""
    try:
        yield
    except ActRefused as refused:
        raise click.ClickException(str(refused)) from None


def _audit(connection: Connection, action: str, change_id: int, now_ms: int, detail: str) -> None:
    audit_act(connection, action, f"plan_change:{change_id}", now_ms=now_ms, detail=detail)


def _document(change: PlanChange) -> dict[str, Any]:
    return {
        "change_id": change.change_id,
        "key": change.key,
        "subscription_id": change.subscription_id,
        "from": change.from_price_id,
        "to": change.price_id,
        "state": change.state.value,
        "note": change.note,
        "effect": None if change.effect is None else change.effect.value,
        "clause": change.clause,
        "effective_at": change.effective_at,
        "schedule_id": change.schedule_id,
        "reason": change.reason,
        "preview": change.preview,
        "outlook": None if change.outlook is None else json.loads(change.outlook),
        "created_ms": change.created_ms,
        "changed_ms": change.changed_ms,
    }


def _print_list(found: Sequence[PlanChange], now_ms: int) -> None:
    print_table(
        ("asked", "id", "subscription", "to", "state", "effect", "note"),
        [
            (
                short_moment(change.created_ms, now_ms),
                str(change.change_id),
                change.subscription_id,
                change.price_id,
                change.state.value,
                "" if change.effect is None else change.effect.value,
                change.note or "",
            )
            for change in found
        ],
        right=("id",),
        whole=("asked", "state"),
    )
