"""How commands speak: JSON for machines, or tables and sentences for people, on stdout.

Tables fit 80 columns where the terminal's width is not known. What is shown came from outside, so
control characters are taken out and nothing is read as markup.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, TypeVar, cast

import click
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.merchant_words import about_named_merchant
from runtime.redaction import scrub_text

COLUMNS: Final = 80

#: The last column keeps this much, so that a reason can be guessed; wider ones wrap for it.
_LAST_COLUMNS_MIN: Final = 10
_GAP_COLUMNS: Final = 2

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`, which every reading command has."""
    option = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")
    return option(command)


def json_outcome(command: Command) -> Command:
    """Add `--json` to a command that does something and tells of it in sentences: they come as `told`."""

    @wraps(command)
    def told(*args: Any, as_json: bool, **given: Any) -> Any:
        if not as_json:
            return command(*args, **given)
        sentences: list[str] = []
        token = _COLLECTED.set(sentences)
        try:
            ended = command(*args, **given)
        finally:
            _COLLECTED.reset(token)
        print_json({"told": sentences})
        return ended

    return cast(Command, json_option(told))


#: Where `say` puts its sentences while a command is to answer in JSON.
_COLLECTED: Final[ContextVar[list[str] | None]] = ContextVar("collected", default=None)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout, keys in the order given."""
    click.echo(json.dumps(document, indent=2))


def say(*sentences: str) -> None:
    """A line per sentence, wrapped to the terminal; where none is, lines are whole for whoever reads them."""
    shown = [scrub_text(about_named_merchant(sentence)) for sentence in sentences]
    collected = _COLLECTED.get()
    if collected is not None:
        collected += [sentence for sentence in shown if sentence]
        return
    for sentence in shown:
        _console().print(Text(sentence), soft_wrap=not sys.stdout.isatty())


def show_secret(secret: str) -> None:
    """A secret that is shown this once, on a line of its own; `say` would take it out."""
    click.echo(secret)


def print_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    wrap_last: bool = False,
) -> None:
    """A table; columns in `right` are numbers, those in `whole` are never cut or wrapped.

    The last column takes what is left of the width, cut with an ellipsis unless it is to wrap.
    """
    cells = [[scrub_text(cell) for cell in row] for row in rows]
    natural = [max(map(cell_len, column)) for column in zip(headers, *cells, strict=True)]
    last_width_max = max(
        _LAST_COLUMNS_MIN, _width() - sum(natural[:-1]) - _GAP_COLUMNS * (len(headers) - 1)
    )
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP_COLUMNS, 0, 0))
    for header, width in zip(headers, natural, strict=True):
        is_last = header == headers[-1]
        kept = header in whole or header in right
        table.add_column(
            header,
            justify="right" if header in right else "left",
            no_wrap=kept or (is_last and not wrap_last),
            overflow="ellipsis" if is_last and not wrap_last else "fold",
            min_width=width if kept else None,
            max_width=last_width_max if is_last else None,
        )
    for row in cells:
        table.add_row(*map(Text, row))
    _print_trimmed(table)


def print_facts(facts: Sequence[tuple[str, str]], *, indent: int = 0) -> None:
    """Names and values beside each other; a value that is empty is shown as a dash."""
    _print_trimmed(_facts_table(facts, indent))


def live_facts(looks: Iterable[Sequence[tuple[str, str]]], last_line: str) -> None:
    """Show names and values in place, each look over the one before, until Ctrl-C; the last look stays."""
    with Live(console=_console(), auto_refresh=False, transient=False) as live:
        try:
            for facts in looks:
                live.update(
                    Group(_facts_table(facts, 0), Text(last_line, style="dim")), refresh=True
                )
        except KeyboardInterrupt:
            return


def progress_line(sentence: str) -> None:
    """Rewrite the one line on stderr that says how far long work is; silent unless a person looks."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{sentence}", nl=False, err=True)


def end_progress() -> None:
    """Take the progress line away."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)


def counted(count: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _facts_table(facts: Sequence[tuple[str, str]], indent: int) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(" " * indent + name, Text(scrub_text(about_named_merchant(value) or "-")))
    return table


def _print_trimmed(table: Table) -> None:
    """Print without the blanks that fill a table's lines up, which wrap in narrower windows."""
    console = _console()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _console() -> Console:
    # Made anew each time: stdout may be another one than a moment ago (tests, pipes).
    return Console(width=_width(), highlight=False, markup=False, emoji=False)


def _width() -> int:
    return Console().width if sys.stdout.isatty() else COLUMNS
