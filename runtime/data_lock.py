"""One copy per data folder: a file lock that the kernel drops when its holder dies.

A pid file alone would go stale after a kill; the lock cannot. The pid is written into the locked
file only so that a second copy can name the first.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class DataFolderInUse(Exception):
    """Another process works on this data folder, so this one must not."""


class FileLock:
    """An exclusive flock on `path`, held from `acquire` until `release` or this process' death."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Whether the lock is now ours; never waits. The file and its folder are made if missing."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not inherited by programs that this process starts, unless it passes the number on.
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        self.write_pid(os.getpid())
        return True

    def write_pid(self, pid: int) -> None:
        """Name `pid` as the holder to whoever finds the lock taken."""
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), f"{pid}\n".encode(), 0)

    def holder_pid(self) -> int | None:
        """The pid that the holder wrote; None when it has not yet."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def fileno(self) -> int:
        """The lock's file descriptor, to pass on to a program that shall hold it too."""
        if self._fd is None:
            raise ValueError(f"{self._path} is not locked by this process")
        return self._fd

    def release(self) -> None:
        """Unlock, also for children that inherited the descriptor by a fork. Idempotent."""
        if self._fd is not None:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self.leave_to_heirs()

    def leave_to_heirs(self) -> None:
        """Stop holding; the lock lives on for as long as a program that it was passed to does."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class DataFolderLock:
    """Held by `redress up` for as long as it serves `data`; a context manager."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = FileLock(data / "redress.lock")

    def acquire(self) -> None:
        """Take the folder, or raise `DataFolderInUse` at once, naming the process that has it."""
        if not self._lock.acquire():
            raise DataFolderInUse(in_use_sentence(self._data, self._lock.holder_pid()))

    def release(self) -> None:
        """Leave the folder to the next copy."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Take it."""
        self.acquire()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """Give it up."""
        self.release()


def in_use_sentence(data: Path, pid: int | None) -> str:
    """What a second copy says before it ends."""
    holder = f"process {pid}" if pid else "another process"
    return (
        f"The data folder {data} is in use by {holder}; stop that one first, or set REDRESS_DATA to"
        " another folder."
    )
