"""`redress events replay`: a plan first, and with `--run` the work, in bounded steps, each audited."""

from dataclasses import replace
from typing import Any

import click

from ledger.event_queries import EventFilter
from ledger.replaying import ReplayAuthor, ReplayOrder, ReplayPlan, plan_replay, replay_step
from ledger.rows import AnyRow
from ops.event_filters import ROW_MAX, event_filter, filter_options
from ops.operator_context import ORIGIN, OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import (
    counted,
    end_progress,
    json_option,
    print_json,
    print_table,
    progress_line,
    say,
)
from policy.money import Money
from runtime.limits import SWEEP_ROWS_MAX
from runtime.wiring import Wiring


@click.command("replay", epilog="Example: redress events replay --state parked --since 1d")
@click.argument("event", nargs=-1)
@filter_options
@click.option("--limit", type=click.IntRange(1, ROW_MAX), help="At most so many, the oldest first.")
@click.option(
    "--after", "after_row", default=0, type=click.IntRange(0, ROW_MAX), help="Go on after this row."
)
@click.option("--run", is_flag=True, help="Do it; without this, only the plan is shown.")
@REASON_OPTION
@json_option
@click.pass_obj
def replay(
    operator: OperatorContext,
    /,
    event: tuple[str, ...],
    limit: int | None,
    after_row: int,
    reason: str | None,
    *,
    run: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Work through settled events once more. Shows the plan; `--run` carries it out.

    Replaying moves no money twice: refunds that exist are found again and not repeated.
    """
    wanted = _some(event_filter(filters, event))
    given = require_reason(reason) if run else ""
    order = _order(operator, wanted, after_row, limit)
    with operator.wiring() as wiring:
        with wiring.store.read() as connection:
            plan = plan_replay(connection, order)
        if not as_json:
            _print_plan(plan)
        replayed, rang = 0, False
        if run and plan.events:
            author = ReplayAuthor(actor=current_actor(), reason=given, origin=ORIGIN)
            replayed, rang = _run(wiring, order, author, plan)
    if as_json:
        print_json({**_document(plan), "run": run, "replayed": replayed})
    elif not run:
        say(*(["", "Nothing was done yet: add --run --reason TEXT."] if plan.events else []))
    elif plan.events:
        say("", f"{counted(replayed, 'event')} put back to be worked on.")
        say(*([] if rang else ["Redis is away; the sweeper finds them once it is back."]))


def _some(wanted: EventFilter) -> EventFilter:
    if wanted.is_empty:
        raise click.UsageError(
            "An empty filter never means all; name events, or give --type, --state, --since or others."
        )
    return wanted


def _order(
    operator: OperatorContext, wanted: EventFilter, after_row: int, count_max: int | None
) -> ReplayOrder:
    settings = operator.settings()
    return ReplayOrder(
        wanted=wanted,
        livemode=settings.livemode,
        account=settings.stripe_account,
        after_row=after_row,
        count_max=count_max,
    )


def _run(
    wiring: Wiring, order: ReplayOrder, author: ReplayAuthor, plan: ReplayPlan
) -> tuple[int, bool]:
    """Replay step by step, ringing after each commit; returns how many, and whether the bell rang."""
    replayed, rang = 0, False
    while replayed < plan.events:
        with wiring.store.write() as connection:
            step = replay_step(
                connection,
                order,
                author,
                last_row=plan.last_row,
                count_max=min(SWEEP_ROWS_MAX, plan.events - replayed),
                now_ms=wiring.clock.now_ms(),
            )
        if not step.replayed:
            break
        rang = wiring.wakeups.wake_events()
        replayed += step.replayed
        order = replace(order, after_row=step.last_row)
        progress_line(f"{replayed} of {plan.events}; to go on from here: --after {step.last_row}")
    end_progress()
    return replayed, rang


def _print_plan(plan: ReplayPlan) -> None:
    if plan.events:
        say(f"{counted(plan.events, 'event')} to replay:")
        print_table(
            ("type", "state", "events"),
            [(row.type, row.state, str(row.number)) for row in plan.by_type],
            right=("events",),
        )
    else:
        say("No event that can be replayed fits.")
    for note, count in plan.parked_notes.items():
        say(f"Parked, {count}: {note or 'without a note'}")
    for why, count in plan.left_alone.items():
        say(f"Left alone, {count}: {why}")
    if plan.decisions:
        say("", f"They led to {counted(plan.decisions, 'decision')} so far, which are kept.")
    if plan.intents:
        say("These refund intents exist already and are not made again:")
        print_table(
            ("state", "intents", "money"),
            [(row.state, str(row.number), _money(row)) for row in plan.intents],
            right=("intents", "money"),
        )


def _document(plan: ReplayPlan) -> dict[str, Any]:
    return {
        "events": plan.events,
        "last_row": plan.last_row,
        "by_type": [
            {"type": row.type, "state": row.state, "count": row.number} for row in plan.by_type
        ],
        "parked_notes": dict(plan.parked_notes),
        "left_alone": dict(plan.left_alone),
        "decisions": plan.decisions,
        "intents": [
            {
                "state": row.state,
                "currency": row.currency,
                "count": row.number,
                "amount_minor": int(row.amount_minor),  # PostgreSQL's sums are Decimals
            }
            for row in plan.intents
        ],
    }


def _money(row: AnyRow) -> str:
    return str(Money(amount_minor=int(row.amount_minor), currency=row.currency))
