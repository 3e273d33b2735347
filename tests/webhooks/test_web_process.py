"""The real web process over a real SQLite file: what Stripe, a supervisor and an operator see."""

import json
import sqlite3
import subprocess
import sys
import time

import pytest

from ledger.event_types import HANDLED
from tests.fakes.at_once import at_once
from tests.ledger.test_parsing import UNREADABLE
from tests.webhooks.signed_events import (
    FOREIGN_SECRET,
    OLD_SECRET,
    event_body,
    http_request,
    new_id,
    sign,
)
from tests.webhooks.web_process import read_answer

#: What of the policy the product API speaks with: reasons, verdicts and clauses, and what they are made of.
WORDS = {
    "policy.canonical_json",
    "policy.checks",
    "policy.clauses",
    "policy.credit_losses",
    "policy.decision",
    "policy.invoice_taking",
    "policy.money",
    "policy.payments",
    "policy.request_facts",
}


def word(received):
    """The status word or error code of an answer."""
    content = json.loads(received.partition(b"\r\n\r\n")[2])
    return content.get("status") or content["error"]["code"]


def test_what_it_does_not_load():
    """The web process never loads stripe (14 MB, 180 ms), nor the workers, nor a rule of the policy."""
    code = "import sys, webhooks.server; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"stripe", "workers", "ops"} & {name.split(".")[0] for name in loaded}
    assert [] == [name for name in loaded if name.startswith("policy.") and name not in WORDS]


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: redress.test\r\n\r\n".encode()


def test_redis_away(web):
    """With Redis away a delivery is stored and answered 200, and readiness says degraded."""
    status, received = web.ask(http_request(event_body(id=new_id())))
    ready, health = web.ask(get("/health/ready"))

    assert (200, "stored") == (status, word(received))
    assert (200, "degraded") == (ready, word(health))


def test_every_handled_type(web):
    """An event of each handled type is accepted and waits for the workers."""
    named = {new_id(): event_type for event_type in HANDLED}

    statuses = {
        web.ask(http_request(event_body(id=name, type=event_type)))[0]
        for name, event_type in named.items()
    }

    assert {200} == statuses
    assert set(named.items()) <= {(row.event_id, row.type) for row in web.rows()}


@pytest.mark.parametrize("rounds", [5])
def test_same_event_at_once(web, rounds):
    """32 simultaneous deliveries of one event are all answered 200 and make one row (F9)."""
    stored = web.events_stored()
    for number in range(1, rounds + 1):
        raw = http_request(event_body(id=new_id()))

        answers = at_once(lambda raw: web.ask(raw, 20), [raw] * 32)

        assert {200} == {status for status, _ in answers}
        assert 31 * ["known"] + ["stored"] == sorted(word(received) for _, received in answers)
        assert stored + number == web.events_stored()


POISON = [
    pytest.param(event_body(id=new_id(), type="no.such.type"), id="unknown type"),
    pytest.param(event_body(id=new_id(), api_version="2031-01-01.zebra"), id="unknown version"),
    pytest.param(event_body(id=new_id(), data={"object": {"amount": "12"}}), id="text amount"),
    pytest.param(event_body(id=new_id(), data={"object": {"amount": -1}}), id="negative"),
    pytest.param(event_body(id=new_id(), data={"object": {"amount": 2**63}}), id="2^63 inside"),
    pytest.param(event_body(id=new_id(), data={"object": {"note": "💸"}}), id="emoji"),
    pytest.param(
        event_body(id=new_id(), data={"object": dict.fromkeys(map(str, range(50_000)), 0)}),
        id="50,000 keys",
    ),
    *[pytest.param(row.values[0], id=f"unreadable: {row.id}") for row in UNREADABLE],
]


def test_poison(web):
    """No signed body is answered with anything but 200, it is kept, and the process goes on (F13)."""
    bodies = [row.values[0] for row in POISON if row.values[0]]

    statuses = {web.ask(http_request(body))[0] for body in bodies}

    assert {200} == statuses
    assert set(bodies) <= {bytes(row.payload) for row in web.rows()}
    assert 200 == web.ask(get("/health/live"))[0]


def test_keep_alive(web):
    """One connection carries many deliveries, good and bad ones, each with its own answer."""
    body = event_body(id=new_id())
    with web.connect() as connection:
        statuses = []
        for raw in (
            http_request(body),
            http_request(body, signature="t=1,v1=0"),
            http_request(body),
            get("/webhooks/stripe"),
            http_request(body, path="/webhooks/stripe/"),
        ):
            connection.sendall(raw)
            statuses.append(read_answer(connection)[0])

    assert [200, 400, 200, 405, 200] == statuses


@pytest.mark.parametrize(
    ("secret", "age_seconds", "status"),
    [
        pytest.param(OLD_SECRET, 0, 200, id="the old secret"),
        pytest.param(OLD_SECRET, 400, 400, id="the old secret, too long ago"),
        pytest.param(OLD_SECRET, -400, 400, id="the old secret, ahead of time"),
        pytest.param(FOREIGN_SECRET, 0, 400, id="another endpoint's secret"),
    ],
)
def test_signatures(web, secret, age_seconds, status):
    """The door checks secret and time against its own clock (F17, F18)."""
    body = event_body()

    signature = sign(body, int(time.time()) - age_seconds, secret)

    assert status == web.ask(http_request(body, signature=signature))[0]


def test_database_locked(own_web):
    """While another process holds the database, the answer is 503 with Retry-After; afterwards 200."""
    own_web.ask(http_request(event_body(id=new_id())))
    file = own_web.store.engine.url.database
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    status, received = own_web.ask(http_request(event_body(id=new_id())), 30)
    other.execute("ROLLBACK")
    other.close()
    deadline = time.monotonic() + 20
    while (again := own_web.ask(http_request(event_body(id=new_id())), 30)[0]) != 200:
        assert time.monotonic() < deadline

    assert (503, 200) == (status, again)
    assert b"retry-after: 5" in received


def test_database_gone(own_web):
    """Without its tables the process answers 503, never 200, and readiness is red while it lives."""
    with sqlite3.connect(own_web.store.engine.url.database) as other:
        other.execute("DROP TABLE alembic_version")
        other.execute("ALTER TABLE events RENAME TO elsewhere")
    other.close()

    statuses = [
        own_web.ask(raw)[0]
        for raw in (http_request(event_body()), get("/health/ready"), get("/health/live"))
    ]

    assert [503, 503, 200] == statuses


def test_stops_cleanly(own_web):
    """Asked to stop, the process ends by itself with code 0, idle connections or not."""
    with own_web.connect() as idle:
        idle.sendall(http_request(event_body()))
        read_answer(idle)

        assert 0 == own_web.terminate()


def test_stop_under_load(own_web):
    """Every delivery answered 200 before, while and after the process is told to stop is in the ledger."""
    acknowledged = []

    def deliver(number):
        for _ in range(30):
            name = new_id()
            try:
                status, _ = own_web.ask(http_request(event_body(id=name)))
            except OSError:
                return
            if status == 200:
                acknowledged.append(name)
            if number == 0 and len(acknowledged) > 40 and own_web._process.poll() is None:
                own_web.terminate()

    at_once(deliver, range(8))

    assert set(acknowledged) <= {row.event_id for row in own_web.rows()}
    assert acknowledged
