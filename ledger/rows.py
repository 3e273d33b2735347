"""The type of a row whose columns are known only to the query that made it."""

from typing import Any

from sqlalchemy import Row

AnyRow = Row[*tuple[Any, ...]]
