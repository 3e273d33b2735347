"""The receiver's status table, over real stores on both engines."""

import hashlib
import json
from dataclasses import replace

import pytest
import structlog
from sqlalchemy import select

from ledger.tables import events
from runtime import limits
from tests.webhooks.signed_events import OLD_SECRET, delivery, event_body, sign
from webhooks.app import create_app
from webhooks.receive import PATH

NOW = 1_767_268_800


def outcome(answer):
    """Status and status word, or error code."""
    content = json.loads(answer.body)
    return answer.status, content.get("status") or content["error"]["code"]


def refused_delivery(changes):
    return replace(delivery(event_body(), NOW), **changes)


def stored(store):
    with store.read() as connection:
        return connection.execute(select(events).order_by(events.c.id)).all()


def test_stored_then_known(make_receiver, store, bell):
    """The first delivery of an event is stored and rung for; repeated ones answer 200 and change nothing."""
    receiver = make_receiver(store)
    sent = delivery(event_body(), NOW)

    outcomes = [outcome(receiver.receive(sent)) for _ in range(3)]
    receiver.committer.close()

    assert [(200, "stored"), (200, "known"), (200, "known")] == outcomes
    [row] = stored(store)
    assert ("evt_1", "new", event_body()) == (row.event_id, row.state, bytes(row.payload))
    assert 1 == bell.rings


@pytest.mark.parametrize(
    ("body", "word", "state"),
    [
        pytest.param(event_body(), "stored", "new", id="ours to handle"),
        pytest.param(event_body(type="topup.created"), "ignored", "ignored", id="unknown type"),
        pytest.param(event_body(livemode=True), "parked", "parked", id="other mode"),
        pytest.param(event_body(account="acct_2"), "parked", "parked", id="foreign account"),
        pytest.param(b"not json", "parked", "parked", id="unreadable"),
    ],
)
def test_words(make_receiver, sqlite_store, body, word, state):
    """The answer tells what became of the event, and the row says the same."""
    answer = make_receiver(sqlite_store).receive(delivery(body, NOW))

    assert (200, word) == outcome(answer)
    assert [state] == [row.state for row in stored(sqlite_store)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"method": "GET"}, (405, "method_not_allowed"), id="GET"),
        pytest.param({"method": "post"}, (405, "method_not_allowed"), id="lower-case method"),
        pytest.param({"content_type": ""}, (415, "not_json"), id="no type"),
        pytest.param({"content_type": "text/plain"}, (415, "not_json"), id="text"),
        pytest.param({"content_type": "application/json; charset=latin-1"}, (415, "not_json"), id="latin-1"),
        pytest.param({"content_encoding": "gzip"}, (415, "encoded_body"), id="compressed"),
        pytest.param({"signature": ""}, (400, "bad_signature"), id="no signature"),
        pytest.param({"signature": sign(b"{}", NOW)}, (400, "bad_signature"), id="of another body"),
        pytest.param({"signature": sign(event_body(), NOW - 301)}, (400, "bad_timestamp"), id="old"),
        pytest.param({"signature": sign(event_body(), NOW + 301)}, (400, "bad_timestamp"), id="future"),
        pytest.param({"body": b""}, (400, "bad_signature"), id="empty body"),
        pytest.param({"body": b"x" * limits.BODY_BYTES_MAX}, (400, "bad_signature"), id="largest body"),
        pytest.param({"body": b"x" * (limits.BODY_BYTES_MAX + 1)}, (413, "body_too_large"), id="too large"),
    ],
)  # fmt: skip
def test_refused(make_receiver, sqlite_store, changes, expected):
    """A delivery that does not prove itself gets one clear error, and leaves nothing behind."""
    answer = make_receiver(sqlite_store).receive(refused_delivery(changes))

    assert expected == outcome(answer)
    assert [] == stored(sqlite_store)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"'],
)
def test_spellings_of_json(make_receiver, sqlite_store, content_type):
    """JSON in UTF-8 is accepted however its type is written."""
    sent = delivery(event_body(), NOW, content_type=content_type)

    assert (200, "stored") == outcome(make_receiver(sqlite_store).receive(sent))


