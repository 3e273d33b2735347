import contextlib
import io
import os
import select
import subprocess
import sys

import pytest

from runtime import limits
from runtime.clock import SystemClock
from runtime.log_writer import LogWriter


@pytest.fixture
def pipe():
    """A pipe as (reading end, writing stream); whatever is left open is closed afterwards."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    with contextlib.suppress(OSError):
        os.close(reading)


def read_all(reading, seconds=5):
    """Everything that comes out of a pipe until the writer is quiet for a moment."""
    text, give_up = b"", SystemClock().monotonic() + seconds
    while select.select([reading], [], [], 0.3)[0] and SystemClock().monotonic() < give_up:
        text += os.read(reading, 1 << 16)
    return text.decode()


def test_lines_come_out_in_order(pipe):
    """Lines are written whole and in the order in which they were put."""
    reading, stream = pipe
    writer = LogWriter(stream)

    for number in range(100):
        writer.put(f"line {number}")
    writer.close()

    assert [f"line {number}" for number in range(100)] == read_all(reading).splitlines()


def test_blocked_sink_never_makes_the_caller_wait(pipe):
    """With a sink that nobody reads, thirty thousand lines are put without a pause."""
    _, stream = pipe
    writer = LogWriter(stream)
    clock = SystemClock()
    slowest = 0.0

    for _ in range(30_000):
        before = clock.monotonic()
        writer.put("x" * 200)
        slowest = max(slowest, clock.monotonic() - before)

    assert slowest < 0.5


def test_dropped_lines_are_counted(pipe, monkeypatch):
    """Lines beyond the queue's room are dropped; their number is written when the sink is free."""
    monkeypatch.setattr(limits, "LOG_QUEUE_RECORDS_MAX", 10)
    reading, stream = pipe
    writer = LogWriter(stream)
    for _ in range(1000):
        writer.put("x" * 1000)

    text = read_all(reading)
    writer.put("after")
    text += read_all(reading)
    writer.close()

    whole = text.count("x" * 1000)
    counts = [line for line in text.splitlines() if "dropped" in line]
    assert "after" in text
    assert 10 < whole < 1000
    assert f'"count":{1000 - whole}}}' in counts[0] or 1 < len(counts)


def test_closed_sink_is_survived(pipe):
    """A sink whose reader is gone loses lines, raises nothing, and does not hold up the end."""
    reading, stream = pipe
    os.close(reading)
    writer = LogWriter(stream)

    writer.put("lost")
    writer.close()
    writer.put("after the end")

    assert writer.flush(1)


def test_stream_that_was_closed_is_survived():
    """A stream in memory that somebody closed loses lines and raises nothing."""
    stream = io.StringIO()
    writer = LogWriter(stream)
    stream.close()

    writer.put("lost")

    assert writer.flush(1)
    writer.close()


def test_closing_into_a_blocked_sink_gives_up(pipe, monkeypatch):
    """At the end a blocked sink is waited for only so long."""
    monkeypatch.setattr(limits, "LOG_FLUSH_SECONDS_MAX", 0.2)
    _, stream = pipe
    writer = LogWriter(stream)
    clock = SystemClock()
    for _ in range(1000):
        writer.put("x" * 1000)
    before = clock.monotonic()

    writer.close()
    writer.close()

    assert clock.monotonic() - before < 1


def test_slow_nonblocking_sink_gets_everything(pipe):
    """A sink that takes part of a line at a time, without blocking, gets all of it."""
    reading, stream = pipe
    os.set_blocking(stream.fileno(), False)
    writer = LogWriter(stream)

    writer.put("y" * 300_000)

    assert "y" * 300_000 + "\n" == read_all(reading)
    writer.close()


FORK = """
import os, sys
from runtime.log_writer import LogWriter
writer = LogWriter(sys.stdout)
for number in range(1000):
    writer.put(f"parent {number}")
for _ in range(20):
    child = os.fork()
    if child == 0:
        writer.put("child")
        os._exit(0)
    os.waitpid(child, 0)
writer.put("last")
"""


def test_forked_children_lose_no_line():
    """A child that ends by os._exit, as RQ's do, has written its line; nothing is written twice."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK], capture_output=True, text=True, check=True
    )

    lines = ended.stdout.splitlines()
    assert 20 == lines.count("child")
    assert [f"parent {number}" for number in range(1000)] == [
        line for line in lines if line.startswith("parent")
    ]
    assert "last" == lines[-1]


BLOCKED = """
import sys
from runtime.clock import SystemClock
from runtime.logs import configure_logs
import logging, os
configure_logs("info", open(sys.argv[1], "w"))
clock, slowest = SystemClock(), 0
for number in range(12_000):
    before = clock.monotonic()
    logging.getLogger("web").info("a request was answered %d", number)
    slowest = max(slowest, clock.monotonic() - before)
    if number == 11_000 and os.fork() == 0:
        before = clock.monotonic()
        for _ in range(100):
            logging.getLogger("horse").info("in a child")
        os._exit(clock.monotonic() - before > 1)
print(slowest, os.wait()[1], flush=True)
"""


def test_blocked_fifo_blocks_no_process_for_long(tmp_path):
    """F19: with logs going to a FIFO that nobody reads, no line costs a second, and exit is soon."""
    fifo = tmp_path / "logs"
    os.mkfifo(fifo)
    clock = SystemClock()
    held_open = os.open(fifo, os.O_RDWR)
    before = clock.monotonic()

    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(fifo)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    os.close(held_open)
    slowest, child_status = ended.stdout.split()
    assert float(slowest) < 1
    assert "0" == child_status
    assert clock.monotonic() - before < 30 + limits.LOG_FLUSH_SECONDS_MAX
