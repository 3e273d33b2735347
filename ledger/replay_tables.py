"""The table of replays: what was to be worked through again, by whom and why, and how far that has come.

`cursor` is the place in the source up to which everything was put back: a row of the ledger, a line of a file
or one of Stripe's event ids. It moves in the transaction that puts events back, so that a replay which was
broken off goes on without a gap and without a repetition.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table, Text

from ledger.states import ReplayState
from ledger.tables import RowId, metadata, one_of

replays = Table(
    "replays",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("source", Text, nullable=False),  # ledger | file | stripe
    Column("selection", Text, nullable=False),  # JSON
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("cursor", Text, nullable=False),
    Column("stored", Integer, nullable=False, server_default="0"),
    Column("replayed", Integer, nullable=False, server_default="0"),
    Column("started_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    CheckConstraint(one_of("state", ReplayState), name="inv_replay_state"),
    CheckConstraint("source IN ('ledger', 'file', 'stripe')", name="inv_replay_source"),
)
