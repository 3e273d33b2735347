"""The table of whose ledger this is."""

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text

from ledger.tables import metadata

ledger_owner = Table(
    "ledger_owner",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("merchant", Text, nullable=False),  # "" is the environment's own
    CheckConstraint("id = 1", name="inv_one_ledger_owner"),
)
