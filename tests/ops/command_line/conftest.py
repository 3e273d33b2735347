"""The command line over a real database: `redress("events", "list")` runs one command."""

import json
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from ops.cli import cli
from ops.operator_context import OperatorContext


@dataclass
class CommandLine:
    """Runs commands with settings and a clock of the test's own, and never lets one end in a traceback."""

    environ: dict[str, str]
    clock: object

    def __call__(self, *args, stdin=None, **settings):
        operator = OperatorContext(environ=self.environ | settings, clock=self.clock)
        ran = CliRunner().invoke(cli, [str(arg) for arg in args], obj=operator, input=stdin)
        assert isinstance(ran.exception, SystemExit | None), ran.exception
        assert "Traceback" not in ran.output
        return ran

    def json(self, *args, **settings):
        """What a command that must succeed prints with `--json`."""
        ran = self(*args, "--json", **settings)
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout)


@pytest.fixture
def redress(database_url, tmp_path, clock):
    """The command line on a fresh database, on each engine in turn; Redis is away."""
    return CommandLine({"DATABASE_URL": database_url, "REDRESS_DATA": str(tmp_path)}, clock)


@pytest.fixture
def sqlite_redress(databases, tmp_path, clock):
    """The command line on a fresh SQLite database, and the store on it; Redis is away."""
    url = databases.url("sqlite")
    line = CommandLine({"DATABASE_URL": url, "REDRESS_DATA": str(tmp_path)}, clock)
    return line, databases.store(url)


@pytest.fixture
def bare_redress(clock):
    """The command line where no setting and no database can be used."""
    return CommandLine({"DATABASE_URL": "nonsense", "REDRESS_MODE": "nonsense"}, clock)
