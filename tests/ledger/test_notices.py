"""Notices: one row per thing that is told, sent by one worker at a time, honest about what may have left."""

from contextlib import suppress

import pytest

from ledger.audit_log import entries_about
from ledger.notice_queries import (
    NoticeFilter,
    RetryRefused,
    list_notices,
    notice_reference,
    retry_notice,
)
from ledger.notice_tables import NoticeChannel
from ledger.notices import (
    GIVEN_UP,
    NewNotice,
    due_notices,
    give_up_exhausted_notice,
    lease_notice,
    move_notice,
    notice_by_id,
    put_off_channel,
    write_notice,
)
from ledger.replaying import ReplayAuthor
from ledger.states import NOTICE_MOVES, MoveRefused, NoticeState, require_notice_move
from runtime.limits import EMAIL_ADDRESS_CHARS_MAX, EVENT_ATTEMPTS_MAX, NOTICE_CONTENT_CHARS_MAX
from tests.fakes.at_once import at_once
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.notice_rows import ADDRESS, email, webhook

UNTIL_MS = NOON_MS + 60_000
ERIKA = ReplayAuthor(actor="erika", reason="the relay is back", origin="cli")


@pytest.fixture
def connection(store):
    with store.write() as opened:
        yield opened


def write(connection, notice=None, now_ms=NOON_MS):
    return write_notice(connection, notice or email(), now_ms)


def lease(connection, row_id, now_ms=NOON_MS, until_ms=UNTIL_MS):
    return lease_notice(connection, row_id, now_ms, until_ms)


def put_in_state(connection, state, notice=None):
    """A notice that went to this state by permitted moves."""
    row_id = write(connection, notice)
    seen = lease(connection, row_id)
    open_values = {"next_attempt_ms": NOON_MS, "lease_until_ms": UNTIL_MS}
    if state is not NoticeState.WAITING:
        values = {"sent_ms": NOON_MS} | (open_values if state is NoticeState.SENDING else {})
        assert move_notice(connection, seen, state, values, NOON_MS)
    return notice_by_id(connection, row_id)


def test_written_once(connection):
    """What was written down under a key is not written again, whatever it says, and its row stays."""
    row_id = write(connection)

    assert write(connection, email(subject_id="18"), NOON_MS + 9) is None
    written = notice_by_id(connection, row_id)
    assert ("17", NoticeState.WAITING, 0, 0, NOON_MS) == (
        written.subject_id,
        written.state,
        written.attempts,
        written.doubtful_sends,
        written.created_ms,
    )
    assert [row_id] == due_notices(connection, NOON_MS, 10)


def test_content_is_canonical(connection):
    """The facts are kept as one form of JSON, whatever order they came in."""
    one = notice_by_id(connection, write(connection, webhook("one", b=1, a="ü")))
    other = notice_by_id(connection, write(connection, webhook("other", a="ü", b=1)))

    assert '{"a":"ü","b":1}' == one.content == other.content


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"key": ""}, "needs a key", id="no key"),
        pytest.param({"event": ""}, "needs a key", id="no event"),
        pytest.param({"subject_id": ""}, "needs a key", id="about nothing"),
        pytest.param({"recipient": None}, "needs a recipient", id="e-mail to nobody"),
        pytest.param(
            {"channel": NoticeChannel.WEBHOOK}, "webhook has none", id="webhook to somebody"
        ),
        pytest.param(
            {"content": {"text": "x" * NOTICE_CONTENT_CHARS_MAX}}, "at most", id="too much to tell"
        ),
    ],
)
def test_malformed(changes, why):
    """A notice that could not be sent is refused where it is made."""
    fields = {
        "key": "k",
        "channel": NoticeChannel.EMAIL,
        "event": "refund.decided",
        "subject_id": "17",
        "recipient": ADDRESS,
        "content": {},
    }

    with pytest.raises(ValueError, match=why):
        NewNotice(**fields | changes)


@pytest.mark.parametrize(
    "recipient",
    [
        "jane",
        "@example.org",
        "jane@",
        "jane@example.org\r\nBcc: other@example.org",
        "jane@example.org\n",
        "jane@example.org, other@example.org",
        "Jane <jane@example.org>",
        "jane doe@example.org",
        "jane@exa\x00mple.org",
        "jane\u2028@example.org",
        "jane\u202e@example.org",
        '"jane"@example.org',
        "jane@a@example.org",
        "j" * (EMAIL_ADDRESS_CHARS_MAX - 11) + "@example.org",
    ],
)
def test_no_address(recipient):
    """Whatever is not one plain address is refused, and not repeated in the error (I11)."""
    with pytest.raises(ValueError, match="no plain e-mail address") as refusal:
        email(recipient=recipient)

    assert "example" not in str(refusal.value)


def test_longest_address():
    """An address of the greatest length is one; so is one beyond ASCII."""
    longest = "j" * (EMAIL_ADDRESS_CHARS_MAX - 12) + "@example.org"

    assert longest == email(recipient=longest).recipient
    assert "jörg@bücher.example" == email(recipient="jörg@bücher.example").recipient


