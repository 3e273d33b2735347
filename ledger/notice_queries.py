"""What operators ask about notices, and the one thing they order: that one is sent again."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from ledger.audit_log import record
from ledger.notice_tables import NoticeChannel, notices
from ledger.notices import Notice, move_notice, notice_by_id, notice_of_row
from ledger.replaying import ReplayAuthor
from ledger.states import NoticeState


class RetryRefused(Exception):
    """The notice is not to be sent again; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFilter:
    """Which notices are meant: all conditions that are given hold. Times are unix ms."""

    states: tuple[NoticeState, ...] = ()
    channel: NoticeChannel | None = None
    event: str | None = None
    subject_id: str | None = None
    since_ms: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions as SQL, to be joined by AND."""
        found: list[ColumnElement[bool]] = []
        if self.states:
            found.append(notices.c.state.in_([state.value for state in self.states]))
        if self.channel is not None:
            found.append(notices.c.channel == self.channel.value)
        if self.event is not None:
            found.append(notices.c.event == self.event)
        if self.subject_id is not None:
            found.append(notices.c.subject_id == self.subject_id)
        if self.since_ms is not None:
            found.append(notices.c.created_ms >= self.since_ms)
        return found


def list_notices(
    connection: Connection, wanted: NoticeFilter, count_max: int, before_row: int | None = None
) -> list[Notice]:
    """The newest notices that are meant, newest first; older than `before_row`."""
    query = select(notices).where(*wanted.conditions())
    if before_row is not None:
        query = query.where(notices.c.id < before_row)
    found = connection.execute(query.order_by(notices.c.id.desc()).limit(count_max)).all()
    return [notice_of_row(row) for row in found]


def notice_reference(row_id: int) -> str:
    """How the audit log names a notice."""
    return f"notice:{row_id}"


def retry_notice(connection: Connection, row_id: int, author: ReplayAuthor, now_ms: int) -> Notice:
    """Have a notice sent now, with all its tries before it, audited in the same transaction.

    Raises RetryRefused when there is none, when it is under way, or when it is an e-mail that the mail
    server took: the customer has it. A webhook that was sent can be sent again; its id stays the same, so
    a receiver that has it drops it.
    """
    notice = notice_by_id(connection, row_id, lock=True)
    if notice is None:
        raise RetryRefused(f"There is no notice {row_id}; `redress notices list` has all.")
    _require_retry(notice, now_ms)
    values = {"next_attempt_ms": now_ms, "attempts": 0, "note": None}
    move_notice(connection, notice, NoticeState.WAITING, values, now_ms)
    record(
        connection,
        at_ms=now_ms,
        actor=author.actor,
        action="notice.retry",
        object_id=notice_reference(row_id),
        result="done",
        origin=author.origin,
        detail=author.reason,
    )
    return notice


def _require_retry(notice: Notice, now_ms: int) -> None:
    if notice.state is NoticeState.SENT and notice.channel is NoticeChannel.EMAIL:
        raise RetryRefused(f"Notice {notice.row_id} was sent: the mail server took the e-mail.")
    leased = notice.lease_until_ms is not None and notice.lease_until_ms > now_ms
    if leased or notice.state is NoticeState.SENDING:
        raise RetryRefused(f"Notice {notice.row_id} is being sent now; look again in a minute.")
