"""Which schema a database stands at and which one this version needs, without loading Alembic.

Every process looks at its start, and the receiver whenever it is asked whether it is ready; Alembic
would cost each of them 8 MB.
"""

from typing import Final

from sqlalchemy import inspect, text

from ledger.engine import Store

#: The newest of `ledger/migrations/versions`; a test holds the two equal.
NEWEST_REVISION: Final = "0013"


def schema_problem(store: Store) -> str | None:
    """How the database's schema differs from the one that is needed, in words; None when it does not."""
    found = schema_revision(store)
    if found == NEWEST_REVISION:
        return None
    return f"at schema {found or 'none'}, this version needs {NEWEST_REVISION}"


def schema_revision(store: Store) -> str | None:
    """The revision that the database stands at; None for one that was never migrated."""
    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)
