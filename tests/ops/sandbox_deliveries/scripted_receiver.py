"""A real webhook endpoint on loopback that answers as a script says and remembers what came."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson


class ScriptedReceiver:
    """Listens on a free port; `answer(event, times_seen)` gives a status, or None to stay silent."""

    def __init__(self, answer: Callable[[dict, int], int | None] = lambda _event, _seen: 200):
        self.seen: list[tuple[dict, bytes, str]] = []
        self.connections: set[tuple[str, int]] = set()
        self._answer = answer
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver._take(body, self.headers["Stripe-Signature"], self.client_address)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/stripe"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def ids(self):
        """The ids of the events in the order in which they came."""
        with self._lock:
            return [event["id"] for event, _, _ in self.seen]

    def wait_for(self, truth: Callable[[], bool], seconds: float = 20):
        """Poll until `truth()`; AssertionError when the time ran out."""
        until = time.monotonic() + seconds
        while not truth():
            assert time.monotonic() < until, f"still not true after {seconds} s"
            time.sleep(0.01)  # noqa: TID251 - bounded polling of real threads

    def _take(self, body, signature, address):
        event = orjson.loads(body)
        with self._lock:
            self.seen.append((event, body, signature))
            self.connections.add(address)
            times = sum(1 for known, _, _ in self.seen if known["id"] == event["id"])
        return self._answer(event, times)
