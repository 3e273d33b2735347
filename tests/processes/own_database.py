"""A database of a machine's own, on a disk that can be filled or on the ordinary one.

PostgreSQL gets a server of its own, because its processes are killed, and a tablespace on the small
disk. A commit waits for the kernel to have it, as in production: then a crash of the server loses none.
"""

import contextlib
import os
import shutil

from tests.postgres_server import UNPRIVILEGED_USER, PostgresServer
from tests.processes.small_disk import SmallDisk

_NAME = "redress"


@contextlib.contextmanager
def own_database(engine, folder, mebibytes=None):
    """The URL of an empty database and its disk; the disk is None unless `mebibytes` are asked for.

    Raises NoSmallDiskError where this user may not mount one.
    """
    with contextlib.ExitStack() as closing:
        disk = None
        if mebibytes is not None:
            disk = SmallDisk(mebibytes)
            closing.callback(disk.close)
        if engine == "sqlite":
            yield f"sqlite:///{disk.folder if disk else folder}/redress.db", disk
            return
        server = PostgresServer()
        closing.callback(server.stop)
        yield _database(server, disk), disk


def _database(server, disk):
    where = ""
    if disk is not None:
        place = disk.folder / "tablespace"
        place.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(place, UNPRIVILEGED_USER)
        server.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        where = "TABLESPACE small STRATEGY file_copy"
    server.execute(f"CREATE DATABASE {_NAME} TEMPLATE template0 {where}")
    server.execute(f"ALTER DATABASE {_NAME} SET synchronous_commit = on")
    return server.url(_NAME)
