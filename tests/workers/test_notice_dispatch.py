"""Sending notices: at least once, once more than once only where an answer was lost, and the row says so."""

import json
import logging

import pytest
from rq.timeouts import JobTimeoutException
from sqlalchemy import update

from ledger.notice_tables import notices
from ledger.notices import GIVEN_UP, lease_notice
from ledger.states import NoticeState
from runtime.limits import (
    EVENT_ATTEMPTS_MAX,
    NOTICE_LEASE_MS,
    NOTICE_PAUSE_MS,
    WEBHOOK_DECLINES_MAX,
)
from runtime.queues import SEND_NOTICE_JOB
from tests.fakes.notice_rows import ADDRESS, email, put_notice, stored, webhook
from tests.fakes.scripted_carrier import ScriptedCarrier, scripted
from tests.fakes.scripted_mail_server import TAKEN_AND_CUT, ScriptedMailServer
from tests.fakes.worker_world import CrashAt, worker_settings
from workers.carrier_choice import carriers_from
from workers.carrier_errors import AnswerLost, Declined, Deferred, Refused, Unreachable
from workers.crash_points import (
    NOTICE_CARRIED,
    NOTICE_LEASED,
    NOTICE_LEAVING,
    NOTICE_POINTS,
    NOTICE_RECORDED,
)
from workers.notice_dispatch import LOST_TOO_OFTEN, SENDER_DIED, send_notice

LEASE_SECONDS = NOTICE_LEASE_MS / 1000
DAY_SECONDS = 24 * 3600


@pytest.fixture
def told(world):
    """A world in which one e-mail waits to be sent; `told(carrier)` says who takes it."""
    row_id = put_notice(world.store, email())

    def with_carrier(*script):
        carrier = ScriptedCarrier(*script)
        world.carriers = scripted(email=carrier)
        world.restart()
        return carrier

    with_carrier.row_id = row_id
    return with_carrier


def webhook_world(world, *script):
    """One webhook that waits, and who takes it."""
    carrier = ScriptedCarrier(*script)
    world.carriers = scripted(webhook=carrier)
    world.restart()
    return put_notice(world.store, webhook()), carrier


def send(world, row_id):
    """Try once, now; the row afterwards."""
    send_notice(world.context, row_id)
    return stored(world.store, row_id)


def send_when_due(world, row_id):
    """Try once when it is next due; the row afterwards."""
    due_ms = stored(world.store, row_id).next_attempt_ms
    world.clock.advance(max(0, due_ms - world.clock.now_ms()) / 1000)
    return send(world, row_id)


def test_sent(world, told):
    """A notice that is taken is SENT, with what the other side said and when."""
    carrier = told()

    row = send(world, told.row_id)

    assert (NoticeState.SENT, "taken", world.clock.now_ms(), 1, 0) == (
        row.state,
        row.note,
        row.sent_ms,
        row.attempts,
        row.doubtful_sends,
    )
    assert ["refund.decided:1:email"] == carrier.taken
    send(world, told.row_id)
    assert 1 == len(carrier.tries)


def test_committed_before_it_leaves(world, told):
    """The row says SENDING, under a lease, before the first byte after which it may arrive."""
    states = []

    class Looks(ScriptedCarrier):
        def carry(self, notice, leaving):
            states.append(stored(world.store, notice.row_id).state)
            leaving()
            states.append(stored(world.store, notice.row_id).state)
            return "taken"

    world.carriers = scripted(email=Looks())
    world.restart()

    send(world, told.row_id)

    assert [NoticeState.WAITING, NoticeState.SENDING] == states


def test_not_due(world, told):
    """A notice whose time has not come, and one under a lease, is left alone."""
    carrier = told(Deferred("later"))
    send(world, told.row_id)
    send(world, told.row_id)
    with world.store.write() as connection:
        now_ms = world.clock.now_ms() + DAY_SECONDS * 1000
        assert lease_notice(connection, told.row_id, now_ms, now_ms + 1)
        world.clock.advance(DAY_SECONDS)
    send(world, told.row_id)

    assert 1 == len(carrier.tries)


