"""A day's work in the dashboard, in a real browser with passkeys, over everything that runs at a merchant's."""

import pytest
from redis import Redis
from sqlalchemy import select

from ledger.operator_tables import operators
from ledger.replay_tables import replays
from ledger.tables import audit, events, refund_intents
from ops.rq_console import resume_workers, workers_of
from ops.sandbox.api_call import API_VERSION
from runtime.queues import SEND_NOTICE_JOB, Wakeups
from runtime.redis_socket import socket_url
from tests.browser.people import Person
from tests.processes.machine import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

JOBS = 200_000
ROWS = 50
UNREADABLE = {
    "id": "evt_unreadable",
    "object": "event",
    "type": "charge.succeeded",
    "livemode": False,
    "api_version": API_VERSION,
    "created": 1_795_000_000,
    "data": {"object": {"id": "ch_unreadable", "object": "charge", "amount": "much"}},
}


def states_of(redis, queue):
    """How the workers of a queue stand."""
    return [worker.state for worker in workers_of(redis) if worker.queue == queue]


def test_a_case_from_the_queue_to_the_refund(installation, ada):
    """She takes a case, reads why it waits, approves it by passkey, and Stripe has the refund."""
    case_id = installation.case_to_look_at()
    page = ada.page
    ada.follow(page.get_by_role("link", name="Cases"))
    page.keyboard.press("j")
    assert page.locator("tr.at").count() == 1
    ada.follow(page.get_by_role("link", name=f"#{case_id}", exact=True))
    assert "How many of the credits were used?" in page.locator("main").inner_text()
    page.get_by_label("Person").select_option("ada")
    ada.follow(page.get_by_role("button", name="Note"))
    assert "ada" in page.locator(".facts").first.inner_text()

    page.keyboard.press("a")
    page.keyboard.type("her pictures failed")
    ada.follow(page.get_by_role("button", name="Approve"))
    page.get_by_text("goes back").first.wait_for()

    def refunded():
        with installation.store.read() as connection:
            return connection.execute(
                select(refund_intents).where(
                    refund_intents.c.case_id == case_id, refund_intents.c.state == "succeeded"
                )
            ).first()

    intent = wait_until(refunded, 60)
    at_stripe = installation.shop.till.get("/v1/refunds", {"charge": intent.charge_id})["data"]
    assert [intent.refund_id] == [refund["id"] for refund in at_stripe]
    assert [intent.amount_minor] == [refund["amount"] for refund in at_stripe]
    page.reload()
    assert "refunded" in page.locator("main").inner_text()
    with installation.store.read() as connection:
        said = connection.execute(
            select(audit.c.actor, audit.c.origin).where(
                audit.c.action == "cases.approve", audit.c.object == f"case:{case_id}"
            )
        ).all()
    assert [("ada", "dashboard")] == [tuple(row) for row in said]


def test_a_denial_and_a_question(installation, ada):
    """She asks the customer for more, denies another case, and both are in the outbox in her words."""
    first, second = installation.case_to_look_at("taste"), installation.case_to_look_at()
    ada.see(f"/cases/{first}")
    ada.page.get_by_label("Question").fill("Which pictures do you mean?")
    ada.follow(ada.page.get_by_role("button", name="Ask"))
    ada.page.get_by_text("is asked by e-mail").wait_for()
    ada.see(f"/cases/{second}")
    ada.page.locator("#deny-reason").fill("the pictures were downloaded")
    ada.follow(ada.page.get_by_role("button", name="Deny"))
    ada.page.get_by_text("is closed: nothing goes back").wait_for()

    def told():
        mails = [path.read_text() for path in (installation.up.data / "outbox").glob("*.eml")]
        return all(
            any(words in mail for mail in mails)
            for words in ("Which pictures do you mean?", "the pictures were downloaded")
        )

    wait_until(told, 60)


def test_the_brake(installation, admin):
    """Thrown at once, released by who shows again who it is; a refund waits meanwhile."""
    admin.see("/brake")
    admin.page.get_by_label("Why").fill("looking into it")
    admin.follow(admin.page.get_by_role("button", name="Stop all money"))
    admin.page.get_by_text("The brake is on: no refund leaves").wait_for()
    duplicate = installation.shop.pay_twice()
    of_charge = select(refund_intents.c.id).where(refund_intents.c.charge_id == duplicate.charge_id)
    held = installation.wait_for(of_charge.where(refund_intents.c.held.is_not(None)))
    assert "The brake is on" in admin.see("/")

    admin.see("/brake")
    admin.page.get_by_label("Why").fill("all is well")
    admin.follow(admin.page.get_by_role("button", name="Release"))
    admin.page.get_by_text("The brake is off").first.wait_for()

    assert held == installation.wait_for(of_charge.where(refund_intents.c.state == "succeeded"))


