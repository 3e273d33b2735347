"""`redress` under any command line: an exit code of three, sentences, and no traceback."""

import json
import re
import sqlite3
from collections import Counter
from pathlib import Path

from click.testing import CliRunner, Result

from ledger.engine import Store
from ledger.inbox import store_events
from ledger.schema import migrate
from ledger.states import EventState, IntentState
from ops.cli import cli
from ops.operator_context import OperatorContext
from tests.fakes.frozen_clock import NOON_MS, FrozenClock
from tests.fakes.ledger_rows import new_event, put_charge, reserve_refund
from tests.fuzz.command_lines import Line, command_line

#: What could move a terminal's cursor, change its colours or forge a line.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class CommandLineTarget:
    """The commands over a SQLite ledger with a few rows, put back before each line; Redis is away."""

    packages = ("ledger", "ops", "policy")

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._file = folder / "ledger.db"
        self._clock = FrozenClock()
        self._environ = {"DATABASE_URL": f"sqlite:///{self._file}", "REDRESS_DATA": str(folder)}
        _fill(self._environ["DATABASE_URL"])
        with sqlite3.connect(self._file) as connection:
            self._image = connection.serialize()
        connection.close()
        self._put_back()
        self._before = self._content()

    def close(self) -> None:
        """Nothing is open."""

    def missing(self) -> list[str]:
        """Every exit code must occur."""
        return [f"exit {code}" for code in range(3) if not self.counts[f"exit {code}"]]

    def seeds(self) -> list[bytes]:
        """Each command in its plainest form."""
        return [bytes([1, number, 0, 0, 1]) for number in range(13)]

    def describe(self, data: bytes) -> str:
        """The line, and what it prints."""
        line = command_line(data)
        ran = self._run(line)
        return f"redress {line.args!r}\nexit {ran.exit_code}\n{ran.stdout!r}\n{ran.stderr!r}"

    def check(self, data: bytes) -> None:
        """Raise AssertionError unless the line is answered as the command line promises."""
        line = command_line(data)
        self._put_back()
        ran = self._run(line)
        assert isinstance(ran.exception, SystemExit | None), repr(ran.exception)
        assert ran.exit_code in {0, 1, 2}
        assert "Traceback" not in ran.output
        assert "Unexpected error" not in ran.output, ran.stderr
        for text in (ran.stdout, ran.stderr):
            shown = _CONTROL.search(text)
            assert shown is None, f"prints {shown[0]!r}: {text[:200]!r}"
        self._check_code(line, ran)
        if line.reads_only:
            assert self._before == self._content(), "a reading command wrote"
        self.counts[f"exit {ran.exit_code}"] += 1

    def _check_code(self, line: Line, ran: Result) -> None:
        lines = ran.stderr.splitlines()
        if ran.exit_code == 2 and "Usage: " not in ran.stderr:
            assert 1 == len(lines), lines
            assert lines[0].endswith("--help`."), lines
            if line.blames_one_option and "UTF-8" not in lines[0]:
                assert line.options[0][0] in lines[0], lines
        if ran.exit_code == 1 and line.command != ("doctor",):
            assert lines
            assert all(one.startswith("redress: ") for one in lines), lines
        # What follows a bare `--` is no option any more.
        options = line.args[: line.args.index("--")] if "--" in line.args else line.args
        wants_json = ("--json", None) in line.options and "--json" in options
        if ran.exit_code == 0 and wants_json and "Usage: " not in ran.stdout:
            assert isinstance(json.loads(ran.stdout), dict)

    def _run(self, line: Line) -> Result:
        operator = OperatorContext(environ=self._environ, clock=self._clock)
        return CliRunner().invoke(cli, list(line.args), obj=operator)

    def _put_back(self) -> None:
        for beside in ("-wal", "-shm"):
            Path(f"{self._file}{beside}").unlink(missing_ok=True)
        self._file.write_bytes(self._image)

    def _content(self) -> bytes:
        connection = sqlite3.connect(self._file)
        try:
            return connection.serialize()
        finally:
            connection.close()


def _fill(url: str) -> None:
    """A few rows, one of them with all that a stranger could write into a note or a type."""
    store = Store(url)
    migrate(store)
    hostile = "\x1b[31m\x9b1m\u202e\r\n\t[bold]x[/bold] buyer@shop.example"
    with store.write() as connection:
        store_events(
            connection,
            [
                new_event("evt_1"),
                new_event("evt_2", state=EventState.PARKED, note=hostile),
                new_event("evt_hostile", type="charge.*", object_id="ch_0", lane="cus_1"),
                new_event("evt_4", payload=b"\xff\x00", state=EventState.PARKED, created=2**53),
            ],
            NOON_MS,
        )
        for number, state in enumerate((IntentState.RESERVED, IntentState.OBSERVED)):
            put_charge(connection, f"ch_{number}")
            reserve_refund(connection, f"ch_{number}", state=state)
    store.close()
