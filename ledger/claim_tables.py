"""The tables of credits that are asked back, of the decisions about them, and of usage that was told late."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from ledger.states import ClaimState
from ledger.tables import RowId, metadata, one_of, partial_index
from policy.credit_losses import CreditLoss

credit_claims = Table(
    "credit_claims",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("loss", Text, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("documented", BigInteger),
    Column("our_fault", Boolean),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_ms", BigInteger),
    Column("received_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("key", name="inv_claim_once"),
    CheckConstraint(one_of("state", ClaimState), name="inv_claim_state"),
    CheckConstraint(one_of("loss", CreditLoss), name="inv_claim_loss"),
    CheckConstraint("credits > 0 AND documented >= 0", name="inv_claim_credits"),
    CheckConstraint(
        "(state = 'waiting') = (next_attempt_ms IS NOT NULL)", name="inv_claim_waiting_has_time"
    ),
)
Index("ix_credit_claims_customer", credit_claims.c.customer_id)
partial_index("ix_credit_claims_due", credit_claims.c.next_attempt_ms, where="state = 'waiting'")

#: Append-only like the decisions about money, which name an amount and a case; these name credits.
credit_decisions = Table(
    "credit_decisions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("claim_id", RowId, ForeignKey("credit_claims.id"), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("credits", BigInteger),
    Column("terms_version", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    CheckConstraint(
        "verdict IN ('approve', 'deny', 'review')", name="inv_i6_credit_decision_verdict"
    ),
    CheckConstraint(
        "(verdict = 'approve') = (credits IS NOT NULL)", name="inv_i6_approval_names_credits"
    ),
    CheckConstraint("credits > 0", name="inv_credit_decision_credits"),
)
Index("ix_credit_decisions_claim", credit_decisions.c.claim_id, credit_decisions.c.id)

#: A table of its own and no column of the case: whoever tells usage must not wait for who works on the case.
late_usage = Table(
    "late_usage",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("case_id", RowId, ForeignKey("cases.id"), nullable=False),
    Column("decision_id", RowId, ForeignKey("decisions.id"), nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("told_ms", BigInteger, nullable=False),
    CheckConstraint("credits > 0", name="inv_late_usage_credits"),
)
Index("ix_late_usage_case", late_usage.c.case_id)
