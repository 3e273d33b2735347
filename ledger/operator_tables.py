"""The tables of the people who use the dashboard: who they are, how they show it, what they have in hand.

Whatever opens a door (sessions, invitations, recovery codes, challenges) is here as a digest alone.
"""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from ledger.tables import RowId, metadata, one_of, partial_index


class Role(StrEnum):
    """What a person may do: each role may do what those before it may."""

    VIEWER = "viewer"  # reads
    OPERATOR = "operator"  # works: assigns, snoozes, replays, stops all money
    APPROVER = "approver"  # lets money move
    ADMIN = "admin"  # says who may do what

    def includes(self, other: "Role") -> bool:
        """Whether whoever has this role may do what `other` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class ChallengePurpose(StrEnum):
    """What a passkey's answer to a challenge is good for."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"  # that it is still the same person, before money moves
    ADD = "add"  # a new passkey


operators = Table(
    "operators",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("removed_ms", BigInteger),
    UniqueConstraint("name", name="inv_operator_name_once"),
    CheckConstraint(one_of("role", Role), name="inv_operator_role"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("operator_id", RowId, ForeignKey("operators.id"), nullable=False),
    Column("credential_id", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Column("removed_ms", BigInteger),
    UniqueConstraint("credential_id", name="inv_passkey_once"),
)
Index("ix_passkeys_operator", passkeys.c.operator_id)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("operator_id", RowId, ForeignKey("operators.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    UniqueConstraint("digest", name="inv_recovery_code_once"),
)
Index("ix_recovery_codes_operator", recovery_codes.c.operator_id)

invitations = Table(
    "invitations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("operator_id", RowId, ForeignKey("operators.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    UniqueConstraint("digest", name="inv_invitation_once"),
)
Index("ix_invitations_operator", invitations.c.operator_id)

operator_sessions = Table(
    "operator_sessions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("operator_id", RowId, ForeignKey("operators.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("fresh_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    UniqueConstraint("digest", name="inv_session_once"),
)
partial_index(
    "ix_operator_sessions_open", operator_sessions.c.operator_id, where="ended_ms IS NULL"
)

sign_in_challenges = Table(
    "sign_in_challenges",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("operator_id", RowId, ForeignKey("operators.id")),
    Column("expires_ms", BigInteger, nullable=False),
    CheckConstraint(one_of("purpose", ChallengePurpose), name="inv_challenge_purpose"),
    CheckConstraint(
        "(purpose = 'sign_in') = (operator_id IS NULL)", name="inv_challenge_of_operator"
    ),
)
Index("ix_sign_in_challenges_expires", sign_in_challenges.c.expires_ms)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("about", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)
Index("ix_sign_in_attempts_about", sign_in_attempts.c.about, sign_in_attempts.c.at_ms)

case_work = Table(
    "case_work",
    metadata,
    Column("case_id", RowId, ForeignKey("cases.id"), primary_key=True, autoincrement=False),
    Column("assignee", Text),
    Column("snoozed_until_ms", BigInteger),
    Column("changed_ms", BigInteger, nullable=False),
)
Index("ix_case_work_assignee", case_work.c.assignee)
