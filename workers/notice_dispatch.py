"""Sends one notice: lease → carry → record.

The row is committed before anything leaves, and SENDING is committed just before the byte after which it
may arrive. Wherever the process dies, the row says what is known: WAITING means that nothing left;
SENDING that it may have. A webhook is then simply sent again, because receivers drop what they have; an
e-mail goes out once more and no further, and `doubtful_sends` says so.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace

from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.notice_tables import NoticeChannel
from ledger.notices import (
    GIVEN_UP,
    Notice,
    give_up_exhausted_notice,
    lease_notice,
    move_notice,
    put_off_channel,
)
from ledger.states import NoticeState
from runtime.limits import (
    DOUBTFUL_SENDS_MAX,
    NOTICE_LEASE_MS,
    NOTICE_PAUSE_MS,
    WEBHOOK_DECLINES_MAX,
)
from runtime.probes import probe
from workers import crash_points
from workers.carrier_choice import carriers_from
from workers.carrier_errors import AnswerLost, CarrierError, Declined, Refused, Unreachable
from workers.context import WorkerContext
from workers.notice_carriers import Carrier
from workers.retries import Trouble, exhausted, next_try_ms

_log = logging.getLogger(__name__)

LOST_TOO_OFTEN = (
    "it left and no answer came, twice: the mail server's log knows whether the customer has it"
)
SENDER_DIED = "its sender died before it heard the answer"


def send_notice(context: WorkerContext, row_id: int) -> None:
    """Try to send one notice, if it is due and nobody else is on it."""
    notice = _take(context, row_id)
    if notice is None:
        return
    context.crash.reach(crash_points.NOTICE_LEASED)
    attempt = _Attempt(context, notice)
    try:
        answer = _carrier(context, notice.channel).carry(notice, attempt.leaving)
    except _Overtaken:
        return
    except CarrierError as error:
        attempt.failed(error)
    except (DBAPIError, BaseTimeoutException):
        raise  # the lease runs out, and what the row says then holds
    except Exception as error:  # noqa: BLE001 - a defect must not ring for ever
        # By its class alone: a library's words may hold an address.
        _log.warning("a notice failed: %s", type(error).__name__, extra={"row_id": row_id})
        attempt.broke(error)
    else:
        context.crash.reach(crash_points.NOTICE_CARRIED)
        attempt.taken(answer)
    context.crash.reach(crash_points.NOTICE_RECORDED)


def _take(context: WorkerContext, row_id: int) -> Notice | None:
    """The notice under a lease; None when it is not to be sent now."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        notice = lease_notice(connection, row_id, now_ms, now_ms + NOTICE_LEASE_MS)
        if notice is None:
            probe("notice.not_due")
            # Or whoever tried for the last time died before it could note that.
            give_up_exhausted_notice(connection, row_id, now_ms)
            return None
        if notice.state is NoticeState.SENDING:
            return _after_a_lost_sender(connection, notice, now_ms)
        return notice


def _after_a_lost_sender(connection: Connection, notice: Notice, now_ms: int) -> Notice | None:
    """Count the doubt; the notice to be sent once more, or None when that was done before."""
    probe("notice.lost_sender")
    doubtful_sends = notice.doubtful_sends + 1
    if _lost_too_often(notice, doubtful_sends):
        ended = {"note": LOST_TOO_OFTEN, "doubtful_sends": doubtful_sends}
        move_notice(connection, notice, NoticeState.FAILED, ended, now_ms)
        return None
    kept = {
        "note": SENDER_DIED,
        "doubtful_sends": doubtful_sends,
        "lease_until_ms": notice.lease_until_ms,
        "next_attempt_ms": now_ms,
    }
    move_notice(connection, notice, NoticeState.WAITING, kept, now_ms)
    return replace(notice, state=NoticeState.WAITING, doubtful_sends=doubtful_sends)