def test_records_hide_the_address(connection):
    """Neither record shows the address or the facts in its repr, which errors and logs may print (I11)."""
    new = email()
    row_id = write(connection, new)

    for shown in (repr(new), repr(notice_by_id(connection, row_id))):
        assert ADDRESS not in shown
        assert "1234" not in shown


def test_lease(connection):
    """A notice under a lease is nobody else's until the lease ends; each lease counts a try."""
    row_id = write(connection)

    assert lease(connection, row_id, NOON_MS - 1) is None
    assert (1, 1) == ((one := lease(connection, row_id)).attempts, one.fence)
    assert [] == due_notices(connection, UNTIL_MS - 1, 10)
    assert lease(connection, row_id, UNTIL_MS - 1) is None
    assert [row_id] == due_notices(connection, UNTIL_MS, 10)
    assert (2, 2) == ((two := lease(connection, row_id, UNTIL_MS)).attempts, two.fence)
    assert lease(connection, row_id + 1) is None


def test_due_order(connection):
    """The longest due comes first, as many as asked for."""
    late = write(connection, email("late"), NOON_MS + 1)
    early = write(connection, email("early"), NOON_MS)

    assert [early] == due_notices(connection, NOON_MS, 10)
    assert [early, late] == due_notices(connection, NOON_MS + 1, 10)
    assert [early] == due_notices(connection, NOON_MS + 1, 1)


@pytest.mark.parametrize("state", [NoticeState.SENT, NoticeState.FAILED])
def test_ended(connection, state):
    """What was sent or given up is due no more."""
    notice = put_in_state(connection, state)

    assert [] == due_notices(connection, UNTIL_MS, 10)
    assert lease(connection, notice.row_id, UNTIL_MS) is None


def test_lost_sender(connection):
    """A notice whose sender died while sending comes back as SENDING, so that the doubt is seen."""
    row_id = put_in_state(connection, NoticeState.SENDING).row_id

    assert lease(connection, row_id, UNTIL_MS - 1) is None
    assert NoticeState.SENDING is lease(connection, row_id, UNTIL_MS).state


@pytest.mark.parametrize("before", list(NoticeState))
def test_moves(connection, before):
    """A notice goes from one state to another exactly when the table of moves permits it."""
    notice = put_in_state(connection, before)
    permitted = set()
    for after in set(NoticeState) - {before}:
        is_open = after in (NoticeState.WAITING, NoticeState.SENDING)
        values = {
            "sent_ms": NOON_MS,
            "next_attempt_ms": NOON_MS if is_open else None,
            "lease_until_ms": UNTIL_MS if is_open else None,
        }
        with suppress(MoveRefused), connection.begin_nested() as tried:
            assert move_notice(connection, notice, after, values, NOON_MS)
            assert after is notice_by_id(connection, notice.row_id).state
            permitted.add(after)
            tried.rollback()

    assert NOTICE_MOVES[before] == permitted


def test_refused_move_says_why():
    """A move that the table does not permit is refused with both states in the sentence."""
    with pytest.raises(MoveRefused, match="cannot go from sent to failed"):
        require_notice_move(NoticeState.SENT, NoticeState.FAILED)


def test_fence(connection):
    """A sender whose lease ended cannot move the notice once another one holds it."""
    row_id = write(connection)
    stale = lease(connection, row_id)
    holder = lease(connection, row_id, UNTIL_MS)

    assert not move_notice(connection, stale, NoticeState.SENT, {"sent_ms": NOON_MS}, NOON_MS)
    assert move_notice(connection, holder, NoticeState.SENT, {"sent_ms": UNTIL_MS}, UNTIL_MS)
    assert UNTIL_MS == notice_by_id(connection, row_id).sent_ms


def test_last_try(connection):
    """After as many tries as anything gets, a due notice is given up and not leased again (I13)."""
    row_id = write(connection)
    now_ms = NOON_MS
    for _ in range(EVENT_ATTEMPTS_MAX):
        assert not give_up_exhausted_notice(connection, row_id, now_ms)
        assert lease(connection, row_id, now_ms, now_ms + 1) is not None
        now_ms += 1

    assert lease(connection, row_id, now_ms, now_ms + 1) is None
    assert give_up_exhausted_notice(connection, row_id, now_ms)
    ended = notice_by_id(connection, row_id)
    assert (NoticeState.FAILED, GIVEN_UP, 0) == (ended.state, ended.note, ended.doubtful_sends)


def test_last_try_of_a_lost_sender(connection):
    """One that is given up while its last answer is unknown says that it may have arrived."""
    row_id = write(connection)
    for number in range(EVENT_ATTEMPTS_MAX):
        last = lease(connection, row_id, NOON_MS + number, NOON_MS + number + 1)
    kept = {"next_attempt_ms": NOON_MS, "lease_until_ms": UNTIL_MS}
    move_notice(connection, last, NoticeState.SENDING, kept, NOON_MS)

    assert give_up_exhausted_notice(connection, row_id, UNTIL_MS)
    assert 1 == notice_by_id(connection, row_id).doubtful_sends


