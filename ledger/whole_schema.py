"""The metadata with every table of the ledger declared on it, for whoever needs all of them at once."""

import ledger.api_token_tables
import ledger.approval_tables
import ledger.backfill_tables
import ledger.claim_tables
import ledger.credit_tables
import ledger.ending_tables
import ledger.erasure_tables
import ledger.fraud_tables
import ledger.issue_tables
import ledger.notice_tables
import ledger.operator_tables
import ledger.owner_tables
import ledger.plan_change_tables
import ledger.replay_tables
import ledger.request_tables
import ledger.seen_plan_tables
import ledger.stripe_tables  # noqa: F401 - declares its tables on the one metadata
from ledger.tables import metadata

__all__ = ["metadata"]
