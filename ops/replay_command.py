"""`redress replay`: a plan with its forecast first, and with `--run` the work, in bounded steps, each audited."""

from collections.abc import Iterable
from typing import Any, Final

import click

from ledger.parsing import Expected
from ledger.replay_outcomes import EventOutcome
from ledger.replay_runs import ReplayRun, begin_run, run_by_id
from ledger.replaying import ReplayAuthor
from ledger.states import ReplayState
from ops.event_filters import ROW_MAX, event_filter, filter_options
from ops.operator_context import ORIGIN, OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.replay_forecast import make_forecast
from ops.replay_report import forecast_document, plan_document, print_plan, print_tally
from ops.replay_selection import LEDGER, STRIPE, Selection, select_events, selection_of
from ops.replay_tally import ReplayTally
from ops.stripe_at_hand import stripe_sentence
from ops.terminal import (
    counted,
    end_progress,
    json_option,
    print_json,
    progress_line,
    say,
)
from ops.terms_choice import ChosenTerms, TermsChoice
from runtime.wiring import Wiring
from workers.gateway_errors import GatewayError
from workers.replays import ReplayRunner, ReplayStalled

_PER_SECOND_MAX: Final = 10_000


@click.command("replay", epilog="Example: redress events replay --state parked --since 1d")
@click.argument("event", nargs=-1)
@filter_options
@click.option(
    "--from",
    "come_from",
    default=LEDGER,
    show_default=True,
    metavar="ledger|stripe|FILE",
    help="Where the events are: our own rows, Stripe's last 30 days, or a file of them.",
)
@click.option("--limit", type=click.IntRange(1, ROW_MAX), help="At most so many, the oldest first.")
@click.option(
    "--after", "after_row", default=0, type=click.IntRange(0, ROW_MAX), help="Go on after this row."
)
@click.option("--as-of", "terms", type=TermsChoice(), help="Plan as if these terms were in force.")
@click.option("--no-forecast", is_flag=True, help="Only count; needs no copy of the ledger.")
@click.option("--run", is_flag=True, help="Do it; without this, only the plan is shown.")
@click.option(
    "--per-second",
    default=100,
    show_default=True,
    type=click.IntRange(1, _PER_SECOND_MAX),
    help="At most so many events in a second.",
)
@click.option("--resume", type=click.IntRange(1, ROW_MAX), help="Go on with a replay that stopped.")
@REASON_OPTION
@json_option
@click.pass_context
def replay(ctx: click.Context, /, **given: Any) -> None:
    """Work through events once more. Shows what it would do; `--run` carries it out.

    The forecast is made by doing it in a copy of the ledger, which is thrown away. Replaying moves no
    money twice: refunds that exist are found again and not repeated.
    """
    operator = ctx.ensure_object(OperatorContext)
    if given["resume"]:
        ctx.exit(_resume(operator, given))
    wanted = event_filter(given, given["event"])
    if wanted.is_empty and given["come_from"] in (LEDGER, STRIPE):
        raise click.UsageError(
            "An empty filter never means all; name events, or give --type, --state, --since or others."
        )
    if given["run"] and given["terms"] is not None:
        raise click.UsageError(
            "--as-of is for plans: what is done is done under the terms in force."
        )
    reason = require_reason(given["reason"]) if given["run"] else ""
    with operator.wiring() as wiring:
        selection = select_events(
            wiring, given["come_from"], wanted, given["after_row"], given["limit"]
        )
        if not given["as_json"] and selection.plan is not None:
            print_plan(selection.plan)
        if given["run"]:
            ctx.exit(_begin(wiring, selection, reason, given))
        _plan(wiring, selection, given)


def _plan(wiring: Wiring, selection: Selection, given: dict[str, Any]) -> None:
    counts = None if selection.plan is None else plan_document(selection.plan)
    document: dict[str, Any] = {**(counts or {}), "run": False, "replayed": 0}
    nothing = selection.plan is not None and not selection.plan.events
    if not nothing and not given["no_forecast"]:
        document["forecast"] = _forecast(wiring, selection, given)
    if given["as_json"]:
        print_json(document)
    elif not nothing:
        say("", "Nothing was done yet: add --run --reason TEXT.")


def _forecast(wiring: Wiring, selection: Selection, given: dict[str, Any]) -> dict[str, Any]:
    chosen: ChosenTerms | None = given["terms"]
    total = "" if selection.plan is None else f" of {selection.plan.events}"
    progress_line("making a copy of the ledger …")
    try:
        found = make_forecast(
            wiring,
            selection,
            None if chosen is None else chosen.terms,
            lambda done: progress_line(f"forecast of {done}{total} events"),
        )
    except GatewayError as error:
        raise click.ClickException(stripe_sentence(error)) from error
    end_progress()
    tally, written = found.tally, found.written
    if not given["as_json"]:
        under = "" if chosen is None else f" under the terms {chosen.named}"
        heading = f"What would become of {counted(tally.events, 'event')}{under}:"
        print_tally(tally, written, heading)
        if found.left_alone:
            say(f"Left alone, {found.left_alone}: not settled yet, or not ours to work on.")
    return forecast_document(tally, written, found.left_alone)


