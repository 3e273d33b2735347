"""Hands an e-mail to a mail server over SMTP, one connection each.

`smtps://` is TLS from the start. `smtp://` demands STARTTLS, unless the server is on this machine: a
server (or somebody between) that offers none gets neither login nor letter. Certificates are verified.
Nothing counts as left before DATA; an answer that is lost after it means that the e-mail may arrive.
"""

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

from ledger.notices import Notice
from runtime.email_addresses import Mailbox
from runtime.limits import SMTP_STEP_SECONDS_MAX
from runtime.setting_values import is_loopback
from workers.carrier_errors import AnswerLost, Deferred, Refused, Unreachable
from workers.mail_message import mail_message

_PERMANENT = 500  # RFC 5321, 4.2.1
_DONE = range(200, 300)

#: RFC 3463's enhanced code, the only part of a server's words that is kept: the rest may name people.
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?!\d)")


class MailServer:
    """One mail server and whom its e-mails are from."""

    def __init__(
        self,
        url: str,
        sender: Mailbox,
        *,
        merchant: str = "",
        tls: ssl.SSLContext | None = None,
        step_seconds: float = SMTP_STEP_SECONDS_MAX,
    ) -> None:
        """`url` as `parse_smtp_url` checked it; `tls` by default trusts the system's roots.

        `step_seconds` is how long each answer of the server may take.
        """
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls_from_start = parts.scheme == "smtps"
        self._port = parts.port or (smtplib.SMTP_SSL_PORT if self._tls_from_start else 587)
        self._login = (unquote(parts.username or ""), unquote(parts.password or ""))
        self._sender = sender
        self._merchant = merchant
        self._tls = tls
        self._step_seconds = step_seconds

    def carry(self, notice: Notice, leaving: Callable[[], None]) -> str:
        """Hand one e-mail over; returns the server's code. Raises CarrierError."""
        message = mail_message(notice, self._sender, self._merchant)
        recipient = str(notice.recipient)
        with self._connected() as server:
            with _nothing_left():
                self._introduce(server)
                self._address(server, recipient)
            leaving()
            return _hand_over(server, message.as_bytes())

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        with _nothing_left():
            server = self._open()
        try:
            yield server
            # Only after a success: a server that has fallen silent would be waited for once more.
            with suppress(OSError):
                server.quit()
        finally:
            server.close()

    def _open(self) -> smtplib.SMTP:
        # Named by the sender's domain: by default the machine's own name is looked up, which can hang.
        named = self._sender.domain
        if self._tls_from_start:
            return smtplib.SMTP_SSL(
                self._host,
                self._port,
                local_hostname=named,
                timeout=self._step_seconds,
                context=self._tls or ssl.create_default_context(),
            )
        return smtplib.SMTP(
            self._host, self._port, local_hostname=named, timeout=self._step_seconds
        )

    def _introduce(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if not self._tls_from_start:
            if server.has_extn("starttls"):
                server.starttls(context=self._tls or ssl.create_default_context())
            elif not is_loopback(self._host):
                raise Unreachable("the mail server offers no STARTTLS")
        if self._login[0]:
            server.login(*self._login)

    def _address(self, server: smtplib.SMTP, recipient: str) -> None:
        options = []
        server.ehlo_or_helo_if_needed()  # once more after STARTTLS (RFC 3207, 4.2)
        if not recipient.isascii():
            if not server.has_extn("smtputf8"):
                raise Refused("the mail server takes no address beyond ASCII (SMTPUTF8)")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        _require_taken(*server.mail(self._sender.address, options))
        _require_taken(*server.rcpt(recipient))


def _hand_over(server: smtplib.SMTP, content: bytes) -> str:
    try:
        code, reply = server.data(content)
    except smtplib.SMTPDataError as error:  # refused before the first line of the e-mail
        code, reply = error.smtp_code, _as_bytes(error.smtp_error)
    except OSError as error:  # smtplib's own errors are OSErrors
        raise AnswerLost(_lost(error)) from None
    if code < 0:
        raise AnswerLost("the mail server's answer was none")
    _require_taken(code, reply)
    return f"the mail server took it: {_codes(code, reply)}"


@contextmanager
def _nothing_left() -> Iterator[None]:
    """Errors of a connection, before anything left, as Unreachable."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        code = _codes(error.smtp_code, _as_bytes(error.smtp_error))
        raise Unreachable(f"{type(error).__name__} of the mail server: {code}") from None
    except OSError as error:
        raise Unreachable(f"the mail server cannot be reached: {type(error).__name__}") from None


def _require_taken(code: int, reply: bytes) -> None:
    if code in _DONE:
        return
    if code >= _PERMANENT:
        raise Refused(f"the mail server refused it: {_codes(code, reply)}")
    raise Deferred(f"the mail server wants it later: {_codes(code, reply)}")


def _lost(error: OSError) -> str:
    return f"the mail server's answer was lost: {type(error).__name__}"


def _codes(code: int, reply: bytes) -> str:
    """The code and, if the reply begins with it, the enhanced code."""
    enhanced = _ENHANCED.match(reply)
    return f"{code} {enhanced[0].decode()}" if enhanced else str(code)


def _as_bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode("ascii", "replace")
