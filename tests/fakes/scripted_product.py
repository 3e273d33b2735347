"""A real webhook endpoint of a product, which checks signatures as Standard Webhooks' own library does."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

#: Instead of a status: the connection ends without an answer.
CUT = "cut"
#: The answer comes after two seconds.
SILENCE = "silence"
#: An answer that is no HTTP.
NOISE = "noise"


class ScriptedProduct:
    """Listens on a free port. `answer(message, times_seen)` is a status, or one of the words above."""

    def __init__(self, answer: Callable[[dict[str, Any], int], Any] = lambda _message, _seen: 204):
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.forged = 0
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._answer = answer
        self._over = threading.Event()
        product = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                product._take(self)

            def do_GET(self):
                product._take(self)

            def log_message(self, *_args):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/redress?from=tests"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        """Stop listening."""
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def ids(self):
        """The messages' ids in the order in which they came, repeats included."""
        return [message_id for message_id, _ in self.seen]

    def _take(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.headers.append(headers)
        self.paths.append(f"{request.command} {request.path}")
        try:
            message = Webhook(SECRET).verify(body, headers)
        except WebhookVerificationError:
            self.forged += 1
            request.send_error(401)
            return
        self.seen.append((headers["webhook-id"], message))
        self._say(request, self._answer(message, self.ids().count(headers["webhook-id"])))

    def _say(self, request, answer):
        if answer == SILENCE:
            self._over.wait(2)
            answer = 204
        if answer == NOISE:
            request.wfile.write(b"\x00\x01 no HTTP\r\n\r\n")
        if answer in (CUT, NOISE):
            request.close_connection = True
            return
        request.send_response(answer)
        if answer in range(300, 400):
            request.send_header("Location", "/elsewhere")
        request.send_header("Content-Length", "6")
        request.end_headers()
        request.wfile.write(b"secret")
