"""The command line as a person meets it: a real process in a real terminal of 80 columns, and the same piped."""

import contextlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl

import pytest

from ledger.inbox import store_events
from ledger.states import EventState
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import new_event, put_charge, reserve_refund

REDRESS = [sys.executable, "-c", "from ops.cli import main; main()"]
SECONDS_MAX = 30
COLUMNS = 80
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`redress` in a pseudo-terminal; `text` is everything that it has shown."""

    def __init__(self, environ, *args):
        self._screen, inside = pty.openpty()
        ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [*REDRESS, *args],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environ},
            start_new_session=True,
        )
        os.close(inside)
        self.text = ""

    def until(self, wanted):
        """Read until `wanted` has been shown."""
        ends = time.monotonic() + SECONDS_MAX
        while wanted not in self.text:
            assert time.monotonic() < ends, self.text
            if not self._read():
                break
        assert wanted in self.text, self.text

    def end(self):
        """Read to the end; the exit code."""
        while self._read():
            pass
        code = self.process.wait(SECONDS_MAX)
        os.close(self._screen)
        return code

    def interrupt(self):
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def lines(self):
        """What stands in the lines, without colours."""
        return [ESCAPES.sub("", line) for line in self.text.replace("\r", "\n").splitlines()]

    def _read(self):
        ready, _, _ = select.select([self._screen], [], [], 0.5)
        if not ready:
            return self.process.poll() is None
        with contextlib.suppress(OSError):  # the other side is closed
            got = os.read(self._screen, 65_536)
            self.text += got.decode()
            return bool(got)
        return False


@pytest.fixture
def environ(databases, tmp_path):
    """A ledger with a refund and parked events, and the variables that lead to it."""
    url = databases.url("sqlite")
    store = databases.store(url)
    with store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection, "ch_1")
        parked = [
            new_event(f"evt_{at:04}", state=EventState.PARKED, note="a long reason " * 9)
            for at in range(450)
        ]
        store_events(connection, parked, NOON_MS)
    return {"DATABASE_URL": url, "REDRESS_DATA": str(tmp_path)}


@pytest.fixture
def terminal(environ):
    """Runs one command in a terminal."""
    return lambda *args: Terminal(environ, *args)


@pytest.mark.parametrize(
    "args",
    [
        ("events", "list"),
        ("events", "show", "evt_0001"),
        ("events", "replays"),
        ("events", "backfill"),
        ("refunds", "list"),
        ("refunds", "show", "ch_1"),
        ("queue", "status"),
        ("replay", "--state", "parked"),
        ("doctor",),
        ("--help",),
        ("replay", "--help"),
    ],
    ids=" ".join,
)
def test_fits_eighty_columns(terminal, args):
    """Every line fits the terminal, and is coloured nowhere but by the terminal's own codes."""
    shown = terminal(*args)
    shown.end()

    assert shown.lines()
    assert [] == [line for line in shown.lines() if len(line) > COLUMNS]
    assert "Traceback" not in shown.text


def test_colour_goes_when_piped(terminal, environ):
    """In a terminal headings are bold; in a pipe there is no escape sequence at all, and no progress."""
    shown = terminal("replay", "--state", "parked")
    shown.end()
    piped = subprocess.run(
        [*REDRESS, "replay", "--state", "parked"],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environ},
        check=True,
    )

    assert "\x1b[1m" in shown.text
    assert "forecast of 450 of 450 events" in shown.text
    assert "\x1b" not in piped.stdout + piped.stderr
    assert "forecast of" not in piped.stdout + piped.stderr


def test_watch(terminal):
    """It shows itself anew in place, and ends by Ctrl-C as something that is done."""
    shown = terminal("watch")
    shown.until("Ctrl-C ends it.")
    shown.until("0.0/s in")
    shown.interrupt()

    assert 0 == shown.end()
    assert "450 parked" in shown.text
    assert [] == [line for line in shown.lines() if len(line) > COLUMNS]


def test_stopped_replay_says_how_to_go_on(terminal):
    """Ctrl-C in the middle of long work ends it with the command that goes on."""
    shown = terminal(
        "replay", "--state", "parked", "--run", "--reason", "a drill", "--per-second", "9999"
    )
    shown.until("200 put back")
    shown.interrupt()

    assert 1 == shown.end()
    assert "redress replay --resume 1" in " ".join(" ".join(shown.lines()).split())
    assert "Traceback" not in shown.text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(terminal, shell):
    """Each shell gets its script, and a key press the names that begin so."""
    shown = terminal("completion", shell)

    assert 0 == shown.end()
    assert "_REDRESS_COMPLETE" in shown.text


def test_completes_without_loading(environ):
    """Names come from the table at once, values from the option itself."""

    def completed(words, place):
        asked = {"_REDRESS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": place}
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", *REDRESS[1:]],
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            env={"PATH": os.environ["PATH"], **environ, **asked},
            check=False,
        )
        return ran.stdout.split(), ran.stderr

    names, loaded = completed("redress re", "1")
    values, _ = completed("redress events list --state p", "4")

    assert ["plain,replay", "plain,reconcile", "plain,refunds", "plain,requests"] == names
    assert "sqlalchemy" not in loaded
    assert ["plain,parked"] == values
