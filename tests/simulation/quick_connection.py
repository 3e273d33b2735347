"""Runs SQLAlchemy's compiled statements on the raw SQLite connection, without what it does around each.

Half of a seed's time went into execution contexts and cursor results, which say nothing about the ledger.
The statements, their SQL, parameters and types are SQLAlchemy's own; a test runs the same seeds with and
without this and compares their traces to the byte (test_seeds.py).
"""

import sqlite3
from collections import namedtuple
from contextlib import contextmanager

from sqlalchemy import exc


class QuickConnection:
    """What the ledger asks of a `sqlalchemy.Connection`. `before(…)` is called before each statement."""

    def __init__(self, connection, before):
        self.dialect = connection.dialect
        self._raw = connection.connection.driver_connection
        self._before = before
        self._compiled = {}
        self._rows = {}

    @contextmanager
    def begin(self, how="BEGIN"):
        """One transaction: committed on leaving, rolled back on any error."""
        self._before()
        self._raw.execute(how)
        try:
            yield self
        except BaseException:
            self._raw.execute("ROLLBACK")
            raise
        self._raw.execute("COMMIT")

    @contextmanager
    def begin_nested(self):
        """One savepoint."""
        self._before()
        self._raw.execute("SAVEPOINT one")
        try:
            yield self
        except BaseException:
            self._raw.execute("ROLLBACK TO one")
            self._raw.execute("RELEASE one")
            raise
        self._before()
        self._raw.execute("RELEASE one")

    def execute(self, statement, parameters=None):
        """One statement, with one set of parameters or a list of them; a QuickResult."""
        self._before()
        many = isinstance(parameters, list)
        sets = parameters if many else [parameters or {}]
        compiled, extracted, collected, _ = statement._compile_w_cache(
            dialect=self.dialect,
            compiled_cache=self._compiled,
            column_keys=sorted(sets[0]),
            for_executemany=False,
            schema_translate_map=None,
        )
        rows, count = [], 0
        for one in sets:
            given = compiled.construct_params(
                one,
                escape_names=False,
                extracted_parameters=extracted,
                _collected_params=collected,
            )
            cursor = self._run(compiled, given)
            if cursor.description is not None:
                rows += cursor.fetchall()
            count += max(cursor.rowcount, 0)
        return QuickResult(self._shaped(compiled, rows), count)

    def _run(self, compiled, given):
        processors, text, names = compiled._bind_processors, compiled.string, compiled.positiontup
        if compiled.literal_execute_params or compiled.post_compile_params:
            state = compiled._process_parameters_for_postcompile(given)
            processors = {**processors, **state.processors}
            text, names = state.statement, state.positiontup
        bound = [
            processors[name](given[name]) if name in processors else given[name] for name in names
        ]
        try:
            return self._raw.execute(text, bound)
        except sqlite3.Error as error:
            raise getattr(exc, type(error).__name__)("(quick)", None, error) from error

    def _shaped(self, compiled, rows):
        """The rows as named tuples whose values have the columns' types."""
        columns = compiled._result_columns
        if not rows or not columns:
            return rows
        made = self._rows.get(id(compiled))
        if made is None:
            row = namedtuple("Row", [column.keyname for column in columns], rename=True)  # noqa: PYI024
            typed = [
                (place, read)
                for place, column in enumerate(columns)
                if (read := column.type._cached_result_processor(self.dialect, None)) is not None
            ]
            made = self._rows[id(compiled)] = row, typed
        row, typed = made
        if typed:
            rows = [_typed(one, typed) for one in rows]
        return [row._make(one) for one in rows]


def _typed(row, typed):
    row = list(row)
    for place, read in typed:
        row[place] = read(row[place])
    return row


class QuickResult:
    """What the ledger asks of a `sqlalchemy.CursorResult`."""

    def __init__(self, rows, rowcount):
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self):
        return iter(self._rows)

    def all(self):
        """Every row."""
        return self._rows

    def first(self):
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def one(self):
        """The only row."""
        (only,) = self._rows
        return only

    def scalar(self):
        """The first column of the first row, or None."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self):
        """The first column of the only row."""
        return self.one()[0]

    def scalars(self):
        """The first column of each row."""
        return QuickResult([row[0] for row in self._rows], self.rowcount)

    def mappings(self):
        """The rows as dicts."""
        return QuickResult([row._asdict() for row in self._rows], self.rowcount)
