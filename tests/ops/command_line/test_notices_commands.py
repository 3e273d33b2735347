"""`redress notices`: what was told to whom, without addresses where they are not needed, and retries."""

import pytest
from redis import Redis

from ledger.audit_log import entries_about
from ledger.notice_queries import notice_reference
from ledger.notices import lease_notice, move_notice
from ledger.states import NoticeState
from ops.operator_context import current_actor
from runtime.embedded_redis import EmbeddedRedis
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.notice_rows import ADDRESS, email, put_notice, stored, webhook

REASON = ("--reason", "the relay is back")
MASKED = "j…@example.org"


@pytest.fixture
def world(redress, databases):
    """The command line and the store on one database, on each engine in turn."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def end(store, row_id, state=NoticeState.FAILED, **values):
    """Have a notice end as if it had been sent, or tried in vain."""
    with store.write() as connection:
        notice = lease_notice(connection, row_id, NOON_MS, NOON_MS + 1)
        if state is NoticeState.SENT:
            values["sent_ms"] = NOON_MS
        assert move_notice(connection, notice, state, values, NOON_MS)


def audited(store, row_id):
    with store.read() as connection:
        return entries_about(connection, notice_reference(row_id))


def test_empty_list(world):
    """Before anybody was told anything, that is said."""
    redress, _ = world

    assert "Nobody was told anything yet.\n" == redress("notices", "list").stdout
    assert "No notice fits.\n" == redress("notices", "list", "--state", "failed").stdout


def test_list(world):
    """The list has what is told to whom and how it stands; addresses are masked."""
    redress, store = world
    failed = put_notice(store, email())
    end(store, failed, note="the mail server refused it: 550 5.1.1")
    put_notice(store, webhook(event="account.suspended", subject_id="cus_1"))

    ran = redress("notices", "list")

    newest, oldest = ran.stdout.splitlines()[1:]
    assert ["account.suspended", "cus_1", "product", "waiting"] == newest.split()[3:]
    assert MASKED in oldest
    assert "failed" in oldest
    assert ADDRESS not in ran.stdout


def test_json_list(world):
    """The list as JSON has every field of a notice but its facts, the address masked."""
    redress, store = world
    row_id = put_notice(store, email())

    document = redress.json("notices", "list")

    assert {
        "notices": [
            {
                "id": row_id,
                "key": "refund.decided:1:email",
                "channel": "email",
                "event": "refund.decided",
                "recipient": MASKED,
                "subject_id": "17",
                "state": "waiting",
                "note": None,
                "attempts": 0,
                "doubtful_sends": 0,
                "next_attempt_ms": NOON_MS,
                "sent_ms": None,
                "created_ms": NOON_MS,
                "changed_ms": NOON_MS,
            }
        ],
        "more": False,
    } == document


def test_filters(world):
    """Each filter narrows the list; --before and --limit page through it."""
    redress, store = world
    mail = put_notice(store, email())
    hook = put_notice(store, webhook(event="account.suspended", subject_id="cus_1"))
    end(store, mail)

    def ids(*args):
        return [notice["id"] for notice in redress.json("notices", "list", *args)["notices"]]

    assert [mail] == ids("--state", "failed")
    assert [hook, mail] == ids("--state", "failed", "--state", "waiting")
    assert [hook] == ids("--channel", "webhook")
    assert [hook] == ids("--event", "account.suspended")
    assert [mail] == ids("--about", "17")
    assert [] == ids("--since", "2026-01-02")
    assert [hook] == ids("--limit", "1")
    assert [mail] == ids("--before", hook)
    assert f"More are older: add --before {hook}" in redress("notices", "list", "--limit", 1).stdout


def test_show(world):
    """`show` has the address in full, and the audit log keeps who looked at it."""
    redress, store = world
    row_id = put_notice(store, email())
    end(store, row_id, NoticeState.SENT, note="the mail server took it: 250", doubtful_sends=1)

    ran = redress("notices", "show", row_id)

    assert f"The address is {ADDRESS}\n" in ran.stdout
    assert "sent at 2026-01-01 12:00:00 UTC" in ran.stdout
    assert "1 without an answer: it may have arrived more than once" in ran.stdout
    assert '"amount_minor": 1234' in ran.stdout
    (entry,) = audited(store, row_id)
    assert ("notice.address_shown", current_actor(), "cli") == (
        entry.action,
        entry.actor,
        entry.origin,
    )


def test_show_the_words(world):
    """`--message` shows what the customer reads."""
    redress, store = world
    row_id = put_notice(store, email())

    assert "you get 12.34 USD back.\n" in redress("notices", "show", row_id, "--message").stdout
    document = redress.json("notices", "show", row_id, "--message")
    assert document["message"].startswith("Hello,\n")
    assert (ADDRESS, 17) == (document["recipient"], document["content"]["case"])
    assert 2 == len(document["audit"])


def test_show_a_webhook(world):
    """A webhook has no address, so looking at it leaves no entry; it has no words either."""
    redress, store = world
    row_id = put_notice(store, webhook())

    document = redress.json("notices", "show", row_id, "--message")

    assert {"case_id": 17, "verdict": "approve"} == document["content"]
    assert (None, False) == (document["recipient"], "message" in document)
    assert "next try at 2026-01-01 12:00:00 UTC" in redress("notices", "show", row_id).stdout
    assert [] == audited(store, row_id)


def test_show_none(world):
    """A number that no notice has is told, and leaves no entry."""
    redress, store = world

    ran = redress("notices", "show", "99")

    assert (1, "redress: There is no notice 99; `redress notices list` has all.\n") == (
        ran.exit_code,
        ran.stderr,
    )
    assert [] == audited(store, 99)


def test_retry(world):
    """`retry` makes failed notices due, each audited with its reason; Redis being away is no failure."""
    redress, store = world
    row_ids = [put_notice(store, email()), put_notice(store, webhook())]
    for row_id in row_ids:
        end(store, row_id)

    ran = redress("notices", "retry", *row_ids, *REASON)

    assert (0, "They are sent now.") == (ran.exit_code, ran.stdout.splitlines()[0])
    assert "Redis is away; the sweeper finds them" in ran.stdout
    for row_id in row_ids:
        row = stored(store, row_id)
        assert (NoticeState.WAITING, NOON_MS, 0) == (row.state, row.next_attempt_ms, row.attempts)
        (entry,) = audited(store, row_id)
        assert ("notice.retry", "the relay is back") == (entry.action, entry.detail)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_retry_rings(world, tmp_path):
    """What is retried is rung for, by its row id alone."""
    redress, store = world
    row_id = put_notice(store, email())
    end(store, row_id)
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as redis:
        ran = redress("notices", "retry", row_id, *REASON)

        assert f"Notice {row_id} is sent now.\n" == ran.stdout
        assert 1 == redis.llen("rq:queue:notices")
        assert ADDRESS.encode() not in b"".join(
            b"".join(redis.hgetall(key).values()) for key in redis.keys("rq:job:*")
        )


def test_retry_all_or_none(world):
    """An e-mail that was taken is not sent twice, and then nothing of the order is done."""
    redress, store = world
    failed, sent = put_notice(store, email("failed")), put_notice(store, email("sent"))
    end(store, failed)
    end(store, sent, NoticeState.SENT)

    ran = redress("notices", "retry", failed, sent, *REASON)

    assert (1, f"redress: Notice {sent} was sent: the mail server took the e-mail.\n") == (
        ran.exit_code,
        ran.stderr,
    )
    assert NoticeState.FAILED is stored(store, failed).state
    assert [] == audited(store, failed)


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["list", "--state", "lost"], id="unknown state"),
        pytest.param(["list", "--channel", "pigeon"], id="unknown channel"),
        pytest.param(["list", "--before", "0"], id="row 0"),
        pytest.param(["show"], id="no notice"),
        pytest.param(["show", "refund.decided"], id="no number"),
        pytest.param(["show", str(2**63)], id="row beyond a database's"),
        pytest.param(["retry", "--reason", "why"], id="nothing to retry"),
        pytest.param(["retry", "1"], id="no reason"),
        pytest.param(["retry", "1", "--reason", " "], id="blank reason"),
    ],
)
def test_wrong_use(sqlite_redress, args):
    """Wrong use ends with code 2 and one sentence that leads to the command's help."""
    ran = sqlite_redress[0]("notices", *args)

    assert (2, "") == (ran.exit_code, ran.stdout)
    [sentence] = ran.stderr.strip().splitlines()
    assert sentence.endswith("--help`.")
