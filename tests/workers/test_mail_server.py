"""SMTP against a real server: what counts as taken, refused, later, out of reach, and lost."""

import contextlib
import shutil
import ssl
import subprocess

import pytest

from runtime.email_addresses import Mailbox
from tests.fakes.notice_rows import ADDRESS, email, put_notice, stored
from tests.fakes.scripted_mail_server import CUT, SILENCE, TAKEN_AND_CUT, ScriptedMailServer
from tests.free_ports import free_port
from workers.carrier_errors import AnswerLost, Deferred, Refused, Unreachable
from workers.mail_message import mail_message
from workers.mail_server import MailServer

SHOP = Mailbox(name="Shop", address="refunds@shop.example")
NEEDS_OPENSSL = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl makes the certificate"
)


@pytest.fixture
def notice(sqlite_store):
    """An e-mail as it comes from its row."""
    return stored(sqlite_store, put_notice(sqlite_store, email()))


@pytest.fixture
def serve():
    """Starts scripted mail servers that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(answers=None, **options):
            server = ScriptedMailServer(answers, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key, made for this run."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [
            *command.split(),
            *("-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def server_tls(certificate):
    """What a mail server with that certificate uses."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


class Steps:
    """Notes when a carrier says that the notice is leaving, and what the server had by then."""

    def __init__(self, server=None):
        self.server = server
        self.taken_before = []

    def __call__(self):
        self.taken_before.append(len(self.server.taken) if self.server else 0)


def carry(server, notice, *, url=None, **options):
    steps = Steps(server)
    answer = MailServer(url or server.url(), SHOP, **options).carry(notice, steps)
    return answer, steps.taken_before


def fails(kind, server, notice, **options):
    """The error's text, and how often the notice was said to leave."""
    steps = Steps(server)
    url = options.pop("url", None) or server.url()
    with pytest.raises(kind) as error:
        MailServer(url, SHOP, **options).carry(notice, steps)
    assert error.value.__cause__ is None
    assert ADDRESS not in str(error.value)
    return str(error.value), len(steps.taken_before)


def test_taken(serve, notice):
    """The e-mail arrives as it was made, and is said to leave just before it does."""
    server = serve()

    assert ("the mail server took it: 250 2.0.0", [0]) == carry(server, notice)

    assert [ADDRESS] == server.recipients
    assert [mail_message(notice, SHOP).as_bytes()] == server.taken
    (message,) = server.messages()
    assert "Your refund of 12.34 USD is approved (case 17)" == message["Subject"]


def test_login(serve, notice):
    """Login and password of the URL, percent signs undone, are what the server is told."""
    server = serve(login=("shop@relay", "p:a/s s"))
    url = f"smtp://shop%40relay:p%3Aa%2Fs%20s@127.0.0.1:{server.port}"

    carry(server, notice, url=url)

    assert [("shop@relay", "p:a/s s")] == server.logins
    assert 1 == len(server.taken)


def test_wrong_login(serve, notice):
    """A login that is refused says nothing about the e-mail: it waits until that is mended."""
    server = serve(login=("shop", "right"))

    said, left = fails(
        Unreachable, server, notice, url=f"smtp://shop:wr0ng@127.0.0.1:{server.port}"
    )

    assert ("SMTPAuthenticationError of the mail server: 535 5.7.8", 0) == (said, left)
    assert "wr0ng" not in said


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_refused_for_good(serve, notice, command):
    """A 5xx of any step is final; its code is kept, and its words, which may name people, are not."""
    server = serve({command: f"550 5.1.1 <{ADDRESS}>: user unknown"})

    said, _ = fails(Refused, server, notice)

    assert "the mail server refused it: 550 5.1.1" == said
    assert [] == server.taken


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_later(serve, notice, command):
    """A 4xx of any step means later."""
    server = serve({command: "451 4.7.1 Greylisted, come back"})

    said, _ = fails(Deferred, server, notice)

    assert "the mail server wants it later: 451 4.7.1" == said
    assert [] == server.taken


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_cut_before_anything_left(serve, notice, command):
    """A connection that breaks before DATA has taken nothing."""
    server = serve({command: CUT})

    said, left = fails(Unreachable, server, notice)

    assert ("the mail server cannot be reached: SMTPServerDisconnected", 0) == (said, left)


