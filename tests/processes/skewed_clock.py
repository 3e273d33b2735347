"""Environment variables under which a process lives ahead of the time, or behind it (libfaketime)."""

import contextlib
import importlib.util
from pathlib import Path

_LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"
_SHARED_MEMORY = Path("/dev/shm")


def library():
    """The path of libfaketime; None where its wheel is not installed (it exists for Linux on x86-64)."""
    found = importlib.util.find_spec("libfaketime")
    file = Path(found.origin).parent / _LIBRARY if found and found.origin else None
    return file if file and file.exists() else None


def skewed(seconds):
    """A process's environment in which the wall clock is `seconds` ahead; durations stay true."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def sweep_up(pids):
    """Remove what killed processes under libfaketime left behind in shared memory."""
    for pid in pids:
        for left in _SHARED_MEMORY.glob(f"*faketime*_{pid}"):
            with contextlib.suppress(FileNotFoundError):
                left.unlink()
