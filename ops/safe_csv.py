"""CSV that a spreadsheet can open without running anything: RFC 4180, UTF-8, cells that begin a formula are quoted.

A text that begins with =, +, -, @, a tab or a line break is a formula to a spreadsheet, wherever it came from; a
leading apostrophe makes it text (owasp.org/www-community/attacks/CSV_Injection). Numbers stay numbers.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TextIO

_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(to: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a header and the rows, each with these columns and no other; returns how many rows."""
    writer = csv.writer(to, lineterminator="\r\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([safe_cell(row[name]) for name in columns])
        count += 1
    return count


def safe_cell(value: Any) -> Any:
    """A cell's value: a text that would be a formula gets an apostrophe; None is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    written = str(value)
    return f"'{written}" if written.startswith(_FORMULA_BEGINS) else written
