"""How commands speak: JSON for machines, or tables and sentences for people, on stdout.

Tables fit 100 columns where the terminal's width is not known. What is shown came from outside, so
control characters are taken out and nothing is read as markup.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.redaction import scrub_text

COLUMNS: Final = 100

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`, which every reading command has."""
    option = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")
    return option(command)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout, keys in the order given."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def say(*sentences: str) -> None:
    """A line per sentence, wrapped to the terminal."""
    for sentence in sentences:
        _console().print(_text(sentence))


def print_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """A table; columns in `right` are numbers, those in `whole` are never cut or wrapped.

    The last column takes what is left of the width and is cut with an ellipsis.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers:
        is_last = header == headers[-1]
        table.add_column(
            header,
            justify="right" if header in right else "left",
            no_wrap=header in whole or header in right or is_last,
            overflow="ellipsis" if is_last else "fold",
        )
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    _console().print(table)


def print_facts(facts: Sequence[tuple[str, str]], *, indent: int = 0) -> None:
    """Names and values beside each other; a value that is empty is shown as a dash."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(" " * indent + name, _text(value or "-"))
    _console().print(table)


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


def _text(value: str) -> Text:
    return Text(scrub_text(value))


def _console() -> Console:
    # Made anew each time: stdout may be another one than a moment ago (tests, pipes).
    width = None if sys.stdout.isatty() else COLUMNS
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
