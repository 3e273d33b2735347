"""The closing table of a played day: found, refunded, money, expected."""

import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from policy.money import Money

if TYPE_CHECKING:
    from ops.demonstration import Demonstration


def show_outcome(console: Console, outcome: "Demonstration") -> None:
    """Print what the day came to, kind by kind, and each charge that differs from what was known."""
    expected = outcome.expected
    console.print(
        f"\n{expected.charges_succeeded} payments, {expected.charges_failed} failed tries,"
        f" {len(expected.look_alikes)} look-alikes, {outcome.progress.events} events"
        f" in {outcome.seconds:.0f} s"
    )
    console.print(_kinds(outcome))
    for charge_id in outcome.missing:
        console.print(f"[red]not refunded as expected: {charge_id}[/red]")
    for charge_id in outcome.unreviewed:
        console.print(f"[red]not put before a person: {charge_id}[/red]")
    for charge_id in outcome.wrong:
        console.print(f"[red]refunded and should not have been: {charge_id}[/red]")
    if outcome.as_expected:
        console.print(
            "[green]as expected: each duplicate once, to the cent, and nothing else[/green]"
        )
        console.print(f"why each was refunded: [bold]{_own_command()} refunds list[/bold]")


def _own_command() -> str:
    """How to call `redress` in another terminal: by name if that is found, else by where it lies."""
    if shutil.which("redress"):
        return "redress"
    own = Path(sys.argv[0])
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _kinds(outcome: "Demonstration") -> Table:
    table = Table(title="duplicate charges of the day", title_justify="left")
    table.add_column("kind")
    for heading in ("true", "refunded", "review", "money back", "expected"):
        table.add_column(heading, justify="right")
    duplicates = outcome.expected.duplicates
    for kind in sorted({one.kind for one in duplicates}):
        of_kind = [one for one in duplicates if one.kind == kind]
        charge_ids = {one.charge_id for one in of_kind}
        back = [money for charge, money in outcome.refunded.items() if charge in charge_ids]
        due = [(one.amount_minor, one.currency) for one in of_kind if one.outcome == "refund"]
        table.add_row(
            kind.replace("_", " "),
            str(len(of_kind)),
            str(len(back)),
            str(len(charge_ids & outcome.reviews)),
            _money(back),
            _money(due),
        )
    return table


def _money(amounts: list[tuple[int, str]]) -> str:
    totals: Counter[str] = Counter()
    for minor, currency in amounts:
        totals[currency] += minor
    sums = [Money(amount_minor=minor, currency=currency) for currency, minor in totals.items()]
    return "\n".join(sorted(str(one) for one in sums)) or "-"
