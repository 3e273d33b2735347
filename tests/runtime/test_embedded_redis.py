import os
import signal
import subprocess
import sys

import psutil
import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from runtime import limits, queues
from runtime.clock import SystemClock
from runtime.data_lock import DataFolderInUse
from runtime.embedded_redis import EmbeddedRedis, EmbeddedRedisFailed
from runtime.redis_socket import redis_folder, socket_path, socket_url
from runtime.wiring import open_redis

START_AND_STAY = """
import sys
from pathlib import Path
from runtime.embedded_redis import EmbeddedRedis

server = EmbeddedRedis(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def wait_until(condition, seconds=10):
    """Poll a real process until it did what it should."""
    clock = SystemClock()
    give_up = clock.monotonic() + seconds
    while not condition():
        assert clock.monotonic() < give_up, "waited in vain"
        clock.sleep(0.01)


def test_server_is_private_and_listens_on_no_port(data):
    """The server opens a socket for its own user only, in folders of mode 0700, and no TCP port."""
    with EmbeddedRedis(data) as server, open_redis(server.url) as redis:
        assert redis.ping()
        assert f"unix://{data}/redis/redis.sock" == server.url
        assert 0o700 == socket_path(data).stat().st_mode & 0o777
        assert 0o700 == redis_folder(data).stat().st_mode & 0o777
        assert not [
            link for link in psutil.Process(server.pid).net_connections() if link.status == "LISTEN"
        ]


def test_server_keeps_an_append_only_file(data):
    """What is written goes to an append-only file, fsynced each second, and is never evicted."""
    with EmbeddedRedis(data) as server, open_redis(server.url) as redis:
        kept = redis.config_get("appendonly", "appendfsync", "maxmemory-policy", "save", "port")

    assert {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "port": "0",
    } == {str(name): str(value) for name, value in kept.items()}


def test_killed_server_loses_no_job(data):
    """After kill -9 of the server a new one has every job that was enqueued."""
    server = EmbeddedRedis(data)
    server.start()
    with open_redis(server.url) as redis:
        wakeups = queues.Wakeups(redis)
        assert all(wakeups.wake_effect(queues.SEND_REFUND_JOB, row) for row in range(200))
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.pid is None)

    with EmbeddedRedis(data) as again, open_redis(again.url) as redis:
        assert 200 == Queue(queues.EFFECTS, connection=redis, serializer=JSONSerializer).count


def test_server_starts_again_after_it_died(data):
    """The same object starts a new server when the first one was killed."""
    with EmbeddedRedis(data) as server:
        first = server.pid
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: server.pid is None)

        server.start()

        assert server.pid not in {None, first}


def test_second_server_on_one_folder_is_refused(data):
    """A second server on a folder is refused with the first one's pid and what to do."""
    with EmbeddedRedis(data) as server:
        with pytest.raises(DataFolderInUse) as refusal:
            EmbeddedRedis(data).start()
        with pytest.raises(DataFolderInUse):
            server.start()

        assert str(refusal.value) == (
            f"The data folder {data} is in use by process {server.pid}; stop that one first, or set"
            " REDRESS_DATA to another folder."
        )
        assert server.pid is not None


def test_stopping_is_clean_and_repeatable(data):
    """Stopping ends the server by its own clean-up, leaves no socket, and may be said twice."""
    server = EmbeddedRedis(data)
    server.stop()
    server.start()
    process = psutil.Process(server.pid)

    server.stop()
    server.stop()

    assert not process.is_running()
    assert not socket_path(data).exists()
    assert "bye bye" in (redis_folder(data) / "redis.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a parent's death")
def test_server_ends_with_its_killed_parent(data):
    """When the process that started it is killed, the server ends and a new copy can start."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            START_AND_STAY,
            str(data),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    orphan = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()

    with EmbeddedRedis(data) as server:
        assert server.pid is not None

    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_long_data_folder_gets_a_short_private_socket(tmp_path):
    """A folder whose path is too long for a socket uses one short path, the same at each start."""
    data = tmp_path / ("long" * 30)
    path = socket_path(data)

    with EmbeddedRedis(data) as server, open_redis(server.url) as redis:
        assert redis.ping()
        assert 0o700 == path.parent.stat().st_mode & 0o777

    assert len(os.fsencode(path)) <= limits.SOCKET_PATH_BYTES_MAX
    assert path == socket_path(data)
    assert path != socket_path(tmp_path / ("long" * 31))
    path.parent.rmdir()


def test_short_socket_folder_of_somebody_else_is_refused(tmp_path):
    """A link where the short socket's folder should be is refused, because anybody can make one."""
    data = tmp_path / ("long" * 30)
    folder = socket_path(data).parent
    folder.symlink_to(tmp_path, target_is_directory=True)
    try:
        with pytest.raises(EmbeddedRedisFailed, match="belongs to somebody else or is a link"):
            EmbeddedRedis(data).start()
    finally:
        folder.unlink()


def test_socket_path_at_its_limit(tmp_path):
    """A socket's path of exactly 100 bytes stays in the data folder; one byte more does not."""
    room = (
        limits.SOCKET_PATH_BYTES_MAX - len("/x/redis/redis.sock") - len(os.fsencode(tmp_path)) + 1
    )
    fits, too_long = tmp_path / ("y" * room), tmp_path / ("y" * (room + 1))

    assert fits / "redis" / "redis.sock" == socket_path(fits)
    assert too_long not in socket_path(too_long).parents


def test_server_that_cannot_start_says_why(data):
    """A server that ends at once is reported with the last lines of its own log."""
    folder = redis_folder(data)
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("this is no manifest\n")

    with pytest.raises(EmbeddedRedisFailed, match=r"(?is)did not start in .*its log ends: .*aof"):
        EmbeddedRedis(data).start()

    (folder / "appendonlydir" / "appendonly.aof.manifest").unlink()
    with EmbeddedRedis(data) as server:
        assert server.pid is not None


def test_url_quotes_the_path(tmp_path):
    """A folder with spaces and signs in its name gives a URL that leads to its socket."""
    data = tmp_path / "my data #1%"

    with EmbeddedRedis(data) as server, open_redis(server.url) as redis:
        assert redis.ping()
        assert socket_url(data) == server.url
