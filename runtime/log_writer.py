"""Writes log lines on a thread of its own, so that a blocked stdout never makes a request wait.

Lines wait in a bounded queue; when it is full, or the sink is broken, lines are dropped and counted,
and the count is written once the sink takes lines again. (The standard QueueListener would do but
for its end: it joins its thread without a limit, and its queue may have no room for the last word.)
"""

import atexit
import contextlib
import os
import queue
import select
import threading
import weakref
from typing import Final, TextIO

from runtime import limits

_CHILD_WAIT_SECONDS: Final = 0.25


class LogWriter:
    """Owns one sink. Lines go in through `put`, which never waits in the process that made it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fd = _file_descriptor(stream)
        self._forked = False
        self._stuck = False
        self._closed = False
        self._begin()
        atexit.register(self.close)
        after_fork = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: (method := after_fork()) and method())

    def put(self, line: str) -> None:
        """Have `line` written, or count it as dropped.

        A forked child (RQ's work horse) ends by `os._exit`, which runs no clean-up; there each line
        is waited for, at most a quarter of a second and only while the sink takes lines at all.
        """
        if self._closed:
            return
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._count_drop()
            return
        self._ensure_thread()
        if self._forked and not self._stuck:
            self._stuck = not self.flush(_CHILD_WAIT_SECONDS)

    def flush(self, seconds_max: float) -> bool:
        """Wait until every line that was put is written, at most `seconds_max`; whether it is."""
        lines = self._lines
        with lines.all_tasks_done:
            return lines.all_tasks_done.wait_for(lambda: not lines.unfinished_tasks, seconds_max)

    def close(self) -> None:
        """Write what waits, for at most `limits.LOG_FLUSH_SECONDS_MAX`, and stop. Idempotent."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self.flush(limits.LOG_FLUSH_SECONDS_MAX) and self._thread is not None:
            self._lines.put_nowait(None)
            self._thread.join()

    def _begin(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(limits.LOG_QUEUE_RECORDS_MAX)
        self._lock = threading.Lock()
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def _after_fork(self) -> None:
        # The child has neither the thread nor a right to the parent's waiting lines, and its copies
        # of the locks may be held for ever.
        self._forked = True
        self._stuck = False
        self._begin()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    # A daemon, so that a sink that is blocked for good cannot keep the process.
                    thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        lines = self._lines
        while True:
            line = lines.get()
            try:
                if line is None:
                    return
                self._write(f"{line}\n")
                self._tell_drops()
                self._stuck = False
            except (OSError, ValueError):  # closed, full or broken
                self._count_drop()
            finally:
                lines.task_done()

    def _tell_drops(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._write(
                f'{{"level":"warning","message":"log lines were dropped","count":{dropped}}}\n'
            )

    def _count_drop(self) -> None:
        with self._lock:
            self._dropped += 1

    def _write(self, text: str) -> None:
        if self._fd is None:
            self._stream.write(text)
            self._stream.flush()
            return
        # Past the stream's buffer, whose lock a blocked daemon thread would hold at shutdown.
        data = text.encode()
        while data:
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._fd, data) :]
                continue
            select.select([], [self._fd], [], 1)


def _file_descriptor(stream: TextIO) -> int | None:
    """The descriptor behind `stream`; None for a stream in memory.

    A duplicate, which stays ours when somebody closes the stream: its number could be given to
    another file, and the log would go there.
    """
    try:
        return os.dup(stream.fileno())
    except (OSError, AttributeError):
        return None
