"""The table of notices: what customers are told by e-mail, and the product by webhook.

Each is a committed row before anything leaves. `content` is the canonical JSON of the facts that its
words are made of; `recipient` is personal data and stands nowhere else.
"""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from ledger.states import NoticeState
from ledger.tables import RowId, metadata, one_of


class NoticeChannel(StrEnum):
    """How a notice goes out."""

    EMAIL = "email"  # to `recipient`
    WEBHOOK = "webhook"  # to the product's endpoint, which is a setting


notices = Table(
    "notices",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("recipient", Text),
    Column("subject_id", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("doubtful_sends", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until_ms", BigInteger),
    Column("next_attempt_ms", BigInteger),
    Column("sent_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("key", name="inv_one_notice_per_key"),
    CheckConstraint(one_of("channel", NoticeChannel), name="inv_notice_channel"),
    CheckConstraint(one_of("state", NoticeState), name="inv_notice_state"),
    CheckConstraint(
        "(channel = 'email') = (recipient IS NOT NULL)", name="inv_notice_email_has_recipient"
    ),
    CheckConstraint(
        "state <> 'sending' OR lease_until_ms IS NOT NULL", name="inv_notice_sending_has_lease"
    ),
    CheckConstraint(
        "(state IN ('waiting', 'sending')) = (next_attempt_ms IS NOT NULL)",
        name="inv_notice_open_is_due",
    ),
    CheckConstraint("state <> 'sent' OR sent_ms IS NOT NULL", name="inv_notice_sent_has_time"),
)
Index("ix_notices_due", notices.c.state, notices.c.next_attempt_ms)
Index("ix_notices_subject", notices.c.subject_id, notices.c.id)
