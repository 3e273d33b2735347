"""`redress export`: events, decisions, refunds and the audit log for a data team, an auditor, or a replay elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from ledger.exporting import EVENTS_WITH_PAYLOAD, EXPORTS, export_rows
from ops.export_files import FORMS, write_rows
from ops.moments import Moment
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import counted, end_progress, progress_line

_TOLD_EVERY = 1_000


@click.command(
    epilog="Example: redress export decisions --since 30d --format csv --to decisions.csv"
)
@click.argument("what", type=click.Choice(list(EXPORTS)))
@click.option("--format", "form", default="jsonl", show_default=True, type=click.Choice(FORMS))
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="The file, readable by its owner alone; by default stdout.",
)
@click.option("--since", type=Moment(), help="Written then or later: 30d, 2026-01-31.")
@click.option("--until", type=Moment(), help="Written before then.")
@click.option(
    "--payload",
    is_flag=True,
    help="Events with their whole bodies, personal data and all, as `redress replay --from` reads them; audited.",
)
@REASON_OPTION
@click.pass_obj
def export(operator: OperatorContext, /, what: str, **given: Any) -> None:
    """Write the ledger's record: one row per event, decision, refund or audit entry, oldest first.

    Amounts are integers in minor units of `currency`; times end in _ms (unix milliseconds, UTC) or are unix
    seconds. JSON lines and CSV go anywhere; a cell of CSV that would be a formula is made text.
    """
    if given["payload"] and (what, given["form"]) != ("events", "jsonl"):
        raise click.UsageError("--payload is for events as JSON lines: their bodies are JSON.")
    reason = require_reason(given["reason"]) if given["payload"] else ""
    chosen = EVENTS_WITH_PAYLOAD if given["payload"] else EXPORTS[what]
    to = None if given["to"] in (None, Path("-")) else given["to"]
    with operator.wiring() as wiring:
        if reason:
            with wiring.store.write() as connection:
                now_ms = wiring.clock.now_ms()
                audit_act(
                    connection, "events.export_payload", "events", now_ms=now_ms, detail=reason
                )
        rows = _with_body(export_rows(wiring.store, chosen, given["since"], given["until"]))
        count = write_rows(to, given["form"], chosen.columns, _counted(rows))
    end_progress()
    if to is not None:
        click.echo(f"{counted(count, 'row')} of {what} written to {to}.", err=True)


def _with_body(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Bodies as JSON objects; those that are none, or were erased, as null."""
    for row in rows:
        yield {**row, "payload": _loaded(row["payload"])} if "payload" in row else row


def _loaded(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None


def _counted(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for count, row in enumerate(rows, start=1):
        if count % _TOLD_EVERY == 0:
            progress_line(f"{count} rows")
        yield row