def test_replaying_a_parked_event(installation, admin):
    """An event that was parked is found, planned, forecast and put back; it is parked again for the same reason."""
    installation.deliver(UNREADABLE)
    row_id = installation.wait_for(select(events.c.id).where(events.c.state == "parked"))
    admin.see("/events?state=parked")
    admin.follow(admin.page.get_by_role("row").nth(1).get_by_role("link").first)
    admin.follow(admin.page.get_by_role("link", name="Plan a replay"))
    assert "1 event would be put back" in admin.page.locator("main").inner_text()
    admin.follow(admin.page.get_by_role("button", name="Forecast"))
    assert "What would become of them" in admin.page.locator("main").inner_text()
    admin.page.get_by_label("Why").fill("was it really that?")
    admin.follow(admin.page.get_by_role("button", name="Replay 1 event"))
    admin.page.get_by_text("put back to be worked on").wait_for()

    with installation.store.read() as connection:
        run = connection.execute(select(replays)).one()
    assert ("done", 1, "admin", "dashboard") == (run.state, run.replayed, run.actor, run.origin)
    installation.wait_for(
        select(events.c.id).where(events.c.id == row_id, events.c.state == "parked")
    )


@pytest.fixture
def queues(installation):
    """The installation's Redis; its workers work again afterwards, whatever happened."""
    redis = Redis.from_url(socket_url(installation.up.data))
    yield redis
    redis.delete("rq:queue:notices")
    resume_workers(redis)
    wait_until(lambda: "suspended" not in states_of(redis, "notices"), 30)
    redis.close()


def test_200_000_jobs(installation, admin, queues):
    """Exact pages of a queue however long it is: the first, the last and one amid, and none beyond."""
    admin.see("/queues")
    admin.follow(admin.page.get_by_role("button", name="Pause the workers"))
    admin.page.get_by_text("The workers are paused:").wait_for()
    # A worker that waits for a job takes one more before it sees that it is to stop.
    Wakeups(queues).wake_effect(SEND_NOTICE_JOB, 999_999)
    wait_until(lambda: "suspended" in states_of(queues, "notices"), 30)
    for begin in range(0, JOBS, 20_000):
        queues.rpush("rq:queue:notices", *(f"job-{n}" for n in range(begin, begin + 20_000)))

    for number in (1, 2_345, JOBS // ROWS):
        said = admin.see(f"/queues/notices/ready?page={number}")
        first = (number - 1) * ROWS
        assert f"{first + 1} to {first + ROWS} of {JOBS}, page {number} of 4000" in said
        shown = admin.page.locator("tbody td.id:first-child").all_text_contents()
        assert [f"job-{n}" for n in range(first, first + ROWS)] == shown
    assert "no page 4001" in admin.see("/queues/notices/ready?page=4001")

    admin.see("/queues")
    admin.follow(admin.page.get_by_role("button", name="Let the workers go on"))
    admin.page.get_by_text("The workers go on").wait_for()
    assert "paused" not in admin.see("/queues")
    assert installation.redress("queue", "status")["queues"]


def test_without_scripts(chromium, installation, admin):  # noqa: ARG001 -- the first one comes in first
    """A browser that runs nothing signs in by a code, reads, and refunds by another code."""
    case_id = installation.case_to_look_at()
    carol = Person(chromium, installation.url, "carol", scripts=False)
    carol.page.goto(
        installation.redress("operators", "invite", "carol", "--role", "approver")["link"]
    )
    carol.page.get_by_text("Without a passkey").click()
    carol.follow(carol.page.get_by_role("button", name="Come in with codes alone"))
    codes = carol.page.locator(".codes code").all_text_contents()
    carol.follow(carol.page.get_by_role("link", name="I have them: go on"))
    carol.page.locator(".menu summary").click()
    carol.follow(carol.page.get_by_role("button", name="Sign out"))
    carol.sign_in_by_code(codes.pop())
    for path in ("/cases", "/events", "/queues", "/terms"):
        carol.see(path)
    carol.see(f"/cases/{case_id}")
    carol.page.locator("#approve-reason").fill("agreed by mail")
    carol.follow(carol.page.get_by_role("button", name="Approve"))
    carol.page.get_by_text("goes back").first.wait_for()
    carol.close()

    installation.wait_for(
        select(refund_intents.c.id).where(
            refund_intents.c.case_id == case_id, refund_intents.c.state == "succeeded"
        )
    )


def test_an_admin_lets_somebody_in(chromium, installation, admin):
    """The link that the page shows lets one person in, who may do what the role says."""
    admin.see("/operators")
    admin.page.get_by_label("Name, as the audit log will call them").fill("vera")
    admin.follow(admin.page.get_by_role("button", name="Make a link"))
    link = admin.page.locator("code.long").inner_text()
    vera = Person(chromium, installation.url, "vera")
    vera.come_in(link)
    assert "Stop all money" not in vera.see("/brake")
    vera.close()

    with installation.store.read() as connection:
        roles = dict(
            tuple(row) for row in connection.execute(select(operators.c.name, operators.c.role))
        )
    assert ("admin", "viewer") == (roles["admin"], roles["vera"])