def _begin(wiring: Wiring, selection: Selection, reason: str, given: dict[str, Any]) -> int:
    if selection.plan is not None and not selection.plan.events:
        if given["as_json"]:
            print_json({**plan_document(selection.plan), "run": True, "replayed": 0})
        return 0
    author = ReplayAuthor(actor=current_actor(), reason=reason, origin=ORIGIN)
    with wiring.store.write() as connection:
        run = begin_run(
            connection,
            source=selection.kind,
            selection=selection.written,
            author=author,
            now_ms=wiring.clock.now_ms(),
        )
    return _carry_out(wiring, selection, run, given)


def _resume(operator: OperatorContext, given: dict[str, Any]) -> int:
    wanted = event_filter(given, given["event"])
    if not wanted.is_empty or given["come_from"] != LEDGER:
        raise click.UsageError(
            "--resume goes on with what was chosen then; give no filter and no --from."
        )
    with operator.wiring() as wiring:
        with wiring.store.read() as connection:
            run = run_by_id(connection, given["resume"])
        if run is None:
            raise click.ClickException(
                f"There is no replay {given['resume']}; `redress events replays` lists them."
            )
        if run.state is ReplayState.DONE:
            raise click.ClickException(f"Replay {run.run_id} is done; there is nothing left of it.")
        return _carry_out(wiring, selection_of(wiring, run), run, given)


def _carry_out(wiring: Wiring, selection: Selection, run: ReplayRun, given: dict[str, Any]) -> int:
    """Do it, telling how far it is; returns the exit code."""
    runner = ReplayRunner(
        store=wiring.store,
        bell=wiring.wakeups,
        clock=wiring.clock,
        served=Expected.by(wiring.settings),
        per_second=given["per_second"],
        run=run,
    )
    tally = ReplayTally()
    stopped = _stopped_by(runner, selection, tally)
    end_progress()
    if given["as_json"]:
        counts = {} if selection.plan is None else plan_document(selection.plan)
        print_json({**counts, **_run_document(runner, tally), "stopped": stopped})
    else:
        _print_run(runner, tally)
    if stopped is not None:
        raise click.ClickException(stopped)
    return 0


def _stopped_by(runner: ReplayRunner, selection: Selection, tally: ReplayTally) -> str | None:
    """Run to the end; None, or what stopped it and how to go on."""
    go_on = f"Go on by `redress replay --resume {runner.run.run_id}`."
    try:
        _tell(runner, tally, runner.steps(selection.source))
        _tell(runner, tally, runner.rest())
    except ReplayStalled as stalled:
        return str(stalled)
    except GatewayError as error:
        return f"{stripe_sentence(error)} {go_on}"
    except KeyboardInterrupt:
        return f"Stopped. {go_on}"
    return None


def _tell(
    runner: ReplayRunner, tally: ReplayTally, steps: Iterable[Iterable[EventOutcome]]
) -> None:
    for outcomes in steps:
        tally.add(outcomes)
        put_back = runner.run.replayed + runner.run.stored
        progress_line(
            f"{put_back} put back, {tally.events} settled; if it stops, go on by"
            f" --resume {runner.run.run_id}"
        )


def _print_run(runner: ReplayRunner, tally: ReplayTally) -> None:
    run = runner.run
    say("", f"Replay {run.run_id}: {counted(run.replayed, 'event')} put back to be worked on.")
    if run.stored:
        say(f"{counted(run.stored, 'event')} came into the ledger that it did not have.")
    if runner.left_alone:
        say(f"Left alone, {runner.left_alone}: not settled yet, or not ours to work on.")
    if tally.events:
        print_tally(tally, None, f"What became of {counted(tally.events, 'event')} so far:")
    if runner.waiting:
        say(
            f"{counted(runner.waiting, 'event')} still wait for a worker; `redress queue status` tells."
        )
    if not runner.rang:
        say("Redis is away; the sweeper finds them once it is back.")


def _run_document(runner: ReplayRunner, tally: ReplayTally) -> dict[str, Any]:
    return {
        "run": True,
        "replay": runner.run.run_id,
        "replayed": runner.run.replayed,
        "stored": runner.run.stored,
        "left_alone_now": runner.left_alone,
        "waiting": runner.waiting,
        "done": runner.run.state is ReplayState.DONE,
        "followed": tally.document(),
    }
