"""Whose ledger a database is: written down by the first process, held against every later one.

Two merchants whose addresses differ in their letters alone (`localhost`, `127.0.0.1`) would otherwise work on one
ledger, and the key of the one would be used for the refunds of the other.
"""

from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from ledger.engine import Store
from ledger.insert_once import insert_once
from ledger.owner_tables import ledger_owner


class ForeignLedger(Exception):
    """The database is another merchant's; the text says whose and what to set."""


def claim_ledger(store: Store, merchant: str) -> None:
    """Make it the ledger of `merchant` for good. Raises ForeignLedger when it is somebody else's already."""
    with store.write() as connection:
        connection.execute(_CLAIM[store.dialect], {"id": 1, "merchant": merchant})
        owner = _owner(connection)
    if owner != merchant:
        raise ForeignLedger(_sentence(owner, merchant))


def require_own_ledger(store: Store, merchant: str) -> None:
    """Raise ForeignLedger when it is somebody else's; nothing before any process has started on it."""
    try:
        with store.read() as connection:
            owner = _owner(connection)
    except DBAPIError:
        return  # away, or of another schema: whoever asks for it next is told so
    if owner not in (None, merchant):
        raise ForeignLedger(_sentence(owner, merchant))


def _owner(connection: Connection) -> str | None:
    return connection.execute(_READ).scalar_one_or_none()


def _sentence(owner: str | None, merchant: str) -> str:
    named = {
        name: f"merchant {name}" if name else "the environment's own account"
        for name in (owner, merchant)
    }
    return (
        f"The database is the ledger of {named[owner]}, not of {named[merchant]}; set DATABASE_URL (and REDRESS_DATA)"
        " to one of its own."
    )


_CLAIM: Final = insert_once(ledger_owner, ledger_owner.c.id)
_READ: Final = select(ledger_owner.c.merchant)
