"""The receiver's parts over real stores, and a real web process."""

import pytest

from ledger.inbox import store_events
from ledger.parsing import Expected
from runtime.queues import Wakeups
from tests.databases import Databases
from tests.webhooks.signed_events import OLD_SECRET, SECRET
from tests.webhooks.web_process import WebProcess
from webhooks.committer import Committer
from webhooks.receive import Receiver
from webhooks.signature import SignatureCheck


def pytest_addoption(parser):
    parser.addoption(
        "--signature-mutations",
        type=int,
        default=100_000,
        help="forged deliveries to try (a release tries 1,000,000)",
    )


class CountingBell(Wakeups):
    """Rings nowhere; counts, and fails when told to."""

    def __init__(self):
        self.rings = 0
        self.error = None

    def wake_events(self):
        self.rings += 1
        if self.error:
            raise self.error
        return True


@pytest.fixture
def bell():
    return CountingBell()


@pytest.fixture
def make_receiver(clock, bell):
    """Makes a receiver over a store; its threads end with the test."""
    made = []

    def make(store, store_function=store_events, account=None):
        receiver = Receiver(
            check=SignatureCheck([SECRET, OLD_SECRET]),
            expected=Expected(livemode=False, account=account),
            committer=Committer(store, store_function, bell, clock),
            clock=clock,
        )
        made.append(receiver)
        return receiver

    yield make
    for receiver in made:
        receiver.committer.close()


@pytest.fixture(scope="module")
def web(database_templates, tmp_path_factory):
    """A real web process over SQLite, with Redis away, shared by the tests of a module."""
    yield from _serving(database_templates, tmp_path_factory)


@pytest.fixture
def own_web(database_templates, tmp_path_factory):
    """The same for one test alone, which may break it."""
    yield from _serving(database_templates, tmp_path_factory)


def _serving(database_templates, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    process = WebProcess(Databases(database_templates, folder).url("sqlite"), folder)
    process.start()
    yield process
    process.stop()
