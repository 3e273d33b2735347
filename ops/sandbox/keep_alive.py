"""One kept-alive HTTP/1.1 connection per thread and host, for what the sandbox sends out.

Both the deliveries to a merchant's endpoint and the calls of the played shop go through here.
Proxies of the environment are ignored on purpose: everything the sandbox talks to is on loopback.
"""

import http.client
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What the other side answered: HTTP status and raw body."""

    status: int
    body: bytes


class HttpUnanswered(Exception):
    """The other side gave no complete HTTP answer: refused, timed out, reset or spoke nonsense."""


class KeepAliveClient:
    """Sends HTTP requests; each calling thread keeps its own connection per host open.

    `timeout_seconds` bounds connecting and each wait for bytes. Redirects are not followed.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._mine = threading.local()

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> HttpAnswer:
        """Send one request and read the whole answer; raises HttpUnanswered.

        A kept connection may have been closed by the other side while it was idle. That shows
        only when it is used, so a request that fails on a used connection before any byte of an
        answer is sent once more on a new one.
        """
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection, used = self._connection(parts.scheme, parts.netloc)
        try:
            try:
                return _exchange(connection, method, target, body, headers)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if not used:
                    raise
                return _exchange(connection, method, target, body, headers)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise HttpUnanswered(f"{type(error).__name__} from {parts.netloc}") from error

    def close(self) -> None:
        """Close the calling thread's connections."""
        for connection in self._kept().values():
            connection.close()
        self._kept().clear()

    def _connection(self, scheme: str, netloc: str) -> tuple[http.client.HTTPConnection, bool]:
        kept = self._kept().get((scheme, netloc))
        if kept is not None:
            return kept, kept.sock is not None
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        connection = kind(netloc, timeout=self._timeout_seconds)
        self._kept()[scheme, netloc] = connection
        return connection, False

    def _kept(self) -> dict[tuple[str, str], http.client.HTTPConnection]:
        if not hasattr(self._mine, "kept"):
            self._mine.kept = {}
        kept: dict[tuple[str, str], http.client.HTTPConnection] = self._mine.kept
        return kept


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> HttpAnswer:
    connection.request(method, target, body, dict(headers))
    answer = connection.getresponse()
    return HttpAnswer(status=answer.status, body=answer.read())
