"""A row of each table about replays, lists and comparisons, and what their constraints must refuse."""

from sqlalchemy import insert, update

from ledger.backfill_tables import backfill_cursors, differences, reconciliations
from ledger.erasure_tables import payload_marks
from ledger.owner_tables import ledger_owner
from ledger.replay_tables import replays
from tests.fakes.ledger_rows import put

#: By the constraint's name: a statement that it refuses.
OPERATOR_BREACHES = {
    "inv_replay_state": update(replays).values(state="lost"),
    "inv_replay_source": update(replays).values(source="hearsay"),
    "inv_backfill_stream": update(backfill_cursors).values(stream="payouts"),
    "inv_reconciliation_state": update(reconciliations).values(state="lost"),
    "inv_difference_kind": update(differences).values(kind="odd"),
    "inv_one_ledger_owner": insert(ledger_owner).values(id=2, merchant="other"),
    "inv_one_payload_mark": insert(payload_marks).values(id=2, row_id=1),
}


def fill_operators(connection):
    """One permitted row of each."""
    put(connection, replays, source="ledger", state="running")
    put(connection, backfill_cursors, stream="events")
    put(connection, reconciliations, state="running")
    put(connection, differences, reconciliation_id=1, kind="amount")
    put(connection, ledger_owner, id=1, merchant="")
    put(connection, payload_marks, id=1, row_id=1)