def _lost_too_often(notice: Notice, doubtful_sends: int) -> bool:
    return notice.channel is NoticeChannel.EMAIL and doubtful_sends >= DOUBTFUL_SENDS_MAX


def _carrier(context: WorkerContext, channel: NoticeChannel) -> Carrier:
    carriers = context.carriers or carriers_from(context.settings, context.clock)
    return carriers.email if channel is NoticeChannel.EMAIL else carriers.webhook


class _Overtaken(Exception):
    """The sender outlived its lease, and somebody else has the notice now."""


class _Attempt:
    """One try of one notice, which it moves; a move that comes too late changes nothing."""

    def __init__(self, context: WorkerContext, notice: Notice) -> None:
        self._context = context
        self._notice = notice

    def leaving(self) -> None:
        """Commit that it may arrive from now on. Raises _Overtaken when it is somebody else's by now."""
        now_ms = self._context.clock.now_ms()
        kept = {
            "lease_until_ms": self._notice.lease_until_ms,
            "next_attempt_ms": self._notice.next_attempt_ms,
        }
        if now_ms > (self._notice.lease_until_ms or 0) or not self._move(
            NoticeState.SENDING, kept, now_ms
        ):
            raise _Overtaken
        self._notice = replace(self._notice, state=NoticeState.SENDING)
        self._context.crash.reach(crash_points.NOTICE_LEAVING)

    def taken(self, answer: str) -> None:
        """The other side has it."""
        now_ms = self._context.clock.now_ms()
        self._move(NoticeState.SENT, {"note": answer, "sent_ms": now_ms}, now_ms)

    def failed(self, error: CarrierError) -> None:
        """Try again later, or leave it to a person."""
        note = str(error)
        if isinstance(error, AnswerLost):
            self._doubtful(note)
        elif isinstance(error, Refused) or self._declined_for_good(error):
            self._give_up(note)
        else:
            self._try_later(note, pause=isinstance(error, Unreachable))

    def broke(self, error: Exception) -> None:
        """A defect of ours; what it was doing decides whether anything may have left."""
        note = f"failed on a defect: {type(error).__name__}"
        if self._notice.state is NoticeState.SENDING:
            self._doubtful(note)
        else:
            self._try_later(note)

    def _declined_for_good(self, error: CarrierError) -> bool:
        return isinstance(error, Declined) and self._notice.attempts >= WEBHOOK_DECLINES_MAX

    def _doubtful(self, note: str) -> None:
        doubtful_sends = self._notice.doubtful_sends + 1
        counted: Mapping[str, object] = {"doubtful_sends": doubtful_sends}
        if _lost_too_often(self._notice, doubtful_sends):
            probe("notice.lost_too_often")
            self._give_up(LOST_TOO_OFTEN, counted)
        else:
            self._try_later(note, counted)

    def _try_later(
        self, note: str, values: Mapping[str, object] | None = None, *, pause: bool = False
    ) -> None:
        notice, now_ms = self._notice, self._context.clock.now_ms()
        if exhausted(notice.attempts):
            self._give_up(f"{GIVEN_UP}; at last: {note}", values)
            return
        due_ms = next_try_ms(Trouble.UNDELIVERED, str(notice.row_id), notice.attempts, now_ms)
        later = {"note": note, "next_attempt_ms": due_ms, **(values or {})}
        self._move(NoticeState.WAITING, later, now_ms)
        if pause:
            # In a transaction of its own: it touches many rows, and which ones matters little.
            with self._context.store.write() as connection:
                put_off_channel(connection, notice.channel, now_ms + NOTICE_PAUSE_MS)

    def _give_up(self, note: str, values: Mapping[str, object] | None = None) -> None:
        now_ms = self._context.clock.now_ms()
        self._move(NoticeState.FAILED, {"note": note, **(values or {})}, now_ms)

    def _move(self, state: NoticeState, values: Mapping[str, object], now_ms: int) -> bool:
        with self._context.store.write() as connection:
            return move_notice(connection, self._notice, state, values, now_ms)
