"""`redress policy shadow`: where the terms that `REDRESS_SHADOW_TERMS` names would have decided otherwise."""

from collections.abc import Sequence
from typing import Any

import click

from ledger.rows import AnyRow
from ledger.shadow_verdicts import differing_verdicts, shadow_counts
from ops.operator_context import OperatorContext
from ops.terminal import counted, json_option, print_json, print_table, say
from policy.money import Money
from runtime.limits import SWEEP_ROWS_MAX
from workers.shadow_terms import load_shadow

_LET_THROUGH = "let through"


@click.command("shadow", epilog="Example: redress policy shadow --json")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def shadow_command(operator: OperatorContext, limit: int, *, as_json: bool) -> None:
    """List where shadow terms decide otherwise than those in force, on live traffic and without effect."""
    with operator.wiring() as wiring:
        path = wiring.settings.redress_shadow_terms
        shadow = load_shadow(path)
        if shadow is None or path is None:
            raise click.ClickException(
                "REDRESS_SHADOW_TERMS is not set. Let it name a file of terms and start the worker"
                " and the sweeper again; `redress policy show` tells what a file can say."
            )
        with wiring.store.read() as connection:
            counts = shadow_counts(connection, shadow.digest)
            found = differing_verdicts(connection, shadow.digest, limit)
    if as_json:
        print_json(_document(shadow.terms.version, shadow.digest, counts, found))
        return
    compared = sum(int(row.number) for row in counts)
    differing = sum(int(row.differing) for row in counts)
    if not compared:
        say(
            f"{path.name} has decided nothing yet. The sweeper lets it decide what is decided from"
            " now on, within seconds."
        )
        return
    say(
        f"{path.name} ({shadow.terms.version}): {counted(compared, 'verdict')},"
        f" {differing} otherwise than in force."
    )
    _print_counts(counts)
    if found:
        say("")
        _print_differing(found)


def _print_counts(counts: Sequence[AnyRow]) -> None:
    print_table(
        ("in force", "shadow", "verdicts", "otherwise"),
        [
            (
                row.in_force or _LET_THROUGH,
                row.shadow,
                str(row.number),
                str(row.differing),
            )
            for row in counts
        ],
        right=("verdicts", "otherwise"),
    )


def _print_differing(found: Sequence[AnyRow]) -> None:
    print_table(
        ("case", "charge", "in force", "shadow", "because of"),
        [
            (
                str(row.case_id or "-"),
                row.charge_id,
                _said(row.in_force or _LET_THROUGH, row.in_force_minor, row.in_force_currency),
                _said(row.verdict, row.amount_minor, row.currency),
                row.clauses.replace(" ", ", "),
            )
            for row in found
        ],
        wrap_last=True,
    )


def _said(verdict: str, minor: int | None, currency: str | None) -> str:
    if minor is None or currency is None:
        return verdict
    return f"{verdict} {Money(amount_minor=minor, currency=currency)}"


def _document(
    version: str, digest: str, counts: Sequence[AnyRow], found: Sequence[AnyRow]
) -> dict[str, Any]:
    return {
        "version": version,
        "digest": digest,
        "counts": [
            {
                "in_force": row.in_force,
                "shadow": row.shadow,
                "verdicts": int(row.number),
                "differing": int(row.differing),
            }
            for row in counts
        ],
        "differing": [
            {
                "decision_id": row.decision_id,
                "case_id": row.case_id,
                "charge_id": row.charge_id,
                "in_force": row.in_force,
                "in_force_minor": row.in_force_minor,
                "shadow": row.verdict,
                "shadow_minor": row.amount_minor,
                "currency": row.currency or row.in_force_currency,
                "clauses": row.clauses.split(),
                "made_ms": row.made_ms,
            }
            for row in found
        ],
    }
