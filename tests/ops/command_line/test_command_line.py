"""The command line as a whole: fast help, exit codes, sentences instead of tracebacks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from ops.cli import COMMANDS, cli
from ops.cli_reference import reference
from ops.operator_context import OperatorContext

HELP_SECONDS_MAX = 1.0
HEAVY = ("stripe", "flask", "rq", "redis", "sqlalchemy", "pydantic", "rich", "granian")
OURS = [name for name, (where, _) in COMMANDS.items() if "process_commands" not in where]
READING = [
    ("events", "list"),
    ("refunds", "list"),
    ("notices", "list"),
    ("queue", "status"),
    ("brake", "status"),
]


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
        check=False,
    )


def leaves(command, path=()):
    """Every command below `command`, groups included, with its path."""
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command) as ctx:
            for name in command.list_commands(ctx):
                yield from leaves(command.get_command(ctx, name), (*path, name))


def test_help_is_fast():
    """`redress --help` answers in less than a second, the interpreter's own start included."""
    took = []
    for _ in range(3):
        started = time.monotonic()
        ran = run_python("import sys; sys.argv[1:] = ['--help']; from ops.cli import main; main()")
        took.append(time.monotonic() - started)

        assert 0 == ran.returncode
    assert min(took) < HELP_SECONDS_MAX


def test_help_imports_little():
    """Help lists every command without importing any of them, or what they stand on."""
    code = f"""
import sys
from ops.cli import main
sys.argv[1:] = ["--help"]
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""

    ran = run_python(code)

    assert "[]" == ran.stderr.strip()
    assert [] == [name for name in COMMANDS if name not in ran.stdout]


def test_every_command_has_an_example(redress):
    """The help of each command shows how it is called."""
    for path, command in leaves(cli):
        assert "Example: " in (command.epilog or ""), path
        assert 0 == redress(*path, "--help").exit_code


def test_table_says_what_commands_say():
    """Each name of the table leads to a command of that name."""
    found = {name: cli.get_command(click.Context(cli), name).name for name in COMMANDS}

    assert {name: name for name in COMMANDS} == found


def test_version(redress):
    """`--version` names the program and its version."""
    assert redress("--version").output.startswith("redress, version ")


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["nonsense"], id="unknown command"),
        pytest.param(["events", "list", "--limit", "0"], id="limit of zero"),
        pytest.param(["events", "list", "--limit", "501"], id="limit above the page"),
        pytest.param(["events", "list", "--state", "lost"], id="unknown state"),
        pytest.param(["events", "list", "--since", "yesterday"], id="no moment"),
        pytest.param(["events", "list", "--since", "9999999d"], id="longer ago than time"),
        pytest.param(
            ["events", "list", "--since", "1h", "--until", "2h"], id="ends before it begins"
        ),
        pytest.param(["events", "list", "--object", " "], id="blank id"),
        pytest.param(["events", "list", "--type", "*"], id="every type"),
        pytest.param(["events", "show"], id="no event named"),
        pytest.param(["events", "replay"], id="empty filter"),
        pytest.param(["replay", "--run", "--reason", "why"], id="empty filter with --run"),
        pytest.param(["events", "replay", "--state", "parked", "--run"], id="no reason"),
        pytest.param(["brake", "on"], id="brake without reason"),
        pytest.param(["brake", "off", "--reason", "  "], id="blank reason"),
        pytest.param(["brake", "on", "--reason", "a\nb"], id="reason of two lines"),
        pytest.param(["brake", "on", "--reason", "a" * 501], id="reason too long"),
        pytest.param(["events", "list", "--before", str(2**63)], id="row beyond a database's"),
        pytest.param(["replay", "--type", "a", "--after", str(2**63)], id="after such a row"),
        pytest.param(["replay", "--type", "a", "--limit", str(2**63)], id="as many of them"),
        pytest.param(["events", "show", "evt_\udcff"], id="bytes that are no UTF-8"),
    ],
)
def test_wrong_use(sqlite_redress, args):
    """Wrong use ends with code 2 and one sentence that leads to the command's help."""
    redress, _ = sqlite_redress

    ran = redress(*args)

    assert 2 == ran.exit_code
    assert "" == ran.stdout
    [sentence] = ran.stderr.strip().splitlines()
    assert sentence.endswith("--help`.")


def test_bare_group_shows_help(sqlite_redress):
    """A group without a command is wrong use, answered by its help."""
    ran = sqlite_redress[0]("events")

    assert 2 == ran.exit_code
    assert "Commands:" in ran.output


@pytest.mark.parametrize("args", READING, ids=" ".join)
def test_json_of_an_empty_ledger(redress, args):
    """Reading commands print one JSON document, of an empty ledger too."""
    assert isinstance(redress.json(*args), dict)


