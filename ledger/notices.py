"""Notices: e-mails to customers and webhooks to the product, each committed before it is sent.

A notice's key says what it tells, so that the same thing is never written down twice. Whoever sends
one holds it under a lease with a fence. A row that is SENDING when its lease ends has lost its answer,
and `doubtful_sends` counts that: the row says itself what may have gone out twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    bindparam,
    case,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from ledger.notice_tables import NoticeChannel, notices
from ledger.rows import AnyRow
from ledger.states import NoticeState, require_notice_move
from policy.canonical_json import Json, dump_canonical
from runtime.email_addresses import is_address
from runtime.limits import EVENT_ATTEMPTS_MAX, NOTICE_CONTENT_CHARS_MAX

#: A notice that tells of a refund's decision; `decision_key` names each.
REFUND_DECIDED = "refund.decided"
GIVEN_UP = "tried as often as anything is, and never taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """What is to be told. Raises ValueError at birth, without repeating the address.

    `key` is unique for ever; `event` is its name for machines (`refund.decided`); `subject_id` the case,
    charge or customer that it is about; `content` the facts. An e-mail has a recipient, a webhook none.
    """

    key: str
    channel: NoticeChannel
    event: str
    subject_id: str
    content: Mapping[str, Json] = field(repr=False)
    recipient: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what could not be sent."""
        if not (self.key and self.event and self.subject_id):
            raise ValueError("a notice needs a key, an event and a subject")
        if (self.channel is NoticeChannel.EMAIL) != (self.recipient is not None):
            raise ValueError("an e-mail needs a recipient, and a webhook has none")
        if self.recipient is not None and not is_address(self.recipient):
            raise ValueError("the recipient is no plain e-mail address")
        if len(dump_canonical(self.content)) > NOTICE_CONTENT_CHARS_MAX:
            raise ValueError(f"a notice's content has at most {NOTICE_CONTENT_CHARS_MAX} chars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice as it stands; its personal data stay out of its repr. Times are unix ms."""

    row_id: int
    key: str
    channel: NoticeChannel
    event: str
    recipient: str | None = field(repr=False)
    subject_id: str
    content: str = field(repr=False)  # canonical JSON
    state: NoticeState
    note: str | None
    attempts: int
    doubtful_sends: int  # how often it left and no answer came back
    fence: int
    lease_until_ms: int | None
    next_attempt_ms: int | None
    sent_ms: int | None
    created_ms: int
    changed_ms: int


def decision_key(decision_id: int, channel: NoticeChannel) -> str:
    """The key of the notice that tells of a decision by this channel."""
    return f"{REFUND_DECIDED}:{decision_id}:{channel.value}"


def write_notice(connection: Connection, notice: NewNotice, now_ms: int) -> int | None:
    """Write a notice down, due now; returns its row id. None when its key is there already."""
    values = {
        "key": notice.key,
        "channel": notice.channel.value,
        "event": notice.event,
        "recipient": notice.recipient,
        "subject_id": notice.subject_id,
        "content": dump_canonical(notice.content),
        "state": NoticeState.WAITING.value,
        "next_attempt_ms": now_ms,
        "created_ms": now_ms,
        "changed_ms": now_ms,
    }
    written: int | None = connection.execute(_WRITE[connection.dialect.name], values).scalar()
    return written


def due_notices(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The row ids of the notices to be sent now that nobody is on, longest due first."""
    return list(connection.execute(_RING_FOR, {"now": now_ms, "most": count_max}).scalars())


def lease_notice(connection: Connection, row_id: int, now_ms: int, until_ms: int) -> Notice | None:
    """Take one due notice for an attempt, under a lease; None when it is not due or somebody else's.

    One that comes back as SENDING was handed over before by somebody who did not live to hear the answer.
    """
    parameters = {"row": row_id, "now": now_ms, "until": until_ms}
    done = connection.execute(_LEASE, parameters).first()
    return None if done is None else notice_of_row(done)


def give_up_exhausted_notice(connection: Connection, row_id: int, now_ms: int) -> bool:
    """End a due notice that was tried as often as anything is; whether there was one."""
    parameters = {"row": row_id, "now": now_ms, "words": GIVEN_UP}
    return connection.execute(_GIVE_UP, parameters).rowcount == 1


def move_notice(
    connection: Connection,
    notice: Notice,
    state: NoticeState,
    values: Mapping[str, object],
    now_ms: int,
) -> bool:
    """Move a notice if it still stands where `notice` saw it (state and fence); False if not.

    The lease ends with the move unless `values` say otherwise.
    """
    if state is not notice.state:
        require_notice_move(notice.state, state)
    done = connection.execute(
        _MOVE,
        {
            "changed_ms": now_ms,
            "lease_until_ms": None,
            "next_attempt_ms": None,
            **values,
            "state": state.value,
            "row": notice.row_id,
            "seen_fence": notice.fence,
            "seen_state": notice.state.value,
        },
    )
    return done.rowcount == 1


def put_off_channel(connection: Connection, channel: NoticeChannel, until_ms: int) -> int:
    """Have nothing of a channel tried before `until_ms`, because its other side cannot be reached.

    What is under a lease goes on. Returns how many notices wait for longer now.
    """
    parameters = {"of_channel": channel.value, "until": until_ms}
    return connection.execute(_PUT_OFF_CHANNEL, parameters).rowcount


def notice_by_id(connection: Connection, row_id: int, *, lock: bool = False) -> Notice | None:
    """One notice, its row locked for this transaction if asked; None when there is none."""
    row = connection.execute(_BY_ID_LOCKED if lock else _BY_ID, {"row": row_id}).first()
    return None if row is None else notice_of_row(row)


def notice_of_row(row: AnyRow) -> Notice:
    """The record of a row with all columns of the table."""
    return Notice(
        row_id=row.id,
        key=row.key,
        channel=NoticeChannel(row.channel),
        event=row.event,
        recipient=row.recipient,
        subject_id=row.subject_id,
        content=row.content,
        state=NoticeState(row.state),
        note=row.note,
        attempts=row.attempts,
        doubtful_sends=row.doubtful_sends,
        fence=row.fence,
        lease_until_ms=row.lease_until_ms,
        next_attempt_ms=row.next_attempt_ms,
        sent_ms=row.sent_ms,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
    )


# Statements are built once: building one costs as much as running it.
def _writing(insert: sqlite.Insert | postgresql.Insert) -> ReturningInsert[Any]:
    return insert.on_conflict_do_nothing(index_elements=["key"]).returning(notices.c.id)


_WRITE = {
    "sqlite": _writing(sqlite.insert(notices)),
    "postgresql": _writing(postgresql.insert(notices)),
}
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_DUE = (
    notices.c.state.in_([NoticeState.WAITING.value, NoticeState.SENDING.value]),
    notices.c.next_attempt_ms <= _NOW,
    or_(notices.c.lease_until_ms.is_(None), notices.c.lease_until_ms <= _NOW),
)
_RING_FOR = (
    select(notices.c.id)
    .where(*_DUE)
    .order_by(notices.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_DUE_ROW = update(notices).where(notices.c.id == bindparam("row"), *_DUE)
_LEASE = (
    _DUE_ROW.where(notices.c.attempts < EVENT_ATTEMPTS_MAX)
    .values(
        attempts=notices.c.attempts + 1,
        fence=notices.c.fence + 1,
        lease_until_ms=bindparam("until", type_=BigInteger),
        changed_ms=_NOW,
    )
    .returning(notices)
)
_GIVE_UP = _DUE_ROW.where(notices.c.attempts >= EVENT_ATTEMPTS_MAX).values(
    state=NoticeState.FAILED.value,
    note=bindparam("words"),
    doubtful_sends=notices.c.doubtful_sends
    + case((notices.c.state == NoticeState.SENDING.value, 1), else_=0),
    lease_until_ms=None,
    next_attempt_ms=None,
    changed_ms=_NOW,
)
_MOVE = update(notices).where(
    notices.c.id == bindparam("row"),
    notices.c.fence == bindparam("seen_fence"),
    notices.c.state == bindparam("seen_state"),
)
_UNTIL: BindParameter[int] = bindparam("until", type_=BigInteger)
_PUT_OFF_CHANNEL = (
    update(notices)
    .where(
        notices.c.state == NoticeState.WAITING.value,
        notices.c.next_attempt_ms < _UNTIL,
        notices.c.channel == bindparam("of_channel"),
        notices.c.lease_until_ms.is_(None),
    )
    .values(next_attempt_ms=_UNTIL)
)
_BY_ID = select(notices).where(notices.c.id == bindparam("row"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
