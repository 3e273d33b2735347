"""What an operator did on the command line, as an entry of the audit log."""

from sqlalchemy import Connection

from ledger.audit_log import record
from ops.operator_context import ORIGIN, current_actor


def audit_act(
    connection: Connection,
    action: str,
    object_id: str,
    *,
    now_ms: int,
    detail: str | None = None,
    result: str = "done",
) -> int:
    """Append one entry, by the operating system's user, in the transaction of the act; returns its id."""
    return record(
        connection,
        at_ms=now_ms,
        actor=current_actor(),
        action=action,
        object_id=object_id,
        result=result,
        origin=ORIGIN,
        detail=detail,
    )