def test_deferred(world, told):
    """What the other side wants later is tried again after the schedule's delay, and says why."""
    told(Deferred("the mail server wants it later: 451 4.7.1"))

    row = send(world, told.row_id)

    assert (NoticeState.WAITING, 0) == (row.state, row.doubtful_sends)
    assert "the mail server wants it later: 451 4.7.1" == row.note
    assert 5_000 <= row.next_attempt_ms - world.clock.now_ms() <= 6_000
    assert NoticeState.SENT is send_when_due(world, told.row_id).state


def test_refused(world, told):
    """What the mail server refuses for good is over, and a person's."""
    carrier = told(Refused("the mail server refused it: 550 5.1.1"))

    row = send(world, told.row_id)

    assert (NoticeState.FAILED, None) == (row.state, row.next_attempt_ms)
    assert "the mail server refused it: 550 5.1.1" == row.note
    world.clock.advance(DAY_SECONDS)
    send(world, told.row_id)
    assert 1 == len(carrier.tries)


def test_lost_answer(world, told):
    """An e-mail whose answer was lost goes out once more, and its row says that it may have come twice."""
    carrier = told(AnswerLost("the mail server's answer was lost: TimeoutError"))

    doubted = send(world, told.row_id)
    row = send_when_due(world, told.row_id)

    assert (NoticeState.WAITING, 1) == (doubted.state, doubted.doubtful_sends)
    assert "answer was lost" in doubted.note
    assert (NoticeState.SENT, 1) == (row.state, row.doubtful_sends)
    assert 2 == len(carrier.taken)


def test_answer_lost_twice(world, told):
    """An e-mail that left twice without an answer does not leave a third time."""
    carrier = told(AnswerLost("lost"), AnswerLost("lost"))

    send(world, told.row_id)
    row = send_when_due(world, told.row_id)

    assert (NoticeState.FAILED, 2, LOST_TOO_OFTEN) == (row.state, row.doubtful_sends, row.note)
    assert 2 == len(carrier.taken)


def test_webhook_whose_answers_are_lost(world):
    """A webhook is sent again however often its answer is lost: the product drops what it has."""
    row_id, carrier = webhook_world(world, *[AnswerLost("lost")] * 5)

    for _ in range(6):
        row = send_when_due(world, row_id)

    assert (NoticeState.SENT, 5) == (row.state, row.doubtful_sends)
    assert 6 == len(carrier.taken)


def test_declined(world):
    """A webhook that the product declines gets a few tries, then it is a person's."""
    declined = [Declined("the product answered 404")] * EVENT_ATTEMPTS_MAX
    row_id, carrier = webhook_world(world, *declined)

    row = send(world, row_id)
    while row.state is NoticeState.WAITING:
        row = send_when_due(world, row_id)

    assert (NoticeState.FAILED, "the product answered 404") == (row.state, row.note)
    assert WEBHOOK_DECLINES_MAX == len(carrier.tries)


@pytest.mark.parametrize("error", [Deferred("busy"), Unreachable("away")])
def test_given_up(world, told, error):
    """After twelve tries in about four days a notice is given up, with its last trouble (I13)."""
    carrier = told(*[error] * (EVENT_ATTEMPTS_MAX + 1))
    begun_ms = world.clock.now_ms()

    row = send(world, told.row_id)
    while row.state is NoticeState.WAITING:
        row = send_when_due(world, told.row_id)

    assert NoticeState.FAILED is row.state
    assert f"{GIVEN_UP}; at last: {error}" == row.note
    assert EVENT_ATTEMPTS_MAX == len(carrier.tries)
    assert 3.5 < (world.clock.now_ms() - begun_ms) / 1000 / DAY_SECONDS < 5


def test_channel_that_is_away_is_left_alone(world, told):
    """While a mail server cannot be reached, only one e-mail in 30 s waits for its time-out."""
    carrier = told(Unreachable("away"))
    others = [put_notice(world.store, email(f"other-{n}")) for n in range(3)]
    hook = put_notice(world.store, webhook())

    for row_id in (told.row_id, *others, hook):
        send(world, row_id)

    assert 1 == len(carrier.tries)
    assert NoticeState.SENT is stored(world.store, hook).state
    world.clock.advance(NOTICE_PAUSE_MS / 1000)
    for row_id in (told.row_id, *others):
        assert NoticeState.SENT is send(world, row_id).state


