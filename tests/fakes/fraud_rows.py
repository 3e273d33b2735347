"""A row of each table about suspicion and disputes."""

from ledger.dispute_submissions import write_submission
from ledger.fraud_tables import list_entries, shadow_verdicts
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put


def fill_fraud(connection):
    """One permitted row of each."""
    listed = {"list": "block", "subject": "card", "value": "fp_1", "origin": "person"}
    put(connection, list_entries, **listed)
    put(connection, shadow_verdicts, subject="decision:1", terms_digest="d")
    write_submission(
        connection, "du_1", "needs_response", params="{}", author="ana", now_ms=NOON_MS
    )
