"""The load: signed deliveries over keep-alive connections, from one cheap process.

`python -m tests.bench.load_generator --port 8000 --clients 32 --seconds 5` prints one JSON line. With
`--rate` the load is open: a delivery is due every 1/rate seconds whatever the server does, and its
time counts from when it was due, so that a stalled server cannot hide its stall.
"""

import argparse
import array
import gc
import hmac
import itertools
import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tests.bench.shop_events import ShopEvents

SECRET = "whsec_0123456789abcdef0123456789abcdef"
CONNECTIONS_MAX = 256
LAST_ANSWER_SECONDS_MAX = 20
PREPARED_PER_SECOND = 8_000
PREPARED_MAX = 80_000  # of 3.8 KB each
_HEAD = (
    b"POST /webhooks/stripe HTTP/1.1\r\nHost: bench.test\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nUser-Agent: Stripe/1.0 (bench)\r\n"
    b"Content-Length: %d\r\nStripe-Signature: t=%d,v1=%b\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What one run of the load came to; times in milliseconds, the generator's own CPU per request in µs."""

    seconds: float
    accepted: int
    failed: int
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    generator_us: float


def signed_requests(bodies: Iterator[bytes]) -> Iterator[bytes]:
    """Each body as one HTTP request, signed at the moment it is taken."""
    key = SECRET.encode()
    for body in bodies:
        now = int(time.time())
        digest = hmac.digest(key, b"%d.%b" % (now, body), "sha256").hex().encode()
        yield _HEAD % (len(body), now, digest) + body


class Load:
    """One run against `port`, its requests taken from `requests` one by one."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self._port = port
        self._requests = requests
        self._begun: dict[socket.socket, float] = {}
        self._received: dict[socket.socket, bytes] = {}
        self._milliseconds = array.array("d")
        self._failed = 0

    def closed(self, clients: int, seconds: float) -> Loaded:
        """`clients` connections, each sending its next delivery when the last one is answered."""
        connections = [self._connect() for _ in range(clients)]
        started, cpu = time.perf_counter(), time.process_time()
        ends = started + seconds
        for connection in connections:
            self._send(connection, time.perf_counter())
        poll = select.epoll()
        by_number = {connection.fileno(): connection for connection in connections}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while self._begun:
            ready = poll.poll(LAST_ANSWER_SECONDS_MAX)
            if not ready:
                break
            for number, _ in ready:
                connection = by_number[number]
                if self._answered(connection) and (now := time.perf_counter()) < ends:
                    self._send(connection, now)
        return self._result(started, cpu)

    def open(self, rate: float, seconds: float) -> Loaded:
        """A delivery every 1/`rate` seconds, on as many connections as that takes."""
        idle = deque(self._connect() for _ in range(8))
        started, cpu = time.perf_counter(), time.process_time()
        count, sent = round(rate * seconds), 0
        while sent < count or self._begun:
            now = time.perf_counter()
            due = started + sent / rate
            if sent < count and due <= now and (idle or len(self._begun) < CONNECTIONS_MAX):
                self._send(idle.popleft() if idle else self._connect(), due)
                sent += 1
                continue
            if now > started + seconds + LAST_ANSWER_SECONDS_MAX:
                break
            wait = max(0.0, due - now) if sent < count else 1.0
            ready, _, _ = select.select(list(self._begun), [], [], wait)
            idle.extend(connection for connection in ready if self._answered(connection))
        return self._result(started, cpu)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received[connection] = b""
        return connection

    def _send(self, connection: socket.socket, due: float) -> None:
        self._begun[connection] = due
        connection.sendall(next(self._requests))

    def _answered(self, connection: socket.socket) -> bool:
        """Take what has come; True when the answer is whole and the connection can be used again."""
        chunk = connection.recv(65536)
        received = self._received[connection] + chunk
        if chunk and not _whole(received):
            self._received[connection] = received
            return False
        due = self._begun.pop(connection)
        self._received[connection] = b""
        if received.startswith(b"HTTP/1.1 200 "):
            self._milliseconds.append((time.perf_counter() - due) * 1000)
            return True
        self._failed += 1
        return bool(chunk)

    def _result(self, started: float, cpu: float) -> Loaded:
        seconds = time.perf_counter() - started
        cpu_seconds = time.process_time() - cpu
        ordered = sorted(self._milliseconds)
        for connection in self._received:
            connection.close()
        return Loaded(
            seconds=round(seconds, 2),
            accepted=len(ordered),
            failed=self._failed + len(self._begun),
            per_second=round(len(ordered) / seconds, 1),
            p50_ms=round(quantile(ordered, 0.5), 2),
            p99_ms=round(quantile(ordered, 0.99), 2),
            max_ms=round(quantile(ordered, 1), 2),
            generator_us=round(cpu_seconds * 1e6 / max(1, len(ordered)), 1),
        )


def quantile(ordered: list[float], share: float) -> float:
    """The nearest-rank quantile of sorted values; 0 for none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _whole(received: bytes) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    named = received.lower().find(b"content-length: ", 0, end)
    if named < 0:
        return True
    length = int(received[named + 16 : received.index(b"\r", named)])
    return len(received) >= end + 4 + length


def main() -> None:
    """Run one load as the command line says and print what it came to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--events", choices=("charges", "mix"), default="charges")
    parser.add_argument("--run", type=int, required=True, help="Sets the ids; 0 to 65535.")
    given = parser.parse_args()
    shop = ShopEvents(given.run)
    bodies = getattr(shop, given.events)(int(time.time()))
    requests = signed_requests(bodies)
    # Made in advance, so that what runs beside the server is sending and receiving alone.
    count = (given.rate or PREPARED_PER_SECOND) * given.seconds
    prepared = list(itertools.islice(requests, min(PREPARED_MAX, round(count))))
    load = Load(given.port, itertools.chain(prepared, requests))
    gc.disable()  # a collection would show up as the server's latency
    loaded = (
        load.open(given.rate, given.seconds)
        if given.rate
        else load.closed(given.clients, given.seconds)
    )
    sys.stdout.write(json.dumps(asdict(loaded)))


if __name__ == "__main__":
    main()
