"""The table of approvals above the threshold: each waits for a second person's word."""

from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Table, Text

from ledger.tables import RowId, metadata, one_of, partial_index


class ApprovalState(StrEnum):
    """Where one person's approval stands."""

    WAITING = "waiting"  # for the second person
    CONFIRMED = "confirmed"  # a second one said the same, and the case was ruled on
    DROPPED = "dropped"  # another amount, a denial or another decision took its place


approvals = Table(
    "approvals",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("case_id", RowId, ForeignKey("cases.id"), nullable=False),
    # The case's newest decision then; 0 if there was none. With another one since, the word is no longer about it.
    Column("decision_id", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("keeps_credits", Boolean, nullable=False),
    Column("keeps_subscription", Boolean, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("second_actor", Text),
    Column("state", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    CheckConstraint(one_of("state", ApprovalState), name="inv_approval_state"),
    CheckConstraint("amount_minor > 0", name="inv_approval_amount"),
    CheckConstraint("second_actor <> actor", name="inv_approval_two_people"),
    CheckConstraint(
        "(state = 'confirmed') = (second_actor IS NOT NULL)", name="inv_approval_confirmed"
    ),
    CheckConstraint("(state = 'waiting') = (ended_ms IS NULL)", name="inv_approval_ended"),
)
partial_index(
    "inv_one_waiting_approval", approvals.c.case_id, where="state = 'waiting'", unique=True
)
