import socket
import threading

from runtime.clock import SystemClock
from runtime.settings import load_settings
from runtime.wiring import open_redis, open_wiring
from tests.fakes.frozen_clock import FrozenClock


def test_nothing_connects_before_first_use(data):
    """Opening and closing the parts touches neither the database nor Redis."""
    settings = load_settings(
        {
            "REDRESS_DATA": str(data),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
    )

    with open_wiring(settings, FrozenClock()) as wiring:
        assert wiring.settings is settings
        assert wiring.store.dialect == "postgresql"
    wiring.close()

    assert [] == list(data.iterdir())


def test_parts_work_together(data, redis_url):
    """The parts of one process reach the real Redis and the database that the settings name."""
    settings = load_settings({"REDRESS_DATA": str(data), "REDIS_URL": redis_url})

    with open_wiring(settings) as wiring:
        assert wiring.redis.ping()
        assert wiring.wakeups.wake_events()
        assert isinstance(wiring.clock, SystemClock)


def test_silent_redis_is_given_up_soon(tmp_path):
    """A Redis that accepts connections but never answers costs a wake-up seconds, not minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        clock = SystemClock()
        settings = load_settings(
            {
                "REDRESS_DATA": str(tmp_path),
                "REDIS_URL": f"redis://127.0.0.1:{server.getsockname()[1]}/0",
            }
        )
        with open_wiring(settings) as wiring:
            started = clock.monotonic()

            assert not wiring.wakeups.wake_events()

            assert clock.monotonic() - started < 4


def test_one_client_serves_threads(redis_url):
    """Threads can share a client."""
    answers = []
    with open_redis(redis_url) as client:
        threads = [
            threading.Thread(target=lambda: answers.append(client.ping())) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [True] * 16 == answers
