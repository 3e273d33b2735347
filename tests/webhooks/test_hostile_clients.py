"""Senders that lie, flood or dawdle over raw sockets: right status, little memory, others served."""

import contextlib
import gzip
import select
import socket
import threading
import time

import pytest

from runtime import limits
from tests.webhooks.signed_events import JSON_TYPE, event_body, http_request, new_id
from tests.webhooks.web_process import read_answer

MIB = 1024 * 1024
GROWTH_BYTES_MAX = 16 * MIB


def head(*lines, path="/webhooks/stripe"):
    first = [f"POST {path} HTTP/1.1", "Host: redress.test", f"Content-Type: {JSON_TYPE}"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def flood(web, start, block, bytes_max):
    """Send `start`, then `block` again and again until refused; status and bytes sent."""
    sent = 0
    with web.connect(5) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(start)
            while sent < bytes_max and not select.select([connection], [], [], 0)[0]:
                connection.sendall(block)
                sent += len(block)
        return read_answer(connection)[0], sent


@pytest.fixture(scope="module")
def warm(web):
    """A web process that has served before, so that growth is not start-up."""
    for _ in range(20):
        web.ask(http_request(event_body(id=new_id())))
    web.ask(b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
    return web


BLOCK = b"x" * 65536
CHUNK = b"10000\r\n" + BLOCK + b"\r\n"


@pytest.mark.parametrize(
    ("start", "block", "expected"),
    [
        pytest.param(head("Content-Length: 10737418240"), BLOCK, {413}, id="10 GB declared"),
        pytest.param(head(f"Content-Length: {MIB + 1}"), BLOCK, {413}, id="one byte too many"),
        pytest.param(head(f"Content-Length: {'9' * 30}"), BLOCK, {400, 413}, id="30 digits"),
        pytest.param(head("Transfer-Encoding: chunked"), CHUNK, {413}, id="endless chunks"),
        pytest.param(
            head("Transfer-Encoding: chunked", path="/health/live"), CHUNK, {413}, id="elsewhere"
        ),
        pytest.param(head("Content-Length: -1"), BLOCK, {400}, id="negative length"),
        pytest.param(
            head("Content-Length: 5", "Content-Length: 6"), BLOCK, {400}, id="two lengths"
        ),
        pytest.param(head("Transfer-Encoding: gzip"), BLOCK, {400}, id="unknown transfer encoding"),
        pytest.param(
            head("Content-Encoding: gzip", "Content-Length: 100000"),
            gzip.compress(b"\0" * 50 * MIB),
            {415},
            id="gzip bomb",
        ),
        pytest.param(
            head(*[f"X-{number}: 1" for number in range(1000)]), b"", {431}, id="1,000 headers"
        ),
        pytest.param(head("X-Long: " + "x" * MIB), b"", {431}, id="1 MB header"),
        pytest.param(head("Stripe-Signature: " + "v1=0," * 3000), b"", {400}, id="15 KB signature"),
        pytest.param(b"POST " + b"/" * MIB, b"", {400, 414, 431}, id="1 MB path"),
        pytest.param(
            b"\x16\x03\x01\x02\x00\x01\x00\x01" * 20, b"", {400}, id="TLS on a plain port"
        ),
    ],
)
def test_sizes_and_lies(warm, start, block, expected):
    """A request that is too much or malformed is refused at once, with little read and kept (F15)."""
    before = warm.rss_bytes()

    status, sent = flood(warm, start, block, 200 * MIB if block else 0)

    assert status in expected
    assert sent < 64 * MIB
    assert warm.rss_bytes() - before < GROWTH_BYTES_MAX
    assert 200 == warm.ask(http_request(event_body(id=new_id())))[0]


@pytest.mark.parametrize("size", [0, 1, 1000, 16 * 1024, 16 * 1024 + 1, MIB - 1, MIB])
@pytest.mark.parametrize("chunked", [False, True])
def test_unsigned_bodies_of_any_size(warm, size, chunked):
    """Up to the cap every size is read and, unsigned, answered 400, with a length or in chunks."""
    body = b"x" * size
    raw = head(f"Content-Length: {size}") + body
    if chunked:
        raw = head("Transfer-Encoding: chunked") + (b"%x\r\n%b\r\n" % (size, body) if size else b"")
        raw += b"0\r\n\r\n"

    assert 400 == warm.ask(raw)[0]


def test_large_signed_event(warm):
    """An event of nearly a megabyte is stored, with a length or in chunks, byte for byte."""
    body = event_body(id=new_id(), data={"object": {"id": "ch_1", "note": "x" * 1_000_000}})
    other = body.replace(b"x" * 10, b"y" * 10)
    length = b"Content-Length: %d\r\n" % len(other)
    chunked = http_request(other).replace(length, b"Transfer-Encoding: chunked\r\n")
    start, _, content = chunked.partition(b"\r\n\r\n")
    pieces = [content[place : place + 7000] for place in range(0, len(content), 7000)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)

    statuses = [
        warm.ask(http_request(body))[0],
        warm.ask(start + b"\r\n\r\n" + chunks + b"0\r\n\r\n")[0],
    ]

    assert [200, 200] == statuses
    assert body in {bytes(row.payload) for row in warm.rows()}


def push(connections, bytes_each, seconds):
    """Send up to `bytes_each` on every connection, as far as the other side takes it."""
    left = dict.fromkeys(connections, bytes_each)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for connection in select.select([], connections, [], 0.05)[1]:
            with contextlib.suppress(BlockingIOError):
                left[connection] -= connection.send(BLOCK[: left[connection]])
    return sum(bytes_each - rest for rest in left.values())


def test_many_large_bodies_at_once(warm):
    """100 megabyte bodies that stall before their end hold no more memory than the places allow."""
    before = warm.rss_bytes()
    with contextlib.ExitStack() as open_ones:
        connections = [open_ones.enter_context(warm.connect()) for _ in range(100)]
        for connection in connections:
            connection.settimeout(0)
            connection.sendall(head(f"Content-Length: {MIB}"))
        push(connections, MIB - 1, seconds=3)
        small = warm.ask(http_request(event_body(id=new_id())))[0]
        growth = warm.rss_bytes() - before

    assert 200 == small
    assert growth < GROWTH_BYTES_MAX


class Drip:
    """Connections that send `start` and then a byte a second each, for ever."""

    def __init__(self, web, count, start):
        self._connections = [web.connect() for _ in range(count)]
        for connection in self._connections:
            connection.sendall(start)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(1):
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.send(b"x")

    def close(self):
        self._stop.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()


@pytest.mark.parametrize(
    ("count", "start"),
    [
        pytest.param(120, head("Content-Length: 3000", "Stripe-Signature: t=1"), id="body"),
        pytest.param(120, head("Content-Length: 500000"), id="large body"),
        pytest.param(120, head("Transfer-Encoding: chunked") + b"fffff\r\n", id="chunk"),
        pytest.param(120, b"POST /webhooks/stripe HTTP/1.1\r\nX-Slow: ", id="headers"),
        pytest.param(1000, b"", id="1,000 idle ones"),
        pytest.param(120, head("Content-Length: 3000", path="/health/ready"), id="another path"),
    ],
)
def test_slow_clients(warm, count, start):
    """While slow clients hang on, 99 of 100 valid deliveries are answered within a second (F16)."""
    before = warm.rss_bytes()
    drip = Drip(warm, count, start)
    try:
        seconds = []
        for _ in range(100):
            began = time.monotonic()
            status, _ = warm.ask(http_request(event_body(id=new_id())))
            seconds.append(time.monotonic() - began if status == 200 else 99)
        growth = warm.rss_bytes() - before
    finally:
        drip.close()

    assert sorted(seconds)[98] < 1
    assert growth < GROWTH_BYTES_MAX * max(1, count / 500)  # an idle connection costs 16 KB


def test_slow_body_ends(warm):
    """A body that is not there in time is answered 408 and its connection is closed."""
    with warm.connect(limits.BODY_SECONDS_MAX + 10) as connection:
        connection.sendall(head("Content-Length: 3000") + b"x")
        status, received = read_answer(connection)
        rest = connection.recv(1)

    assert (408, b"") == (status, rest)
    assert b"body_too_slow" in received


def test_answers_never_read(warm):
    """Clients that send on and never read their answers are left waiting alone, at little memory."""
    before = warm.rss_bytes()
    raw = http_request(event_body())
    with contextlib.ExitStack() as open_ones:
        for _ in range(50):
            connection = open_ones.enter_context(warm.connect())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                for _ in range(200):
                    connection.sendall(raw)
        began = time.monotonic()
        status = warm.ask(http_request(event_body(id=new_id())), 30)[0]
        took = time.monotonic() - began

    assert 200 == status
    assert took < 20
    assert warm.rss_bytes() - before < GROWTH_BYTES_MAX


def test_broken_off(warm):
    """Senders that break off in the middle leave nothing behind but a closed socket."""
    stored = warm.events_stored()
    raw = http_request(event_body(id=new_id()))

    for end in range(1, len(raw), max(1, len(raw) // 60)):
        with warm.connect() as connection:
            connection.sendall(raw[:end])

    assert (200, stored + 1) == (warm.ask(raw)[0], warm.events_stored())