def test_defect_before_anything_left(world, told, caplog):
    """A defect of ours is tried again later and given up in the end; it shows no address."""
    del told
    broken = put_notice(world.store, email("broken", template="nothing of this name"))
    world.carriers = None
    world.restart()

    with caplog.at_level(logging.WARNING):
        row = send(world, broken)

    assert (NoticeState.WAITING, 0) == (row.state, row.doubtful_sends)
    assert "failed on a defect: TemplateNotFound" == row.note
    assert ADDRESS not in caplog.text
    while row.state is NoticeState.WAITING:
        row = send_when_due(world, broken)
    assert (NoticeState.FAILED, EVENT_ATTEMPTS_MAX) == (row.state, row.attempts)


def test_defect_after_it_left(world, told):
    """A defect that strikes after the notice left is a lost answer."""
    told(ZeroDivisionError(ADDRESS))

    row = send(world, told.row_id)

    assert (NoticeState.WAITING, 1) == (row.state, row.doubtful_sends)
    assert "failed on a defect: ZeroDivisionError" == row.note


def test_job_that_timed_out(world, told):
    """A job that RQ ends is no defect: the lease runs out, and what the row says then holds."""
    told(JobTimeoutException())

    with pytest.raises(JobTimeoutException):
        send(world, told.row_id)

    assert NoticeState.SENDING is stored(world.store, told.row_id).state
    world.clock.advance(LEASE_SECONDS)
    row = send(world, told.row_id)
    assert (NoticeState.SENT, 1) == (row.state, row.doubtful_sends)


@pytest.mark.parametrize(
    ("point", "sent", "doubtful"),
    [
        pytest.param(NOTICE_LEASED, 1, 0, id="before it left"),
        pytest.param(NOTICE_LEAVING, 1, 1, id="as it was about to leave"),
        pytest.param(NOTICE_CARRIED, 2, 1, id="after it was taken"),
        pytest.param(NOTICE_RECORDED, 1, 0, id="after that was written"),
    ],
)
def test_sender_killed(world, told, point, sent, doubtful):
    """A sender killed at any boundary loses no notice; a second e-mail leaves only where the row says so."""
    carrier = told()

    assert world.crash(CrashAt(point), lambda: send_notice(world.context, told.row_id))
    world.wakeups.jobs.clear()
    world.clock.advance(LEASE_SECONDS)
    world.step()

    row = stored(world.store, told.row_id)
    assert (NoticeState.SENT, doubtful) == (row.state, row.doubtful_sends)
    assert sent == len(carrier.taken)


def test_sender_killed_twice_after_it_left(world, told):
    """Two senders that die after the e-mail left are two; there is no third."""
    carrier = told()

    for _ in range(2):
        assert world.crash(CrashAt(NOTICE_CARRIED), lambda: send_notice(world.context, told.row_id))
        world.clock.advance(LEASE_SECONDS)
        waiting = stored(world.store, told.row_id)
        assert NoticeState.SENDING is waiting.state
    row = send(world, told.row_id)

    assert (NoticeState.FAILED, 2, LOST_TOO_OFTEN) == (row.state, row.doubtful_sends, row.note)
    assert SENDER_DIED == waiting.note
    assert 2 == len(carrier.taken)


@pytest.mark.parametrize("point", NOTICE_POINTS)
def test_every_boundary_is_reached(world, told, point):
    """A notice that is sent passes each named crash point, so that the table above tries them all."""
    told()

    assert world.crash(CrashAt(point), lambda: send_notice(world.context, told.row_id))


def test_sender_killed_as_often_as_anything_is_tried(world, told):
    """A notice whose senders all die before it leaves is given up, not tried for ever (I13)."""
    told()

    for _ in range(EVENT_ATTEMPTS_MAX):
        assert world.crash(CrashAt(NOTICE_LEASED), lambda: send_notice(world.context, told.row_id))
        world.clock.advance(LEASE_SECONDS)
    row = send(world, told.row_id)

    assert (NoticeState.FAILED, GIVEN_UP) == (row.state, row.note)


class Stalls:
    """Sleeps at a boundary until its lease is over, while somebody else does something."""

    def __init__(self, world, point, meanwhile):
        self._world, self._point, self._meanwhile = world, point, meanwhile

    def reach(self, name):
        if name == self._point:
            self._point = None
            self._world.clock.advance(LEASE_SECONDS + 1)
            self._meanwhile()


