"""A process's numbers in files of its own, which the exporter of the machine adds up over all processes.

The files are those of prometheus-client's multi-process mode (prometheus.github.io/client_python/multiprocess), with two
differences. A file belongs to a place ("worker-0") and not to a process id: whoever starts in that place goes on with
its numbers, so that a sum never falls and no file is left behind for each of RQ's forks. And a file has its full
size on the disk before it is mapped: a map with holes would kill the process when the disk is full.
"""

import os
from pathlib import Path
from typing import Any, Final, Self

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, values

from runtime import meters
from runtime.data_lock import FileLock

#: Under the data folder.
FOLDER: Final = "metrics"

_PLACES_MAX: Final = 64
_FILE_BYTES: Final = 64 * 1024  # a few hundred series; ours are under a hundred
_KINDS: Final = ("counter", "histogram")

_log = structlog.get_logger("runtime.meters")


class MeterFiles:
    """The files of one place, held for as long as this process lives."""

    def __init__(self, folder: Path, process: str) -> None:
        """Take a free place of `process` under `folder`. Raises OSError when the disk does not take the files."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock, place = _free_place(folder, process)
        for kind in _KINDS:
            _set_aside(folder / f"{kind}_{place}.db")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        # Read by the library when a metric is made, which is below.
        values.ValueClass = values.MultiProcessValue(lambda: _Place(place))  # type: ignore[no-untyped-call]  # the library's values have no types
        registry = CollectorRegistry()
        self._meters: dict[str, Any] = {
            name: Histogram(meter.name, meter.help, buckets=meter.buckets, registry=registry)
            if meter.buckets
            else Counter(meter.name, meter.help, meter.labels, registry=registry)
            for name, meter in meters.METERS.items()
        }
        self._counters: dict[tuple[str, tuple[str, ...]], Any] = {}

    def count(self, meter: str, labels: tuple[str, ...]) -> None:
        """Add one."""
        counter = self._counters.get((meter, labels))
        if counter is None:
            counter = self._meters[meter].labels(*labels)
            self._counters[meter, labels] = counter
        counter.inc()

    def observe(self, meter: str, value: float) -> None:
        """Note one value of a histogram."""
        self._meters[meter].observe(value)


def begin_metering(data: Path, process: str) -> None:
    """Have this process's numbers kept in the data folder; where the disk does not take them, it goes on without."""
    try:
        meters.send_to(MeterFiles(data / FOLDER, process))
    except OSError as error:
        _log.warning("meters.off", error=type(error).__name__)


class _Place(str):
    """The name of a place; in a fork it is unequal to itself, so that the library reads the numbers anew."""

    __slots__ = ("_pid",)
    _pid: int

    def __new__(cls, name: str) -> Self:
        made = super().__new__(cls, name)
        made._pid = os.getpid()
        return made

    def __ne__(self, other: object) -> bool:
        return super().__ne__(other) or self._pid != getattr(other, "_pid", None)

    def __eq__(self, other: object) -> bool:
        return not self != other

    __hash__ = str.__hash__


def _free_place(folder: Path, process: str) -> tuple[FileLock, str]:
    for number in range(_PLACES_MAX):
        place = f"{process}-{number}"
        lock = FileLock(folder / f"{place}.lock")
        if lock.acquire():
            return lock, place
    raise OSError(f"all {_PLACES_MAX} places of {process} are taken")


def _set_aside(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size == 0:
            os.posix_fallocate(descriptor, 0, _FILE_BYTES)
    finally:
        os.close(descriptor)
