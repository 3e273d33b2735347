from pathlib import Path

import pytest

from runtime.embedded_redis import EmbeddedRedis
from runtime.wiring import open_redis


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    """A real Valkey for the tests of one pytest process."""
    with EmbeddedRedis(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def redis(redis_url):
    """A client of the real server, which is empty at first."""
    with open_redis(redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def data(tmp_path):
    """A data folder that does not exist yet."""
    return Path(tmp_path) / "var"
