"""A row of each table about replays, lists and comparisons, and what their constraints must refuse."""

from sqlalchemy import insert, select, update

from ledger.approval_tables import approvals
from ledger.backfill_tables import backfill_cursors, differences, reconciliations
from ledger.erasure_tables import payload_marks
from ledger.operator_tables import (
    invitations,
    operator_sessions,
    operators,
    passkeys,
    recovery_codes,
    sign_in_challenges,
)
from ledger.owner_tables import ledger_owner
from ledger.replay_tables import replays
from tests.fakes.ledger_rows import put


def _again(table):
    """The statement that writes a table's rows a second time."""
    names = [column.name for column in table.columns if column.name != "id"]
    return insert(table).from_select(names, select(*(table.c[name] for name in names)))


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
    "inv_one_waiting_approval": _again(approvals),
    "inv_one_ledger_owner": insert(ledger_owner).values(id=2, merchant="other"),
    "inv_operator_name_once": _again(operators),
    "inv_operator_role": update(operators).values(role="owner"),
    "inv_passkey_once": _again(passkeys),
    "inv_recovery_code_once": _again(recovery_codes),
    "inv_invitation_once": _again(invitations),
    "inv_session_once": _again(operator_sessions),
    "inv_challenge_purpose": update(sign_in_challenges).values(purpose="play", operator_id=1),
    "inv_challenge_of_operator": update(sign_in_challenges).values(operator_id=1),
    "inv_one_payload_mark": insert(payload_marks).values(id=2, row_id=1),
}

#: What SQLite says of an index or of a UNIQUE, which it does not name.
OPERATOR_SQLITE = {
    "inv_one_waiting_approval": "approvals.case_id",
    "inv_operator_name_once": "operators.name",
    "inv_passkey_once": "passkeys.credential_id",
    "inv_recovery_code_once": "recovery_codes.digest",
    "inv_invitation_once": "invitations.digest",
    "inv_session_once": "operator_sessions.digest",
}


def fill_operators(connection):
    """One permitted row of each."""
    put(connection, replays, source="ledger", state="running")
    put(connection, backfill_cursors, stream="events")
    put(connection, reconciliations, state="running")
    put(connection, differences, reconciliation_id=1, kind="amount")
    put(connection, approvals, case_id=1, amount_minor=1, actor="ada", state="waiting")
    put(connection, ledger_owner, id=1, merchant="")
    put(connection, payload_marks, id=1, row_id=1)
    put(connection, operators, name="ada", role="admin")
    for table in (passkeys, recovery_codes, invitations, operator_sessions):
        put(connection, table, operator_id=1)
    put(connection, sign_in_challenges, digest="one", purpose="sign_in")
