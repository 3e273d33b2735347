"""The closing tables of a demonstration: what the day and the month came to, beside what was known."""

import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ops.fraud_demonstration import FraudOutcome
from ops.month_demonstration import MonthOutcome
from ops.sandbox.shop_fraud import FraudRow
from ops.sandbox.shop_month import MonthRow
from ops.sandbox.shop_year import YearRow
from ops.year_demonstration import YearOutcome
from policy.money import Money

if TYPE_CHECKING:
    from ops.demonstration import DayOutcome


def show_day(console: Console, outcome: "DayOutcome") -> None:
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
        console.print(f"why each was refunded: [bold]{_own_command()} refunds list[/bold]\n")


def show_month(console: Console, outcome: MonthOutcome) -> None:
    """Print what each story of the month came to, and those that differ from what was known."""
    table = _stories("a month of refund requests, and an outage of 30 hours")
    for heading in ("money back", "expected"):
        table.add_column(heading, justify="right")
    for row in outcome.rows:
        table.add_row(
            row.story.title,
            row.verdict or "unasked",
            row.story.clause or "-",
            _back(row.back_minor, row.currency),
            _back(row.expected_minor, row.currency),
            style=None if row.as_expected else "red",
        )
    console.print(table)
    for row in outcome.rows:
        if not row.as_expected:
            console.print(f"[red]{_difference(row)}[/red]")
    ended = sum(row.ended for row in outcome.rows)
    console.print(
        f"{ended} refunded plans ended, {outcome.emails} e-mails sent to customers, in"
        f" {outcome.seconds:.0f} s"
    )
    if outcome.as_expected:
        console.print("[green]as expected: every verdict, and the money to the cent[/green]")
        console.print(f"what was asked for: [bold]{_own_command()} requests list[/bold]")
        console.print(f"what waits for a person: [bold]{_own_command()} cases list[/bold]")


def show_year(console: Console, outcome: YearOutcome) -> None:
    """Print what each story of the year came to, and those that differ from what was known."""
    table = _stories("a year of subscriptions, and changes of plan by every road")
    for heading in ("stays paid", "credits"):
        table.add_column(heading, justify="right")
    for row in outcome.rows:
        table.add_row(
            row.story.title,
            row.verdict or "-",
            row.clause or "-",
            _back(row.paid_minor, "usd"),
            str(row.credits),
            style=None if row.as_expected else "red",
        )
    console.print()
    console.print(table)
    for row in outcome.rows:
        if not row.as_expected:
            console.print(f"[red]{_year_difference(row)}[/red]")
    if outcome.as_expected:
        console.print(
            f"[green]as expected: every plan, every credit, no part of a period charged, in"
            f" {outcome.seconds:.0f} s[/green]"
        )
        console.print(f"what was changed elsewhere: [bold]{_own_command()} plan seen[/bold]")


def show_fraud(console: Console, outcome: FraudOutcome) -> None:
    """Print what each story of fraud came to, and those that differ from what was known."""
    table = Table(title="thieves, banks and honest people", title_justify="left")
    for heading in ("what happened", "account"):
        table.add_column(heading)
    for heading in ("money back", "expected", "credits"):
        table.add_column(heading, justify="right")
    for row in outcome.rows:
        table.add_row(
            row.story.title,
            _standing(row.suspended),
            _back(row.back_minor, "usd"),
            _back(row.expected_minor, "usd"),
            str(row.credits),
            style=None if row.as_expected else "red",
        )
    console.print()
    console.print(table)
    for row in outcome.rows:
        if not row.as_expected:
            console.print(f"[red]{_fraud_difference(row)}[/red]")
    if outcome.as_expected:
        console.print(
            "[green]as expected: each thief's money back once, no honest customer touched, in"
            f" {outcome.seconds:.0f} s[/green]"
        )
        console.print(f"what a bank waits for: [bold]{_own_command()} disputes list[/bold]")


def _standing(suspended: bool) -> str:
    return "suspended" if suspended else "active"


def _fraud_difference(row: FraudRow) -> str:
    return (
        f"{row.story.title}: {_back(row.back_minor, 'usd')} went back, expected"
        f" {_back(row.expected_minor, 'usd')}; {_standing(row.suspended)}, expected"
        f" {_standing(row.story.suspended)}; {row.credits} credits, expected {row.story.credits}"
    )


def _stories(title: str) -> Table:
    """A table of stories, whose figures come in columns of their own."""
    table = Table(title=title, title_justify="left")
    for heading in ("what happened", "verdict", "because of"):
        table.add_column(heading)
    return table


def _year_difference(row: YearRow) -> str:
    story = row.story
    return (
        f"{story.title}: {row.verdict} by {row.clause}, expected {story.verdict} by {story.clause};"
        f" {_back(row.paid_minor, 'usd')} stays paid, expected {_back(story.expected_minor, 'usd')};"
        f" billed for {row.plan}, expected {story.ends_on}; {row.credits} credits, expected"
        f" {story.expected_credits}; {row.waiting_minor} in prorations and balance, expected 0"
    )


def _back(minor: int, currency: str) -> str:
    return str(Money(amount_minor=minor, currency=currency)) if minor else "-"


def _difference(row: MonthRow) -> str:
    cited = ", ".join(row.clauses) or "nothing"
    return (
        f"{row.story.title}: {row.verdict} citing {cited}, expected {row.story.verdict}"
        f" by {row.story.clause or 'any clause'};"
        f" {row.credits_left} credits left, expected {row.expected_credits_left};"
        f" the plan {'ended' if row.ended else 'runs'},"
        f" expected to have {'ended' if row.expected_ended else 'run on'}"
    )


def _own_command() -> str:
    """How to call `redress` in another terminal: by name if that is found, else by where it lies."""
    if shutil.which("redress"):
        return "redress"
    own = Path(sys.argv[0])
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _kinds(outcome: "DayOutcome") -> Table:
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
