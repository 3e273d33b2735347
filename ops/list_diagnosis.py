"""What `redress doctor` says about the reading of Stripe's lists: whether it keeps up."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from ledger.backfill_cursors import every_cursor
from ledger.backfill_tables import BackfillStream
from ops.diagnosis import Diagnosis, Level
from ops.moments import duration_text

_SUBJECT: Final = "Stripe's lists"
#: Each is read every few minutes; an hour behind, nobody reads or Stripe does not answer.
_BEHIND_MS: Final = 3_600_000


def diagnose_lists(connection: Connection, now_ms: int) -> Iterator[Diagnosis]:
    """One finding: the list that is furthest behind, and why if that is known."""
    cursors = [
        one for one in every_cursor(connection) if one.stream is not BackfillStream.UNDELIVERED
    ]
    if not cursors:
        yield Diagnosis(
            subject=_SUBJECT,
            level=Level.OK,
            found="not read yet: the sweeper begins with its next pulse",
        )
        return
    last = min(cursors, key=lambda one: one.seen_until)
    behind_ms = now_ms - last.seen_until * 1000
    late = behind_ms > _BEHIND_MS
    why = f" ({last.note})" if last.note else ""
    yield Diagnosis(
        subject=_SUBJECT,
        level=Level.WARN if late else Level.OK,
        found=f"read up to {duration_text(behind_ms)} ago{why}",
        mend="look at `redress events backfill`; is `redress effects` running?" if late else "",
    )
