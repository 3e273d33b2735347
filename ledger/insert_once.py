"""An insert that leaves a row alone which is there already, in the dialect of either engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert


def insert_once(
    table: Table, *returning: Column[Any] | Table, key: Sequence[str] = ()
) -> Mapping[str, ReturningInsert[Any]]:
    """The statement by the dialect's name; it returns `returning` of a new row, nothing of a known one.

    Without a `key`, any unique constraint of the table makes a row a known one; with one, a breach of
    the others is an error as ever.
    """
    columns = list(key) or None
    return {
        "sqlite": sqlite.insert(table)
        .on_conflict_do_nothing(index_elements=columns)
        .returning(*returning),
        "postgresql": postgresql.insert(table)
        .on_conflict_do_nothing(index_elements=columns)
        .returning(*returning),
    }
