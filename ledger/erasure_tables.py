"""The tables of what was erased: whose data, and up to which event the bodies."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table, Text

from ledger.tables import metadata

erasures = Table(
    "erasures",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("erased_ms", BigInteger, nullable=False),
)

payload_marks = Table(
    "payload_marks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("row_id", BigInteger, nullable=False),  # bodies up to this row are erased
    CheckConstraint("id = 1", name="inv_one_payload_mark"),
)
