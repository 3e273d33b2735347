"""The tables of what customers ask for and how they stand: refund requests, accounts, outages."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from ledger.states import RequestState, Standing, StandingCause
from ledger.tables import RowId, metadata, one_of, partial_index

refund_requests = Table(
    "refund_requests",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("email", Text),
    Column("email_digest", Text, nullable=False),
    Column("purchase_date", Text, nullable=False),
    Column("product", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("evidence", Text),
    Column("stated", Text, nullable=False, server_default="{}"),
    Column("asked_at", BigInteger, nullable=False),
    Column("charge_id", Text),
    Column("candidates", Text, nullable=False, server_default="[]"),
    Column("case_id", RowId, ForeignKey("cases.id")),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("next_attempt_ms", BigInteger),
    Column("received_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("key", name="inv_request_once"),
    CheckConstraint(one_of("state", RequestState), name="inv_request_state"),
    CheckConstraint("state <> 'judged' OR case_id IS NOT NULL", name="inv_judged_has_case"),
)
Index("ix_refund_requests_case", refund_requests.c.case_id)
Index("ix_refund_requests_charge", refund_requests.c.charge_id)
partial_index(
    "ix_refund_requests_due", refund_requests.c.next_attempt_ms, where="state = 'waiting'"
)

accounts = Table(
    "accounts",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("standing", Text, nullable=False),
    Column("cause", Text),
    Column("changed_ms", BigInteger, nullable=False),
    CheckConstraint(one_of("standing", Standing), name="inv_account_standing"),
    CheckConstraint(f"cause IS NULL OR {one_of('cause', StandingCause)}", name="inv_account_cause"),
    CheckConstraint(
        "standing = 'active' OR cause IS NOT NULL", name="inv_account_standing_has_cause"
    ),
)

outages = Table(
    "outages",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("affects", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
    UniqueConstraint("began_at", "ended_at", "affects", name="inv_outage_once"),
    CheckConstraint("ended_at > began_at", name="inv_outage_lasts"),
)
Index("ix_outages_ended", outages.c.ended_at)