def test_allow_names_post(make_receiver, sqlite_store):
    """A 405 says which method is taken."""
    answer = make_receiver(sqlite_store).receive(delivery(b"", NOW, method="GET"))

    assert "POST" == dict(answer.headers)["allow"]


def test_old_secret_counted(make_receiver, sqlite_store):
    """Which secret signed is counted, so that an operator sees when the old one can go."""
    receiver = make_receiver(sqlite_store)
    body = event_body()

    receiver.receive(delivery(body, NOW))
    receiver.receive(delivery(body, NOW, signature=sign(body, NOW, OLD_SECRET)))

    assert {0: 1, 1: 1} == dict(receiver.by_secret)


def test_replayed_bytes(make_receiver, sqlite_store, clock):
    """The same delivery again is known inside the window and refused after it (F18)."""
    receiver = make_receiver(sqlite_store)
    sent = delivery(event_body(), NOW)
    receiver.receive(sent)

    clock.advance(300)
    inside = outcome(receiver.receive(sent))
    clock.advance(1)
    outside = outcome(receiver.receive(sent))

    assert ((200, "known"), (400, "bad_timestamp")) == (inside, outside)


def test_other_bytes_same_id(make_receiver, store):
    """An event that comes again with other bytes is known; the first bytes are kept."""
    receiver = make_receiver(store)
    other = event_body(pending_webhooks=2)
    receiver.receive(delivery(event_body(), NOW))

    answer = receiver.receive(delivery(other, NOW))

    assert (200, "known") == outcome(answer)
    assert [event_body()] == [bytes(row.payload) for row in stored(store)]


def test_every_answer_is_protected(make_receiver, sqlite_store):
    """Good and bad answers carry the same protective headers."""
    receiver = make_receiver(sqlite_store)
    deliveries = [delivery(event_body(), NOW), delivery(b"", NOW, method="PUT")]

    for answer in map(receiver.receive, deliveries):
        headers = dict(answer.headers)
        assert ("no-store", "nosniff") == (
            headers["cache-control"],
            headers["x-content-type-options"],
        )


def test_refusals_are_counted_and_told_rarely(make_receiver, sqlite_store, clock):
    """A flood of forged deliveries is counted; every ten seconds one line with a hash tells of it."""
    receiver = make_receiver(sqlite_store)
    forged = delivery(event_body(), NOW, signature=sign(b"{}", NOW))

    with structlog.testing.capture_logs() as lines:
        for _ in range(50):
            receiver.receive(forged)
        clock.advance(limits.REFUSAL_LOG_SECONDS)
        receiver.receive(forged)

    sha256 = hashlib.sha256(event_body()).hexdigest()
    assert 51 == receiver.refusals.total["mismatch"]
    assert [(1, sha256), (50, sha256)] == [(line["count"], line["sha256"]) for line in lines]
    assert {"reason", "count", "bytes", "sha256", "event", "log_level"} == set(lines[0])


def test_nothing_unverified_is_kept(make_receiver, sqlite_store):
    """No refused delivery leaves a row, or a line that quotes it (I10)."""
    receiver = make_receiver(sqlite_store)
    forged = delivery(b"canary", NOW, signature="t=1,v1=canary")

    with structlog.testing.capture_logs() as lines:
        receiver.receive(forged)

    assert "canary" not in repr(lines)
    assert [] == stored(sqlite_store)


def test_flask_route_is_the_same(make_receiver, sqlite_store):
    """Under a plain WSGI server the route gives the receiver's own answers, within its limits."""
    client = create_app({PATH: make_receiver(sqlite_store)}, None).test_client()
    body = event_body()
    headers = {"Stripe-Signature": sign(body, NOW), "Content-Type": "application/json"}

    good = client.post("/webhooks/stripe/", data=body, headers=headers)
    wrong_method = client.delete("/webhooks/stripe")
    large = client.post("/webhooks/stripe", data=b"x" * (2**20 + 1), headers=headers)
    elsewhere = client.get("/nothing")

    assert [200, 405, 413, 404] == [
        answer.status_code for answer in (good, wrong_method, large, elsewhere)
    ]
    assert "not_found" == elsewhere.json["error"]["code"]
    assert "no-store" == elsewhere.headers["Cache-Control"]
