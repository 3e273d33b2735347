"""Bodies of events that are old enough are erased; the rows, their hashes and every decision stay.

An erased body cannot be replayed; that it was there, and which it was, can still be proved by its hash.
"""

from sqlalchemy import Connection, insert, select, update

from ledger.erasure_tables import payload_marks
from ledger.states import EventState
from ledger.tables import events

_OPEN = (EventState.NEW.value, EventState.CLAIMED.value)
ERASED = b""


def old_payloads(connection: Connection, before_ms: int, count_max: int) -> list[int]:
    """The next rows, oldest first, whose bodies are to be erased: received before that, and settled.

    The first one that is not settled ends them: it is looked at again.
    """
    after = connection.execute(select(payload_marks.c.row_id)).scalar() or 0
    rows = connection.execute(
        select(events.c.id, events.c.state, events.c.received_ms)
        .where(events.c.id > after)
        .order_by(events.c.id)
        .limit(count_max)
    )
    found: list[int] = []
    for row in rows:
        if row.received_ms >= before_ms or row.state in _OPEN:
            break
        found.append(row.id)
    return found


def erase_payloads(connection: Connection, row_ids: list[int]) -> None:
    """Erase the bodies of these rows, which `old_payloads` named, and note up to where that is done."""
    connection.execute(update(events).where(events.c.id.in_(row_ids)).values(payload=ERASED))
    mark = {"row_id": row_ids[-1]}
    if not connection.execute(update(payload_marks).values(mark)).rowcount:
        connection.execute(insert(payload_marks).values(id=1, **mark))
