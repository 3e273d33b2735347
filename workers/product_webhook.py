"""Tells the product by webhook: one signed POST, as Standard Webhooks has it.

Source: https://www.standardwebhooks.com. The message's id comes from the notice's key and its body from
the row, so every try of one notice is the same message and a receiver drops what it has. Redirects are
not followed, and what a receiver answers beyond its status is not read.
"""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit, urlunsplit

from standardwebhooks import Webhook

from ledger.notices import Notice
from policy.canonical_json import dump_canonical, load_strict
from runtime.clock import Clock
from runtime.limits import WEBHOOK_ANSWER_SECONDS_MAX, WEBHOOK_CONNECT_SECONDS_MAX
from workers.carrier_errors import AnswerLost, Declined, Deferred, Unreachable
from workers.mail_message import notice_digest

_DONE = range(200, 300)
#: Of the client errors those that say "later": a time-out of the receiver's and its rate limit.
_LATER = frozenset({408, 425, 429})
_SERVER_ERRORS = 500


class ProductWebhook:
    """The product's endpoint."""

    def __init__(
        self,
        url: str,
        secret: str,
        clock: Clock,
        *,
        merchant: str = "",
        tls: ssl.SSLContext | None = None,
        answer_seconds: float = WEBHOOK_ANSWER_SECONDS_MAX,
    ) -> None:
        """`url` and `secret` as the settings checked them; `tls` by default trusts the system's roots.

        `answer_seconds` is how long the product may take for its answer.
        """
        self._url: SplitResult = urlsplit(url)
        self._signer = Webhook(secret)
        self._clock = clock
        self._merchant = merchant
        self._tls = tls
        self._answer_seconds = answer_seconds

    def carry(self, notice: Notice, leaving: Callable[[], None]) -> str:
        """Post one message; returns the status in words. Raises CarrierError."""
        body = webhook_body(notice)
        headers = self._headers(notice, body)
        connection = self._connection()
        try:
            try:
                connection.connect()
            except OSError as error:
                name = type(error).__name__
                raise Unreachable(f"the product cannot be reached: {name}") from None
            connection.sock.settimeout(self._answer_seconds)
            leaving()
            return _words(self._post(connection, body, headers))
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "http":
            return HTTPConnection(host, port, timeout=WEBHOOK_CONNECT_SECONDS_MAX)
        context = self._tls or ssl.create_default_context()
        return HTTPSConnection(host, port, timeout=WEBHOOK_CONNECT_SECONDS_MAX, context=context)

    def _headers(self, notice: Notice, body: str) -> dict[str, str]:
        message_id = f"msg_{notice_digest(notice.key, self._merchant)}"
        # The moment of this try, so that a late one is not taken for a replay.
        now = datetime.fromtimestamp(self._clock.now_ms() // 1000, UTC)
        return {
            "Content-Type": "application/json",
            "User-Agent": "redress",
            "Connection": "close",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body),
        }

    def _post(self, connection: HTTPConnection, body: str, headers: dict[str, str]) -> int:
        target = urlunsplit(("", "", self._url.path or "/", self._url.query, ""))
        try:
            connection.request("POST", target, body.encode(), headers)
            with connection.getresponse() as response:
                return response.status
        except (OSError, HTTPException) as error:
            raise AnswerLost(f"the product gave no answer: {type(error).__name__}") from None


def webhook_body(notice: Notice) -> str:
    """The message: its type, when it happened, and the facts, as canonical JSON."""
    happened = datetime.fromtimestamp(notice.created_ms / 1000, UTC)
    return dump_canonical(
        {
            "type": notice.event,
            "timestamp": happened.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": load_strict(notice.content),
        }
    )


def _words(status: int) -> str:
    if status in _DONE:
        return f"the product answered {status}"
    if status in _LATER or status >= _SERVER_ERRORS:
        raise Deferred(f"the product answered {status}")
    raise Declined(f"the product answered {status}")
