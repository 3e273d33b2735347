"""Where the embedded Redis server listens: a path that every process of one data folder derives."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

from runtime import limits


def socket_path(data: Path) -> Path:
    """The unix socket of the embedded server of `data`; the same one after every restart.

    It lies in the data folder, unless that path is longer than a socket's may be. Then it lies in a
    folder under /tmp whose name is derived from this user and the data folder's real path; who
    starts the server makes that folder and checks that nobody else owns it.
    """
    path = redis_folder(data) / "redis.sock"
    if len(os.fsencode(path)) <= limits.SOCKET_PATH_BYTES_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    # Not TMPDIR: it may differ between the shell that serves and the shell that asks.
    return Path("/tmp") / f"redress-{os.getuid()}-{digest}" / "redis.sock"  # noqa: S108 -- see above


def socket_url(data: Path) -> str:
    """The same as a URL for redis-py and RQ."""
    return f"unix://{quote(str(socket_path(data)))}"


def redis_folder(data: Path) -> Path:
    """Where the embedded server keeps its append-only file, log and lock; always absolute."""
    return data.absolute() / "redis"
