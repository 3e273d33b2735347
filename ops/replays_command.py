"""`redress events replays`: the replays that were started, how far each came, and how to go on."""

from typing import Any

import click

from ledger.replay_runs import ReplayRun, newest_runs
from ledger.states import ReplayState
from ops.moments import short_moment
from ops.operator_context import OperatorContext
from ops.terminal import json_option, print_json, print_table, say
from runtime.limits import SWEEP_ROWS_MAX


@click.command("replays", epilog="Example: redress events replays --limit 5")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def replays_command(operator: OperatorContext, limit: int, *, as_json: bool) -> None:
    """List replays, the newest first. One that is running and moves no more can be resumed."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = newest_runs(connection, limit)
    if as_json:
        print_json({"replays": [_document(run) for run in found]})
        return
    if not found:
        say("Nothing was replayed yet. `redress replay --state parked` plans one.")
        return
    now_ms = operator.clock.now_ms()
    print_table(
        ("replay", "moved", "state", "from", "put back", "new", "who", "why"),
        [
            (
                str(run.run_id),
                short_moment(run.changed_ms, now_ms),
                run.state,
                run.source,
                str(run.replayed),
                str(run.stored),
                run.author.actor,
                run.author.reason,
            )
            for run in found
        ],
        right=("replay", "put back", "new"),
        whole=("moved", "state"),
    )
    if any(run.state is ReplayState.RUNNING for run in found):
        say("One that is running and moves no more goes on by `redress replay --resume NUMBER`.")


def _document(run: ReplayRun) -> dict[str, Any]:
    return {
        "replay": run.run_id,
        "state": run.state.value,
        "source": run.source,
        "selection": run.selection,
        "cursor": run.cursor,
        "replayed": run.replayed,
        "stored": run.stored,
        "actor": run.author.actor,
        "reason": run.author.reason,
        "origin": run.author.origin,
        "started_ms": run.started_ms,
        "changed_ms": run.changed_ms,
    }