def test_channel_is_left_alone(connection):
    """When one side cannot be reached, what waits for it waits longer; leases and others do not."""
    leased = write(connection, email("leased"))
    lease(connection, leased)
    waits = write(connection, email("waits"))
    later = write(connection, email("later"), UNTIL_MS + 1)
    other = write(connection, webhook())

    assert 1 == put_off_channel(connection, NoticeChannel.EMAIL, UNTIL_MS)
    assert [other] == due_notices(connection, UNTIL_MS - 1, 10)
    assert {leased, waits, other} == set(due_notices(connection, UNTIL_MS, 10))
    assert UNTIL_MS + 1 == notice_by_id(connection, later).next_attempt_ms


def test_at_once(store, databases, database_url):
    """Sixteen workers that write and lease one notice at once make one row and one sender."""

    def write_and_lease(own_store):
        with own_store.write() as connection:
            write(connection)
            (notice,) = list_notices(connection, NoticeFilter(), 10)
        with own_store.write() as connection:
            return lease(connection, notice.row_id)

    leased = at_once(write_and_lease, [store, databases.store(database_url)] * 8)

    assert [1] == [one.attempts for one in leased if one]


def test_list(connection):
    """The newest come first, as many as asked for, older than a row, and only what fits every filter."""
    first = write(connection, email("1", subject_id="cus_1"))
    second = write(
        connection, webhook("2", event="account.suspended", subject_id="cus_1"), UNTIL_MS
    )
    third = write(connection, email("3"), UNTIL_MS)

    def ids(count_max=10, before_row=None, **wanted):
        found = list_notices(connection, NoticeFilter(**wanted), count_max, before_row)
        return [notice.row_id for notice in found]

    assert [third, second, first] == ids()
    assert [third, second] == ids(2)
    assert [first] == ids(before_row=second)
    assert [second] == ids(channel=NoticeChannel.WEBHOOK)
    assert [second] == ids(event="account.suspended")
    assert [second, first] == ids(subject_id="cus_1")
    assert [third, second] == ids(since_ms=UNTIL_MS)
    assert [first] == ids(subject_id="cus_1", channel=NoticeChannel.EMAIL)
    lease(connection, first)
    move_notice(connection, notice_by_id(connection, first), NoticeState.FAILED, {}, NOON_MS)
    assert [first] == ids(states=(NoticeState.FAILED, NoticeState.SENT))


@pytest.mark.parametrize(
    ("state", "notice"),
    [
        pytest.param(NoticeState.FAILED, email(), id="failed e-mail"),
        pytest.param(NoticeState.FAILED, webhook(), id="failed webhook"),
        pytest.param(NoticeState.SENT, webhook(), id="webhook that was sent"),
    ],
)
def test_retry(connection, state, notice):
    """An operator's retry makes a notice due with all its tries before it, and is audited with why."""
    row_id = put_in_state(connection, state, notice).row_id

    retry_notice(connection, row_id, ERIKA, UNTIL_MS)

    again = lease(connection, row_id, UNTIL_MS, UNTIL_MS + 1)
    assert (NoticeState.WAITING, 1, None) == (again.state, again.attempts, again.note)
    (entry,) = entries_about(connection, notice_reference(row_id))
    assert ("notice.retry", "erika", "the relay is back", "cli", UNTIL_MS) == (
        entry.action,
        entry.actor,
        entry.detail,
        entry.origin,
        entry.at_ms,
    )


def test_retry_of_one_that_waits(connection):
    """A notice that waits for its next try is due at once."""
    row_id = write(connection, now_ms=UNTIL_MS)

    retry_notice(connection, row_id, ERIKA, NOON_MS)

    assert [row_id] == due_notices(connection, NOON_MS, 10)


@pytest.mark.parametrize("state", [NoticeState.SENT, NoticeState.SENDING, NoticeState.WAITING])
def test_retry_refused(connection, state):
    """An e-mail that was taken, and a notice that somebody sends now, is not put back; nothing is audited."""
    row_id = put_in_state(connection, state).row_id

    with pytest.raises(RetryRefused, match=f"Notice {row_id} (was sent|is being sent now)"):
        retry_notice(connection, row_id, ERIKA, NOON_MS)

    assert [] == entries_about(connection, notice_reference(row_id))


def test_retry_of_none(connection):
    """A number that no notice has is told."""
    with pytest.raises(RetryRefused, match="There is no notice 99"):
        retry_notice(connection, 99, ERIKA, NOON_MS)


def test_retry_keeps_the_doubt(connection):
    """What may have gone out before is not forgotten when an operator sends it again."""
    seen = put_in_state(connection, NoticeState.SENDING)
    move_notice(connection, seen, NoticeState.FAILED, {"doubtful_sends": 2}, NOON_MS)

    retry_notice(connection, seen.row_id, ERIKA, NOON_MS)

    assert 2 == notice_by_id(connection, seen.row_id).doubtful_sends
