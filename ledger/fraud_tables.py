"""The tables of whom to trust, of suspended accounts, of answers to disputes, and of what other terms would have decided."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from ledger.states import ListName, ListSubject, SubmissionState
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

dispute_submissions = Table(
    "dispute_submissions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    # The dispute's state that is answered: an inquiry, the chargeback after it and an appeal are answered one by one.
    Column("answers", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Unique("dispute_id", "answers", name="inv_one_answer_per_state"),
    Unique("idempotency_key", name="inv_i4_submission_key"),
    CheckConstraint(one_of("state", SubmissionState), name="inv_submission_state"),
)

shadow_verdicts = Table(
    "shadow_verdicts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("terms_digest", Text, nullable=False),
    # `decision:12`, or `charge:ch_…` for a payment that the terms in force let through without a decision.
    Column("subject", Text, nullable=False),
    Column("decision_id", RowId, ForeignKey("decisions.id")),
    Column("charge_id", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", Text),
    Column("clauses", Text, nullable=False),
    Column("differs", Boolean, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Unique("terms_digest", "subject", name="inv_one_shadow_verdict"),
)
Index("ix_shadow_verdicts_decision", shadow_verdicts.c.terms_digest, shadow_verdicts.c.decision_id)
Index("ix_shadow_verdicts_differs", shadow_verdicts.c.terms_digest, shadow_verdicts.c.differs)