@pytest.mark.parametrize("args", READING, ids=" ".join)
def test_settings_refused(sqlite_redress, args):
    """Settings that cannot be used are told one sentence each, with code 1."""
    ran = sqlite_redress[0](*args, STRIPE_API_KEY="sk_live_x", REDRESS_MODE="on")

    assert 1 == ran.exit_code
    assert "redress: REDRESS_MODE must be observe" in ran.stderr


@pytest.mark.parametrize("args", READING, ids=" ".join)
def test_no_database_yet(sqlite_redress, tmp_path, args):
    """Before the first start the command says so, and makes no empty database."""
    missing = tmp_path / "missing.db"

    ran = sqlite_redress[0](*args, DATABASE_URL=f"sqlite:///{missing}")

    assert (1, False) == (ran.exit_code, missing.exists())
    assert "start `redress up` once" in ran.stderr


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_database_not_migrated(databases, sqlite_redress, engine):
    """A database without our tables is told apart from one that is away."""
    url = databases.url(engine, migrated=False)
    with databases.store(url).read() as connection:
        connection.execute(text("SELECT 1"))

    ran = sqlite_redress[0]("events", "list", DATABASE_URL=url)

    assert 1 == ran.exit_code
    assert "run `redress migrate`" in ran.stderr
    assert 1 == len(ran.stderr.splitlines())


def test_database_away(sqlite_redress):
    """A database that does not answer is one sentence, which repeats no login."""
    url = "postgresql://someone:hunter2@127.0.0.1:1/nothing"

    ran = sqlite_redress[0]("refunds", "list", DATABASE_URL=url)

    assert 1 == ran.exit_code
    assert "check DATABASE_URL" in ran.stderr
    assert "hunter2" not in ran.output
    assert 1 == len(ran.stderr.splitlines())


@pytest.mark.parametrize(
    ("args", "code"),
    [
        pytest.param(["events", "show", "e\x9b1m\nvt\x7f"], 1, id="an event"),
        pytest.param(["refunds", "show", "c\x1b[2J\rh"], 1, id="a charge"),
        pytest.param(["doctor", "\x9b1m\n"], 2, id="one argument too many"),
        pytest.param(["\x1b[31m\u2028"], 2, id="a command"),
    ],
)
def test_what_was_typed_moves_no_cursor(sqlite_redress, args, code):
    """A sentence that repeats an argument is one line without control characters."""
    ran = sqlite_redress[0](*args)

    assert (code, 1) == (ran.exit_code, len(ran.stderr.splitlines()))
    assert ran.stderr.rstrip("\n").isprintable()


class _BrokenClock:
    def now_ms(self):
        raise ZeroDivisionError("secret detail")


@pytest.mark.parametrize("debug", [False, True])
def test_unexpected_error(sqlite_redress, debug):
    """An error that nobody foresaw is named in one sentence; only --debug shows where it was."""
    operator = OperatorContext(environ=sqlite_redress[0].environ, clock=_BrokenClock())
    args = ["--debug"] if debug else []

    ran = CliRunner().invoke(cli, [*args, "queue", "status"], obj=operator)

    assert 1 == ran.exit_code
    assert (
        "redress: Unexpected error ZeroDivisionError; run with --debug to see where." in ran.stderr
    )
    assert debug == ("Traceback" in ran.stderr)


@pytest.mark.parametrize("name", ["worker", "sweeper"])
def test_process_without_a_key(databases, tmp_path, name):
    """A process that needs Stripe and has no key says what to set, and ends with 1."""
    ran = subprocess.run(
        [Path(sys.executable).parent / "redress", name],
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": databases.url("sqlite"),
            "REDRESS_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (1, "") == (ran.returncode, ran.stdout)
    assert ran.stderr.startswith("redress: STRIPE_API_KEY is not set")


def test_reference_is_current():
    """`docs/cli.md` is what the commands say of themselves."""
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")

    assert page == reference()


def test_json_everywhere():
    """Whatever tells people something tells machines as well; what runs, or writes a file, does not."""
    without = {
        " ".join(path)
        for path, command in leaves(cli)
        if not isinstance(command, click.Group)
        and "as_json" not in {param.name for param in command.params}
    }

    assert {
        *("up", "migrate", "web", "worker", "effects", "notifier", "sweeper", "sandbox"),
        "metrics",
        *("export", "completion", "dashboard", "policy page", "policy schema"),
    } == without


def test_outcomes_as_json(redress):
    """A command that does something says what it did as JSON, too, and still ends with its code."""
    done = redress.json("brake", "on", "--reason", "a drill")
    refused = redress("brake", "on", "--json")

    assert "The brake is on: no refund leaves, and none is lost." in done["told"]
    assert (2, "") == (refused.exit_code, refused.stdout)
