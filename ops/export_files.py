"""Rows as JSON lines, as CSV or as Parquet, into a file that is whole or not there, or onto stdout.

Parquet needs pyarrow, which is not installed unless asked for: `pip install redress[parquet]`.
"""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import click
import orjson

from ops.safe_csv import write_csv

Bytes: TypeAlias = IO[bytes]
Rows: TypeAlias = Iterable[Mapping[str, Any]]
Columns: TypeAlias = Mapping[str, type]
#: Rows of one group of a Parquet file, held in memory while it is written.
_GROUP_ROWS: Final = 10_000


def write_rows(to: Path | None, form: str, columns: Columns, rows: Rows) -> int:
    """Write all rows (`to` None: onto stdout); returns how many. Raises ClickException when it cannot."""
    if to is None:
        return _onto_stdout(form, columns, rows)
    try:
        with _whole_file(to) as opened:
            return _FORMS[form](opened, columns, rows)
    except OSError as error:
        raise click.ClickException(f"{to} cannot be written ({error.strerror}).") from error


def _onto_stdout(form: str, columns: Columns, rows: Rows) -> int:
    try:
        return _FORMS[form](sys.stdout.buffer, columns, rows)
    except BrokenPipeError:
        # `| head` has seen enough; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextmanager
def _whole_file(to: Path) -> Iterator[Bytes]:
    """A file for its owner only, in its place once it is whole."""
    with tempfile.NamedTemporaryFile(dir=to.parent, suffix=".part", delete=False) as part:
        try:
            yield part
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(to)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _json_lines(to: Bytes, _columns: Columns, rows: Rows) -> int:
    count = 0
    for row in rows:
        to.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        count += 1
    return count


def _csv(to: Bytes, columns: Columns, rows: Rows) -> int:
    text = io.TextIOWrapper(to, encoding="utf-8", newline="")
    try:
        return write_csv(text, list(columns), rows)
    finally:
        text.detach()  # flushed, and the file is not this function's to close


def _parquet(to: Bytes, columns: Columns, rows: Rows) -> int:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - it may not be there
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError:
        raise click.ClickException(
            "Parquet needs pyarrow: install it by `pip install 'redress[parquet]'`, or take --format csv."
        ) from None
    types = {int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in columns.items()])
    count, left = 0, iter(rows)
    with parquet.ParquetWriter(to, schema, compression="zstd") as writer:
        while group := list(islice(left, _GROUP_ROWS)):
            writer.write_table(pa.Table.from_pylist([dict(row) for row in group], schema=schema))
            count += len(group)
    return count


_FORMS: Final[Mapping[str, Callable[[Bytes, Columns, Rows], int]]] = {
    "jsonl": _json_lines,
    "csv": _csv,
    "parquet": _parquet,
}
FORMS: Final = tuple(_FORMS)
