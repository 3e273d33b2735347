"""The table of what paid purchases are to bring in credits, and how much of it was issued.

`undone` purchases were settled by a credit, and that was taken out again: they count as given back without a refund.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from ledger.states import IssueState
from ledger.tables import RowId, metadata, one_of, partial_index

credit_issues = Table(
    "credit_issues",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("subscription_id", Text),
    Column("quantity", BigInteger, nullable=False),
    Column("paid_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("issued", Integer, nullable=False, server_default="0"),
    Column("next_at", BigInteger),
    Column("changed_ms", BigInteger, nullable=False),
    Column("undone", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("source", "ref", name="inv_one_issue_per_purchase"),
    CheckConstraint(one_of("state", IssueState), name="inv_issue_state"),
    CheckConstraint("quantity > 0", name="inv_issue_quantity"),
    CheckConstraint("(state = 'issuing') = (next_at IS NOT NULL)", name="inv_issuing_has_time"),
)
Index("ix_credit_issues_subscription", credit_issues.c.subscription_id)
partial_index("ix_credit_issues_due", credit_issues.c.next_at, where="state = 'issuing'")
partial_index("ix_credit_issues_waiting", credit_issues.c.ref, where="state = 'waiting'")
