"""What Alembic runs: migrate the connection that `ledger.schema` (or a developer's command) hands in."""

from alembic import context

import ledger.api_token_tables
import ledger.claim_tables
import ledger.credit_tables
import ledger.ending_tables
import ledger.fraud_tables
import ledger.issue_tables
import ledger.notice_tables
import ledger.plan_change_tables
import ledger.request_tables
import ledger.seen_plan_tables
import ledger.stripe_tables  # noqa: F401 - declares its tables on the one metadata
from ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
