"""The sandbox over HTTP on loopback: a thread per connection, keep-alive, no delay.

The standard library's server is used because faults must reach the socket: an answer that never
comes, a connection reset, a body cut in half. Run by hand with
`python -m ops.sandbox.sandbox_server --port 8002 --data var`.
"""

import argparse
import contextlib
import random
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from ops.sandbox import faults as faulting
from ops.sandbox.book import Book
from ops.sandbox.connected_accounts import ConnectedAccounts
from ops.sandbox.stripe_stand_in import Answer, Control, SandboxStripe
from runtime.clock import SystemClock

# Far more than any call of Stripe's API carries.
_BODY_BYTES_MAX = 1024 * 1024
_FIELDS_MAX = 2000
_TICK_SECONDS = 0.1
# SO_LINGER with a time of 0 makes close() send RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class SandboxServer:
    """Serves one SandboxStripe on 127.0.0.1; `port` 0 takes a free one (see `url`)."""

    def __init__(
        self,
        sandbox: SandboxStripe,
        port: int = 0,
        *,
        controls: Mapping[tuple[str, str], Control] | None = None,
        accounts: ConnectedAccounts | None = None,
    ) -> None:
        sandbox.controls.update(controls or {})
        self._sandbox = sandbox
        self._accounts = accounts
        self._stopping = threading.Event()
        self._http = _HttpServer(("127.0.0.1", port), _Handler)
        self._http.sandbox = sandbox
        self._http.accounts = accounts
        self._http.stopping = self._stopping
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._tick, daemon=True),
        ]

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The address to give a client, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to serve, in threads of this process."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop serving, break off stalled answers, and close every connection."""
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.close_connections()
        for thread in self._threads:
            thread.join()

    def wait(self) -> None:
        """Block until `stop`."""
        self._stopping.wait()

    def _tick(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            self._sandbox.tick()
            for connected in [] if self._accounts is None else self._accounts.every_sandbox():
                connected.tick()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    sandbox: SandboxStripe
    accounts: ConnectedAccounts | None
    stopping: threading.Event

    def sandbox_for(self, headers: Mapping[str, str]) -> SandboxStripe | Answer:
        """Whom a request is about, or its refusal."""
        if self.accounts is None:
            return self.sandbox
        return self.accounts.sandbox_for(self.sandbox, headers)

    def __init__(self, address: tuple[str, int], handler: type["_Handler"]) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up; a mistake of the sandbox's own is printed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def close_connections(self) -> None:
        with self._connections_lock:
            open_now = list(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Buffered, so that headers and body leave in one packet.
    wbufsize = -1
    server: _HttpServer

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: the request log is at /sandbox/requests."""

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _BODY_BYTES_MAX:
            self.close_connection = True
            self._send(_plain(413, "The body is too large or of unknown length."))
            return
        body = self.rfile.read(int(length))
        target = urlsplit(self.path)
        try:
            self._send(self._answer(target.path, target.query, body))
        except faulting.NoAnswer as fault:
            self.server.stopping.wait(fault.seconds)
            self.close_connection = True
        except faulting.ConnectionBroken:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.close_connection = True
            self.connection.close()
        except faulting.StalledAnswer as fault:
            self.server.stopping.wait(fault.seconds)
            self._send(fault.answer)

    def _answer(self, path: str, query: str, body: bytes) -> Answer:
        headers = dict(self.headers.items())
        sandbox = self.server.sandbox_for(headers)
        if isinstance(sandbox, Answer):
            return sandbox
        if path.startswith("/sandbox/"):
            return self._control(sandbox, path, query, body)
        try:
            text = query if self.command == "GET" else body.decode() or query
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
        except ValueError:
            return _plain(400, "The body is not form-encoded text.")
        return sandbox.request(self.command, path, pairs, headers)

    def _control(self, sandbox: SandboxStripe, path: str, query: str, body: bytes) -> Answer:
        try:
            given = orjson.loads(body) if body else dict(parse_qsl(query))
        except ValueError:
            return _plain(400, "The body is not JSON.")
        return sandbox.control(self.command, path, given, dict(self.headers.items()))

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()


def serve(data: Path | None, port: int, seed: int | None = None) -> SandboxServer:
    """Return a started server over `data`/sandbox.db (None: in memory); `seed` fixes all ids."""
    book = Book(None if data is None else data / "sandbox.db")
    rng = random.Random(seed)
    server = SandboxServer(SandboxStripe(book, SystemClock(), rng), port)
    server.start()
    return server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A stand-in for Stripe's API, on loopback.")
    parser.add_argument("--port", type=int, default=8002)
    parser.add_argument("--data", type=Path, default=Path("var"))
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    server = serve(given.data, given.port, given.seed)
    try:
        server.wait()
    except KeyboardInterrupt:
        server.stop()


def _plain(status: int, message: str) -> Answer:
    body = orjson.dumps({"error": {"type": "invalid_request_error", "message": message}})
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=body)


if __name__ == "__main__":
    main()
