"""The tests' PostgreSQL with the durability of a production server, which is what a benchmark must pay for."""

import subprocess

from tests.postgres_server import _KEEPER, PostgresServer, _plain_environment

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
}


class DurablePostgres(PostgresServer):
    """A server whose commits are on the disk before they are answered."""

    @property
    def pid(self):
        """The process above all of the server's."""
        return self._keeper.pid

    def _start(self):
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
