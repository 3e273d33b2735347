"""The tests' own PostgreSQL: real, private, gone with the test process, and never silently missing."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psycopg
import pytest

from tests.postgres_server import PostgresMissingError, PostgresServer

GONE_SECONDS_MAX = 30

STARTING = """
    import sys
    from tests.postgres_server import PostgresServer

    print(PostgresServer().folder, flush=True)
    sys.stdin.read()
"""


def test_real(database_templates):
    """What the tests run on is PostgreSQL itself, reached over a socket that only this machine has."""
    server = database_templates.server
    with psycopg.connect(host=str(server.folder), user="postgres", dbname="postgres") as connection:
        version = connection.execute("SHOW server_version_num").fetchone()
        listens = connection.execute("SHOW listen_addresses").fetchone()

    assert int(version[0]) >= 160_000
    assert ("",) == listens


def test_missing(tmp_path):
    """Without a PostgreSQL that runs, the tests fail with a sentence that says so; nothing is skipped."""
    with pytest.raises(
        PostgresMissingError, match=r"the tests need PostgreSQL, but \S+/postgres is not there"
    ):
        PostgresServer(tmp_path)


def test_ends_with_its_process():
    """When the test process is killed, its server ends and its folder is removed."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STARTING)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        folder = Path(process.stdout.readline().strip())
        server = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        process.send_signal(signal.SIGKILL)

    give_up = time.monotonic() + GONE_SECONDS_MAX
    while folder.exists():
        assert time.monotonic() < give_up
        time.sleep(0.02)  # noqa: TID251 - a real process is polled, within GONE_SECONDS_MAX
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
