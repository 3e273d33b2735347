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
        self._plans = {}
        self._kept = {}
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
        plan, base = self._planned(statement, sets[0])
        rows, count = [], 0
        for one in sets:
            cursor = self._run(plan, {**base, **one})
            if cursor.description is not None:
                rows += cursor.fetchall()
            count += max(cursor.rowcount, 0)
        return QuickResult(self._shaped(plan.compiled, rows), count)

    def _planned(self, statement, first):
        """How to run a statement, and the values that are its own; found at once if it was built once."""
        asked = id(statement), *first
        known = self._kept.get(asked)
        if known is not None:
            return known[1:]
        lasting = "_generate_cache_key" in statement.__dict__  # it was run before: it stays
        compiled, extracted, collected, _ = statement._compile_w_cache(
            dialect=self.dialect,
            compiled_cache=self._compiled,
            column_keys=sorted(first),
            for_executemany=False,
            schema_translate_map=None,
        )
        plan = self._plans.get(id(compiled))
        if plan is None:
            plan = self._plans[id(compiled)] = _Plan(compiled)
        base = compiled.construct_params(
            first, escape_names=False, extracted_parameters=extracted, _collected_params=collected
        )
        if lasting:
            self._kept[asked] = statement, plan, base
        return plan, base

    def _run(self, plan, given):
        text, names, processors = plan.fitting(given)
        bound = [given[name] for name in names]
        for place, process in processors:
            bound[place] = process(bound[place])
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


class _Plan:
    """One compiled statement, and its text for each number of values that its lists came with."""

    def __init__(self, compiled):
        self.compiled = compiled
        self._lists = tuple(compiled.bind_names[one] for one in compiled.post_compile_params)
        self._literal = bool(compiled.literal_execute_params)
        self._texts = {}

    def fitting(self, given):
        """(text, names in their order, [(place, processor)]); adds the members of lists to `given`."""
        lengths = tuple([len(given[name]) for name in self._lists])
        known = None if self._literal else self._texts.get(lengths)
        if known is None:
            known = self._texts[lengths] = self._rendered(given)
        else:
            for name, members in known[1]:
                given.update(zip(members, _flat(given[name]), strict=True))
        return known[0]

    def _rendered(self, given):
        compiled = self.compiled
        text, names, processors = compiled.string, compiled.positiontup, compiled._bind_processors
        expanded = ()
        if self._lists or self._literal:
            state = compiled._process_parameters_for_postcompile(given)
            text, names = state.statement, state.positiontup
            processors = {**processors, **state.processors}
            expanded = tuple(state.parameter_expansion.items())
        placed = [(at, processors[name]) for at, name in enumerate(names) if name in processors]
        return (text, names, placed), expanded


def _flat(values):
    return [one for row in values for one in row] if values and type(values[0]) is tuple else values


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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing is held open."""

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
