"""`redress reconcile`: the ledger against Stripe, each difference with its meaning and the command that mends it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ledger.backfill_tables import ReconciliationState
from ledger.look_ups import want_look_up
from ledger.reconciliations import (
    Reconciliation,
    begin_reconciliation,
    count_differences,
    differences_of,
    newest_reconciliation,
    reconciliation_by_id,
)
from ledger.rows import AnyRow
from ops.difference_sentences import COLUMNS, difference_document, explained, question_about
from ops.moments import Moment, moment_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.reconcile_metrics import reconcile_metrics
from ops.safe_csv import write_csv
from ops.stripe_at_hand import context_at_hand
from ops.terminal import (
    counted,
    end_progress,
    json_option,
    print_json,
    print_table,
    progress_line,
    say,
)
from runtime.limits import SWEEP_ROWS_MAX
from runtime.operator_limits import DIFFERENCES_SHOWN_MAX
from runtime.wiring import Wiring
from workers.context import ring_for
from workers.reconciling import FIRST_STAGE, reconcile, until_now

_THROTTLED_SECONDS: Final = 2.0
CSV_OPTION: Final = click.option(
    "--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), help="All of them as CSV."
)


@click.group(
    "reconcile",
    invoke_without_command=True,
    epilog="Example: redress reconcile --since 7d --csv differences.csv",
)
@click.option("--since", type=Moment(), help="What was made then or later; by default by type.")
@CSV_OPTION
@json_option
@click.pass_context
def reconcile_group(
    ctx: click.Context, since: int | None, csv_file: Path | None, *, as_json: bool
) -> None:
    """Compare charges, refunds, disputes, subscriptions and schedules with Stripe.

    Reads only. Exit code 1 unless the books agree. Without --since: charges of 30 days, refunds of 60,
    disputes of 180, and every subscription and schedule since the ledger began.
    """
    if ctx.invoked_subcommand is not None:
        return
    operator = ctx.ensure_object(OperatorContext)
    with operator.wiring() as wiring:
        ended = _compare(wiring, since)
        end_progress()
        agree = _tell(wiring, ended, csv_file, as_json=as_json)
    ctx.exit(0 if agree else 1)


@reconcile_group.command("show", epilog="Example: redress reconcile show --metrics")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--metrics", is_flag=True, help="Print metrics in Prometheus' text format.")
@CSV_OPTION
@json_option
@click.pass_context
def show_command(
    ctx: click.Context, number: int | None, csv_file: Path | None, *, metrics: bool, as_json: bool
) -> None:
    """Show a comparison, the newest if no number is given. Exit code 1 unless the books agree."""
    operator = ctx.ensure_object(OperatorContext)
    with operator.wiring() as wiring:
        found = _found(wiring, number)
        if metrics:
            with wiring.store.read() as connection:
                counts = count_differences(connection, found.reconciliation_id)
            click.echo(reconcile_metrics(found, counts), nl=False)
            return
        agree = _tell(wiring, found, csv_file, as_json=as_json)
    ctx.exit(0 if agree else 1)


@reconcile_group.command("mend", epilog="Example: redress reconcile mend --reason 'lost events'")
@click.argument("number", type=click.IntRange(1), required=False)
@REASON_OPTION
@json_option
@click.pass_obj
def mend_command(
    operator: OperatorContext, number: int | None, reason: str | None, *, as_json: bool
) -> None:
    """Have Stripe asked about every object that differs, where that can mend it.

    The answer comes in like any other and is judged: it may lead to refunds.
    """
    given = require_reason(reason)
    with operator.wiring() as wiring:
        found = _found(wiring, number)
        rows = list(_every_difference(wiring, found))
        questions = {one for row in rows if (one := question_about(row)) is not None}
        asked = _ask(wiring, found, sorted(questions), given)
    left = sum(question_about(row) is None for row in rows)
    if as_json:
        print_json({"asked": asked, "objects": len(questions), "for_people": left})
        return
    say(f"Stripe is asked about {counted(len(questions), 'object')}; then compare again.")
    if left:
        say(
            f"{counted(left, 'difference')} need a person: `redress reconcile show` says which command."
        )


def _ask(
    wiring: Wiring, found: Reconciliation, questions: list[tuple[str, str]], reason: str
) -> int:
    now_ms = wiring.clock.now_ms()
    with wiring.store.write() as connection:
        asked = [
            want_look_up(connection, object_type, object_id, f"reconcile: {reason}", now_ms)
            for object_type, object_id in questions
        ]
        audit_act(
            connection,
            "reconcile.mend",
            f"reconciliation:{found.reconciliation_id}",
            now_ms=now_ms,
            detail=f"{reason} ({len(questions)} objects)",
        )
    rows = [row_id for row_id in asked if row_id is not None]
    ring_for(wiring.wakeups, (), rows)
    return len(rows)


def _compare(wiring: Wiring, since_ms: int | None) -> Reconciliation:
    context = context_at_hand(wiring)
    until = until_now(context)
    since = 0 if since_ms is None else max(1, since_ms // 1000)
    if since >= until:
        raise click.UsageError(
            "--since must be more than ten minutes ago: newer things are on their way."
        )
    with wiring.store.write() as connection:
        begun = begin_reconciliation(
            connection,
            since=since,
            until=until,
            stage=FIRST_STAGE,
            origin="operator",
            now_ms=wiring.clock.now_ms(),
        )
    while reconcile(context, begun.reconciliation_id):
        now = _found(wiring, begun.reconciliation_id)
        progress_line(f"compared: {_compared_text(now)}")
        if now.note:
            wiring.clock.sleep(_THROTTLED_SECONDS)
    return _found(wiring, begun.reconciliation_id)


def _found(wiring: Wiring, number: int | None) -> Reconciliation:
    with wiring.store.read() as connection:
        if number is None:
            found = newest_reconciliation(connection)
        else:
            found = reconciliation_by_id(connection, number)
    if found is None:
        told = "Nothing was compared yet" if number is None else f"There is no comparison {number}"
        raise click.ClickException(
            f"{told}; `redress reconcile` compares the ledger with Stripe now."
        )
    return found


def _every_difference(wiring: Wiring, found: Reconciliation) -> Iterator[AnyRow]:
    """All of them, a page of the ledger at a time."""
    after = 0
    while True:
        with wiring.store.read() as connection:
            rows = differences_of(connection, found.reconciliation_id, SWEEP_ROWS_MAX, after)
        yield from rows
        if len(rows) < SWEEP_ROWS_MAX:
            return
        after = rows[-1].id


def _tell(wiring: Wiring, found: Reconciliation, csv_file: Path | None, *, as_json: bool) -> bool:
    """Show a comparison; whether the books agree."""
    with wiring.store.read() as connection:
        counts = count_differences(connection, found.reconciliation_id)
        shown = differences_of(connection, found.reconciliation_id, DIFFERENCES_SHOWN_MAX)
    agree = found.state is ReconciliationState.DONE and not counts
    if csv_file is not None:
        with csv_file.open("w", encoding="utf-8", newline="") as to:
            rows = (difference_document(row) for row in _every_difference(wiring, found))
            write_csv(to, COLUMNS, rows)
    if as_json:
        documents = [difference_document(row) for row in _every_difference(wiring, found)]
        print_json({**_document(found), "agree": agree, "counts": counts, "differences": documents})
        return agree
    _print_head(found, counts)
    if shown:
        _print_differences(shown, sum(counts.values()))
    return agree


def _print_head(found: Reconciliation, counts: Mapping[str, int]) -> None:
    say(f"Comparison {found.reconciliation_id}, {found.origin}, of {moment_text(found.began_ms)}:")
    say(f"compared {_compared_text(found)}")
    if found.state is ReconciliationState.DONE:
        told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
        say(f"Differences: {told}" if counts else "The books agree.")
    elif found.state is ReconciliationState.FAILED:
        say(f"It did not come to its end ({found.note}); run `redress reconcile` again.")
    else:
        note = f" ({found.note})" if found.note else ""
        say(f"It is still running{note}: `redress reconcile show {found.reconciliation_id}` tells.")


def _print_differences(shown: Sequence[AnyRow], total: int) -> None:
    say("")
    print_table(
        ("kind", "object", "field", "here", "at Stripe"),
        [
            (
                row.kind.replace("_", " "),
                row.object_id,
                row.field,
                row.here or "",
                row.there or "",
            )
            for row in shown
        ],
        whole=("kind",),
        wrap_last=True,
    )
    for kind, object_type in sorted({(row.kind, row.object_type) for row in shown}):
        sentence, command = explained(kind, object_type)
        say(f"{kind.replace('_', ' ')}, {object_type}: {sentence}. Next: `{command}`")
    if total > len(shown):
        say(f"{total - len(shown)} more are in --json and --csv.")


def _compared_text(found: Reconciliation) -> str:
    told = [f"{count} {object_type}s" for object_type, count in found.compared.items()]
    return ", ".join(told) or "nothing yet"


def _document(found: Reconciliation) -> dict[str, Any]:
    return {
        "reconciliation": found.reconciliation_id,
        "state": found.state.value,
        "since": found.since,
        "until": found.until,
        "origin": found.origin,
        "note": found.note,
        "compared": dict(found.compared),
        "began_ms": found.began_ms,
        "ended_ms": found.ended_ms,
    }
