"""The table of the product API's tokens: digests alone, never a token."""

from sqlalchemy import BigInteger, Column, Index, Table, Text, UniqueConstraint, text

from ledger.tables import RowId, metadata

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
    UniqueConstraint("digest", name="inv_api_token_once"),
)
Index(
    "ix_api_tokens_name",
    api_tokens.c.name,
    unique=True,
    sqlite_where=text("revoked_ms IS NULL"),
    postgresql_where=text("revoked_ms IS NULL"),
)
