"""What every test gets: a scrubbed environment, a frozen clock, fresh databases on both engines."""

import os

import pytest
from hypothesis import settings

from tests.databases import ENGINES, Databases, Templates
from tests.fakes.frozen_clock import FrozenClock

_READ_BY_SETTINGS = ("STRIPE_", "REDRESS_", "DATABASE_URL", "REDIS_URL")

# Examples touch real databases on a busy machine, so time is no sign of a fault. In CI every run
# tries the same examples: a red build is then about the change and can be had again at home.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep what shares a machine of processes on one worker; see `tests.work_units`."""
    # Imported here: only the process that hands out the tests needs it.
    from tests.work_units import WorkUnits  # noqa: PLC0415

    return WorkUnits(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch):
    """No setting of the machine, and least of all a real key, reaches a test."""
    for name in list(os.environ):
        if name.startswith(_READ_BY_SETTINGS):
            monkeypatch.delenv(name)


@pytest.fixture
def clock():
    """A clock that stands still until the test moves it."""
    return FrozenClock()


@pytest.fixture(scope="session")
def database_templates(tmp_path_factory):
    """The session's server and migrated templates; started by the first test that needs them."""
    templates = Templates(tmp_path_factory.mktemp("databases"))
    yield templates
    templates.close()


@pytest.fixture
def databases(database_templates, tmp_path_factory):
    """Makes fresh databases: `databases.url("postgresql")`, and `databases.store(url)` on them."""
    made = Databases(database_templates, tmp_path_factory.mktemp("database"))
    yield made
    made.close()


@pytest.fixture(params=ENGINES)
def engine_name(request):
    """Each engine in turn: a test that asks for it, or for what follows, runs on both."""
    return request.param


@pytest.fixture
def database_url(databases, engine_name):
    """The URL of a fresh migrated database, on each engine in turn."""
    return databases.url(engine_name)


@pytest.fixture
def store(databases, database_url):
    """A store on a fresh migrated database, on each engine in turn."""
    return databases.store(database_url)


@pytest.fixture
def sqlite_store(databases):
    """A store on a fresh migrated SQLite file."""
    return databases.store(databases.url("sqlite"))


@pytest.fixture
def postgres_store(databases):
    """A store on a fresh migrated PostgreSQL database."""
    return databases.store(databases.url("postgresql"))
