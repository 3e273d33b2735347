"""The tables of what people and findings say about whom to trust, and of what other terms would have decided."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from ledger.states import ListName, ListSubject
from ledger.tables import RowId, metadata, one_of

list_entries = Table(
    "list_entries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("list", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("since", BigInteger, nullable=False, server_default="0"),
    Column("expires_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Unique("list", "subject", "value", "origin", name="inv_listed_once"),
    CheckConstraint(one_of("list", ListName), name="inv_list_name"),
    CheckConstraint(one_of("subject", ListSubject), name="inv_list_subject"),
    CheckConstraint("list <> 'snooze' OR expires_ms IS NOT NULL", name="inv_snooze_ends"),
)
Index("ix_list_entries_value", list_entries.c.value)
Index("ix_list_entries_origin", list_entries.c.origin)

suspensions = Table(
    "suspensions",
    metadata,
    Column("case_id", RowId, ForeignKey("cases.id"), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("decision_id", RowId, ForeignKey("decisions.id"), nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
)
Index("ix_suspensions_customer", suspensions.c.customer_id)
