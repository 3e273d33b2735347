"""Webhooks to the product over real HTTP, checked with Standard Webhooks' own library."""

import contextlib
import json

import pytest

from runtime.clock import SystemClock
from runtime.email_addresses import Mailbox
from tests.fakes.frozen_clock import NOON_MS, FrozenClock
from tests.fakes.notice_rows import email, put_notice, stored, webhook
from tests.fakes.scripted_product import CUT, NOISE, SECRET, SILENCE, ScriptedProduct
from tests.fakes.worker_world import worker_settings
from tests.free_ports import free_port
from workers.carrier_choice import carriers_from
from workers.carrier_errors import AnswerLost, Declined, Deferred, Unreachable
from workers.mail_message import mail_message, notice_digest
from workers.product_webhook import ProductWebhook, webhook_body


@pytest.fixture
def clock():
    """Stands still at the machine's own time, which the receiver's library looks at."""
    return FrozenClock(SystemClock().now_ms())


@pytest.fixture
def serve():
    """Starts products that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(answer=204):
            product = ScriptedProduct(lambda _message, _seen: answer)
            stack.callback(product.close)
            return product

        yield start


@pytest.fixture
def notice(sqlite_store):
    """A webhook as it comes from its row."""
    suspended = webhook(
        "account.suspended:cus_1", event="account.suspended", customer_id="cus_1", why="Ü ≠ ß"
    )
    return stored(sqlite_store, put_notice(sqlite_store, suspended))


def carry(url, notice, clock, leaving=lambda: None, **options):
    return ProductWebhook(url, SECRET, clock, **options).carry(notice, leaving)


def test_message(serve, notice, clock):
    """The product gets type, time and facts, signed so that the published library accepts them."""
    product = serve()

    assert "the product answered 204" == carry(product.url, notice, clock)

    ((message_id, message),) = product.seen
    assert f"msg_{notice_digest(notice.key)}" == message_id
    assert {
        "type": "account.suspended",
        "timestamp": "2026-01-01T12:00:00.000Z",
        "data": {"customer_id": "cus_1", "why": "Ü ≠ ß"},
    } == message
    assert ["POST /hooks/redress?from=tests"] == product.paths
    (headers,) = product.headers
    assert "application/json" == headers["content-type"]
    assert str(clock.now_ms() // 1000) == headers["webhook-timestamp"]


def test_merchants_messages_are_told_apart(serve, sqlite_store, notice, clock, tmp_path):
    """Two ledgers count their notices alike: who hears of both takes none for a repeat of the other's."""
    product = serve()
    mail = stored(sqlite_store, put_notice(sqlite_store, email()))
    sender = Mailbox(name="", address="refunds@shop.example")
    names = ("", "atelier", "studio-eu")
    for name in names:
        settings = worker_settings(
            tmp_path / name,
            redress_product_webhook_url=product.url,
            redress_product_webhook_secret=SECRET,
            **({"redress_merchant": name} if name else {}),
        )
        carriers_from(settings, clock).webhook.carry(notice, lambda: None)

    assert 3 == len({message_id for message_id, _ in product.seen})
    assert 3 == len({mail_message(mail, sender, name)["Message-ID"] for name in names})


def test_repeat_is_the_same_message(serve, notice, clock):
    """A later try has the id and the body of the first, so that a receiver drops it; its time is its own."""
    product = serve(500)

    for _ in range(2):
        with pytest.raises(Deferred):
            carry(product.url, notice, clock)
        clock.advance(60)

    (first, again), (one, other) = product.seen, product.headers
    assert first == again
    assert 60 == int(other["webhook-timestamp"]) - int(one["webhook-timestamp"])


def test_body_is_canonical(notice):
    """The body has one form only, whatever the row came from."""
    body = webhook_body(notice)

    keys = ["data", "timestamp", "type"]
    assert keys == list(json.loads(body))
    assert body == json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False)


def test_wrong_secret(serve, notice, clock):
    """A product that has another secret takes nothing, and says so."""
    product = serve()
    other = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="

    with pytest.raises(Declined, match="answered 401"):
        ProductWebhook(product.url, other, clock).carry(notice, lambda: None)

    assert (1, []) == (product.forged, product.seen)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_taken(serve, notice, clock, status):
    """Any 2xx means that the product has it."""
    assert f"the product answered {status}" == carry(serve(status).url, notice, clock)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_later(serve, notice, clock, status):
    """A product that is busy or broken is asked again later."""
    with pytest.raises(Deferred, match=f"answered {status}"):
        carry(serve(status).url, notice, clock)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_declined(serve, notice, clock, status):
    """Any other 4xx means that it would not be taken as things stand."""
    with pytest.raises(Declined, match=f"answered {status}"):
        carry(serve(status).url, notice, clock)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(serve, notice, clock, status):
    """The endpoint is what the settings name; a redirect is no receipt, and nobody else is told."""
    product = serve(status)

    with pytest.raises(Declined, match=f"answered {status}"):
        carry(product.url, notice, clock)

    assert 1 == len(product.paths)


@pytest.mark.parametrize("answer", [CUT, NOISE])
def test_answer_lost(serve, notice, clock, answer):
    """A connection that breaks, or an answer that is none, leaves open whether it arrived."""
    product = serve(answer)

    with pytest.raises(AnswerLost, match="the product gave no answer"):
        carry(product.url, notice, clock)

    assert 1 == len(product.seen)


def test_silence(serve, notice, clock):
    """A product that does not answer in time is no longer waited for."""
    with pytest.raises(AnswerLost, match="TimeoutError"):
        carry(serve(SILENCE).url, notice, clock, answer_seconds=0.3)


def test_nobody_listens(notice, clock):
    """Where nobody listens, nothing leaves."""
    left = []

    with pytest.raises(Unreachable, match="ConnectionRefusedError"):
        carry(f"http://127.0.0.1:{free_port()}/", notice, clock, lambda: left.append(1))

    assert [] == left


def test_no_tls_where_it_is_asked_for(serve, notice, clock):
    """An endpoint that does not speak TLS gets nothing when the address says https."""
    product = serve()

    with pytest.raises(Unreachable, match="SSLError"):
        carry(product.url.replace("http://", "https://"), notice, clock)

    assert [] == product.seen


def test_leaves_once_connected(serve, notice, clock):
    """The message is said to leave after the connection stands and before its first byte."""
    product = serve()
    seen_by_then = []

    carry(product.url, notice, clock, lambda: seen_by_then.append(len(product.paths)))

    assert [0] == seen_by_then


def test_e_mail_address_stays_here(sqlite_store):
    """A message holds the row's facts and nothing of the row's recipient."""
    row = stored(sqlite_store, put_notice(sqlite_store, email(), NOON_MS))

    assert "@" not in webhook_body(row)