@pytest.mark.parametrize("finishes", [True, False], ids=["has finished", "is at work"])
def test_sender_that_outlives_its_lease(world, told, finishes):
    """A sender that stalls until its lease is over lets nothing leave: its successor has the notice."""
    carrier = told()

    def successor():
        if finishes:
            send_notice(world.fresh_context(), told.row_id)
            return
        now_ms = world.clock.now_ms()
        with world.store.write() as connection:
            assert lease_notice(connection, told.row_id, now_ms, now_ms + NOTICE_LEASE_MS)

    world.restart(Stalls(world, NOTICE_LEASED, successor))
    row = send(world, told.row_id)

    assert int(finishes) == len(carrier.taken)
    assert (NoticeState.SENT if finishes else NoticeState.WAITING) is row.state
    assert 0 == row.doubtful_sends


def test_sender_that_outlives_its_lease_alone(world, told):
    """A sender whose lease is over lets nothing leave, though nobody has the notice yet: it is due again."""
    carrier = told()

    world.restart(Stalls(world, NOTICE_LEASED, lambda: None))
    row = send(world, told.row_id)

    assert ([], NoticeState.WAITING, 0) == (carrier.taken, row.state, row.doubtful_sends)
    assert 1 == world.sweep().notices


def test_answer_that_comes_after_the_lease(world, told):
    """An answer that its sender hears too late changes nothing; the successor counted the doubt."""
    carrier = told()
    context = world.fresh_context

    world.restart(Stalls(world, NOTICE_CARRIED, lambda: send_notice(context(), told.row_id)))
    row = send(world, told.row_id)

    assert (NoticeState.SENT, 1, 2) == (row.state, row.doubtful_sends, row.attempts)
    assert 2 == len(carrier.taken)


def test_swept(world, told):
    """A notice that nobody was rung for is rung for by the sweeper when it is due, and sent."""
    carrier = told(Deferred("later"))

    assert 1 == world.sweep().notices
    assert [(SEND_NOTICE_JOB, told.row_id)] == world.wakeups.jobs
    world.work()
    assert (1, 0) == (len(carrier.tries), world.sweep().notices)
    world.clock.advance(6)
    world.step()

    assert NoticeState.SENT is stored(world.store, told.row_id).state
    assert 0 == world.sweep().notices


def test_outbox_by_default(world, told):
    """Where no mail server is set, e-mails are files in the data folder's outbox."""
    world.carriers = None
    world.restart()

    row = send(world, told.row_id)

    (file,) = (world.settings.redress_data / "outbox").iterdir()
    assert (NoticeState.SENT, f"written to outbox/{file.name}") == (row.state, row.note)


def test_no_endpoint(world):
    """A webhook whose endpoint is not set any more waits for it and says so."""
    row_id = put_notice(world.store, webhook())

    row = send(world, row_id)

    assert (NoticeState.WAITING, "REDRESS_PRODUCT_WEBHOOK_URL is not set") == (row.state, row.note)


def test_over_a_real_mail_server(world, told, tmp_path):
    """Over real SMTP: the answer is lost once, and the customer has the same e-mail twice, as the row says."""
    server = ScriptedMailServer({"DATA": TAKEN_AND_CUT})
    world.carriers = carriers_from(
        worker_settings(
            tmp_path,
            redress_smtp_url=server.url(),
            redress_mail_from="Shop <refunds@shop.example>",
        ),
        world.clock,
    )
    world.restart()

    send(world, told.row_id)
    server.answers.clear()
    row = send_when_due(world, told.row_id)
    server.close()

    first, second = server.taken
    assert first == second
    assert (NoticeState.SENT, 1) == (row.state, row.doubtful_sends)


def test_job_names_only_the_row(world, told):
    """What is rung for a notice is its row id: no address leaves the ledger for Redis (I11)."""
    world.sweep()

    assert [(SEND_NOTICE_JOB, told.row_id)] == world.wakeups.jobs
    assert ADDRESS not in json.dumps(world.wakeups.jobs)


def test_row_that_is_gone(world, told):
    """A job for a row that is not there, or was ended by hand, does nothing."""
    carrier = told()
    with world.store.write() as connection:
        connection.execute(update(notices).values(state="failed", next_attempt_ms=None))

    send_notice(world.context, told.row_id)
    send_notice(world.context, told.row_id + 1)

    assert [] == carrier.tries
