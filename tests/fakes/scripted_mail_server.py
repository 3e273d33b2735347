"""A real SMTP server on loopback that answers as a script says and keeps what it took."""

import ssl
import threading
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.free_ports import free_port

#: An answer that is none: the connection ends instead.
CUT = "cut"
#: No answer at all, until the other side gives up.
SILENCE = "silence"
#: The e-mail is taken, and then the connection ends before the answer.
TAKEN_AND_CUT = "taken and cut"


class ScriptedMailServer:
    """Listens on a free port. `answers` is by command (MAIL, RCPT, DATA): a reply, CUT and so on."""

    def __init__(
        self,
        answers: Mapping[str, str] | None = None,
        *,
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        tls_from_start: bool = False,
        smtputf8: bool = True,
    ) -> None:
        self.answers = dict(answers or {})
        self.taken: list[bytes] = []
        self.recipients: list[str] = []
        self.secure: list[bool] = []
        self.logins: list[tuple[str, str]] = []
        self._login = login
        self._over = threading.Event()
        self.port = free_port()
        options: dict[str, Any] = {"ssl_context": tls} if tls_from_start else {"tls_context": tls}
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            enable_SMTPUTF8=smtputf8,
            authenticator=self._authenticate,
            auth_require_tls=False,
            **options,
        )
        self._controller.start()

    def url(self, scheme: str = "smtp", host: str = "127.0.0.1") -> str:
        """The setting that leads here."""
        login = ":".join(self._login) + "@" if self._login else ""
        return f"{scheme}://{login}{host}:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._controller.stop()

    def messages(self) -> list[EmailMessage]:
        """What was taken, oldest first."""
        return [message_from_bytes(one, policy=policy.default) for one in self.taken]

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's names
        """MAIL FROM."""
        answer = await self._answer("MAIL", server)
        if self._login and not session.authenticated:
            answer = "530 5.7.0 Authentication required"
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        self.secure.append(server.transport.get_extra_info("ssl_object") is not None)
        return answer or "250 2.1.0 Ok"

    async def handle_RCPT(self, server, _session, envelope, address, _options):  # noqa: N802 - as above
        """RCPT TO."""
        answer = await self._answer("RCPT", server)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 2.1.5 Ok"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802 - as above
        """The e-mail has come in whole."""
        script = self.answers.get("DATA")
        if script in (None, TAKEN_AND_CUT):
            self.taken.append(envelope.content)
            self.recipients += envelope.rcpt_tos
        return await self._answer("DATA", server) or "250 2.0.0 Ok: queued"

    async def _answer(self, command: str, server: Any) -> str | None:
        script = self.answers.get(command)
        if script in (CUT, TAKEN_AND_CUT):
            server.transport.abort()
            return "421 gone"
        if script == SILENCE:
            await server.loop.run_in_executor(None, self._over.wait, 10)
            return "421 gone"
        return script

    def _authenticate(self, _server, _session, _envelope, _mechanism, given):
        assert isinstance(given, LoginPassword)
        login = (given.login.decode(), given.password.decode())
        self.logins.append(login)
        return AuthResult(success=login == self._login, handled=False)
