"""A row of each table about replays, lists and comparisons, and what their constraints must refuse."""

from sqlalchemy import insert, select, update

from ledger.approval_tables import approvals
from ledger.backfill_tables import backfill_cursors, differences, reconciliations
from ledger.erasure_tables import payload_marks
from ledger.owner_tables import ledger_owner
from ledger.replay_tables import replays
from tests.fakes.ledger_rows import put

_APPROVAL = [column.name for column in approvals.columns if column.name != "id"]

#: By the constraint's name: a statement that it refuses.
OPERATOR_BREACHES = {
    "inv_replay_state": update(replays).values(state="lost"),
    "inv_replay_source": update(replays).values(source="hearsay"),
    "inv_backfill_stream": update(backfill_cursors).values(stream="payouts"),
    "inv_reconciliation_state": update(reconciliations).values(state="lost"),
    "inv_difference_kind": update(differences).values(kind="odd"),
    "inv_approval_state": update(approvals).values(state="lost", ended_ms=1),
    "inv_approval_amount": update(approvals).values(amount_minor=0),
    "inv_approval_two_people": update(approvals).values(
        state="confirmed", second_actor="ada", ended_ms=1
    ),
    "inv_approval_confirmed": update(approvals).values(state="confirmed", ended_ms=1),
    "inv_approval_ended": update(approvals).values(ended_ms=1),
    "inv_one_waiting_approval": insert(approvals).from_select(
        _APPROVAL, select(*(approvals.c[name] for name in _APPROVAL))
    ),
    "inv_one_ledger_owner": insert(ledger_owner).values(id=2, merchant="other"),
    "inv_one_payload_mark": insert(payload_marks).values(id=2, row_id=1),
}

#: What SQLite says of an index, which it does not name.
OPERATOR_SQLITE = {"inv_one_waiting_approval": "approvals.case_id"}


def fill_operators(connection):
    """One permitted row of each."""
    put(connection, replays, source="ledger", state="running")
    put(connection, backfill_cursors, stream="events")
    put(connection, reconciliations, state="running")
    put(connection, differences, reconciliation_id=1, kind="amount")
    put(connection, approvals, case_id=1, amount_minor=1, actor="ada", state="waiting")
    put(connection, ledger_owner, id=1, merchant="")
    put(connection, payload_marks, id=1, row_id=1)