@pytest.mark.parametrize(("script", "arrived"), [(CUT, 0), (TAKEN_AND_CUT, 1)])
def test_cut_after_data(serve, notice, script, arrived):
    """A connection that breaks after DATA may have delivered: the answer is lost, whatever the truth."""
    server = serve({"DATA": script})

    said, left = fails(AnswerLost, server, notice)

    assert ("the mail server's answer was lost: SMTPServerDisconnected", 1) == (said, left)
    assert arrived == len(server.taken)


def test_silence_after_data(serve, notice):
    """A server that says nothing after DATA has lost its answer too."""
    server = serve({"DATA": SILENCE})

    said, left = fails(AnswerLost, server, notice, step_seconds=0.3)

    assert 1 == left
    assert "answer was lost" in said


def test_silence_before(serve, notice):
    """A server that says nothing before DATA is out of reach."""
    fails(Unreachable, serve({"MAIL": SILENCE}), notice, step_seconds=0.3)


def test_nobody_listens(notice):
    """Where nobody listens, nothing leaves."""
    said, left = fails(Unreachable, None, notice, url=f"smtp://127.0.0.1:{free_port()}")

    assert ("the mail server cannot be reached: ConnectionRefusedError", 0) == (said, left)


def test_no_starttls_elsewhere(serve, notice):
    """A server that is not on this machine and offers no STARTTLS gets neither login nor letter."""
    server = serve(login=("shop", "secret"))

    # The same machine, by a name that does not say so.
    url = server.url(host="127.1")
    said, left = fails(Unreachable, server, notice, url=url)

    assert ("the mail server offers no STARTTLS", 0) == (said, left)
    assert ([], []) == (server.logins, server.taken)


@NEEDS_OPENSSL
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_tls(serve, notice, server_tls, certificate, scheme):
    """With a certificate that is trusted, `smtp` upgrades by STARTTLS and `smtps` begins with TLS."""
    server = serve(tls=server_tls, tls_from_start=scheme == "smtps")
    trusting = ssl.create_default_context(cafile=certificate[0])

    carry(server, notice, url=server.url(scheme), tls=trusting)

    assert ([True], 1) == (server.secure, len(server.taken))


@NEEDS_OPENSSL
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_certificate_of_a_stranger(serve, notice, server_tls, scheme):
    """A certificate that nobody vouches for is refused, on this machine too: nothing leaves."""
    server = serve(tls=server_tls, tls_from_start=scheme == "smtps", login=("shop", "secret"))

    said, left = fails(Unreachable, server, notice, url=server.url(scheme))

    assert ("the mail server cannot be reached: SSLCertVerificationError", 0) == (said, left)
    assert ([], []) == (server.logins, server.taken)


@pytest.mark.parametrize("recipient", ["jörg@bücher.example", "pelé@example.org"])
def test_address_beyond_ascii(serve, sqlite_store, recipient):
    """An internationalised address goes out where the server takes such, and is refused elsewhere."""
    international = stored(sqlite_store, put_notice(sqlite_store, email(recipient=recipient)))
    willing, unwilling = serve(), serve(smtputf8=False)

    carry(willing, international)
    said, left = fails(Refused, unwilling, international)

    assert [recipient] == willing.recipients
    assert ("the mail server takes no address beyond ASCII (SMTPUTF8)", 0) == (said, left)


def test_dots_at_the_beginning_of_lines(serve, sqlite_store):
    """A line that begins with a dot neither ends the e-mail nor loses its dot."""
    title = ". " + "dots " * 30 + "."
    reasons = [{"id": "X", "title": title, "holds": True}]
    dotted = stored(sqlite_store, put_notice(sqlite_store, email(reasons=reasons)))
    server = serve()

    carry(server, dotted)

    (message,) = server.messages()
    assert f"- {title}" in message.get_body(("plain",)).get_content()
