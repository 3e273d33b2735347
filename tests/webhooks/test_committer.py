"""The group committer answers only after the commit, fails closed, and loses no neighbour to a bad row."""

import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError

from ledger.inbox import store_events
from ledger.states import EventState
from ledger.tables import events
from runtime import limits
from tests.fakes.at_once import at_once
from tests.fakes.ledger_rows import new_event
from tests.webhooks.signed_events import delivery, event_body
from webhooks.committer import Committer

NOW = 1_767_268_800


@pytest.fixture
def make_committer(clock, bell):
    made = []

    def make(store, store_function=store_events):
        made.append(Committer(store, store_function, bell, clock))
        return made[-1]

    yield make
    for committer in made:
        committer.close()


def count(store):
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(events)).scalar_one()


class AwayStore:
    """A store whose every transaction fails."""

    dialect = "sqlite"

    def __init__(self, error):
        self.error = error

    @contextmanager
    def write(self):
        raise self.error
        yield


class SlowStore:
    """A store whose first transaction waits until the test lets it go."""

    dialect = "sqlite"

    def __init__(self, store):
        self.store = store
        self.entered = threading.Event()
        self.go_on = threading.Event()

    @contextmanager
    def write(self):
        self.entered.set()
        self.go_on.wait(20)
        with self.store.write() as connection:
            yield connection


def test_same_event_at_once(make_committer, store):
    """32 simultaneous deliveries of one event make one row: one stored, the others known (F9)."""
    committer = make_committer(store)

    receipts = at_once(lambda _: committer.store(new_event("evt_1"), 20), range(32))

    assert 31 * ["known"] + ["stored"] == sorted(receipt.outcome for receipt in receipts)
    assert 1 == count(store)


def test_waiting_events_share_a_commit(make_committer, sqlite_store):
    """Events that come during a commit are committed together by the next one."""
    slow = SlowStore(sqlite_store)
    batches = []

    def storing(connection, batch, now_ms):
        batches.append(len(batch))
        return store_events(connection, batch, now_ms)

    committer = make_committer(slow, storing)
    done = threading.Semaphore(0)
    committer.submit(new_event("evt_0"), lambda _: done.release())
    slow.entered.wait(20)
    for number in range(1, 41):
        committer.submit(new_event(f"evt_{number}"), lambda _: done.release())
    slow.go_on.set()
    for _ in range(41):
        assert done.acquire(timeout=20)

    assert [1, 40] == batches


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OperationalError("INSERT", {}, Exception("disk I/O error")), id="database"),
        pytest.param(OSError("the lock file's folder is gone"), id="file system"),
        pytest.param(RuntimeError("unforeseen"), id="anything else"),
    ],
)
def test_store_away(make_receiver, bell, error):
    """When the store cannot commit, the answer is 503 with Retry-After, never 200, and nothing rings."""
    answer = make_receiver(AwayStore(error)).receive(delivery(event_body(), NOW))

    assert (503, str(limits.RETRY_AFTER_SECONDS)) == (
        answer.status,
        dict(answer.headers)["retry-after"],
    )
    assert 0 == bell.rings


def test_store_comes_back(make_committer, sqlite_store):
    """A store that failed is used again as soon as it works, by the same writer."""
    flaky = AwayStore(OSError("gone"))
    committer = make_committer(flaky)
    first = committer.store(new_event("evt_1"), 20)
    flaky.write = sqlite_store.write

    second = committer.store(new_event("evt_1"), 20)

    assert (None, "stored") == (first, second.outcome)


def test_poisonous_row_spares_its_neighbours(make_committer, sqlite_store):
    """A row that the database refuses is stored as bytes, parked; the others of its batch as they are."""

    def refusing(connection, batch, now_ms):
        if any(event.event_id == "evt_poison" for event in batch):
            raise IntegrityError("INSERT", {}, Exception("CHECK"))
        return store_events(connection, batch, now_ms)

    slow = SlowStore(sqlite_store)
    committer = make_committer(slow, refusing)
    receipts = {}
    done = threading.Semaphore(0)

    def submit(name):
        def keep(receipt):
            receipts[name] = receipt
            done.release()

        committer.submit(new_event(name), keep)

    submit("evt_first")
    slow.entered.wait(20)
    for name in ("evt_a", "evt_poison", "evt_b"):
        submit(name)
    slow.go_on.set()
    for _ in range(4):
        assert done.acquire(timeout=20)

    assert 4 * ["stored"] == [receipt.outcome for receipt in receipts.values()]
    with sqlite_store.read() as connection:
        rows = connection.execute(select(events.c.event_id, events.c.state)).all()
    assert {("evt_a", "new"), ("evt_b", "new"), ("evt_first", "new")} < {tuple(row) for row in rows}
    assert ["parked"] == [row.state for row in rows if row.event_id.startswith("unreadable:")]


def test_full_queue(make_committer, sqlite_store):
    """A full queue takes nothing more, at once; what it holds is stored all the same."""
    slow = SlowStore(sqlite_store)
    committer = make_committer(slow)
    done = threading.Semaphore(0)
    committer.submit(new_event("evt_first"), lambda _: done.release())
    slow.entered.wait(20)
    taken = [
        committer.submit(new_event(f"evt_{number}"), lambda _: done.release())
        for number in range(limits.COMMIT_QUEUE_ROWS_MAX + 1)
    ]
    slow.go_on.set()
    for _ in range(limits.COMMIT_QUEUE_ROWS_MAX + 1):
        assert done.acquire(timeout=60)

    assert [False] == taken[limits.COMMIT_QUEUE_ROWS_MAX :]
    assert limits.COMMIT_QUEUE_ROWS_MAX + 1 == count(sqlite_store)


def test_late_commit(make_committer, sqlite_store):
    """A request that stopped waiting finds its event known when it is sent again."""
    slow = SlowStore(sqlite_store)
    committer = make_committer(slow)

    late = committer.store(new_event("evt_1"), 0.01)
    slow.go_on.set()
    again = committer.store(new_event("evt_1"), 20)

    assert (None, "known") == (late, again.outcome)


def test_close_stores_what_waits(make_committer, sqlite_store):
    """Closing commits every event that was taken, and takes none after that."""
    committer = make_committer(sqlite_store)
    for number in range(500):
        committer.submit(new_event(f"evt_{number}"), lambda _: None)

    committer.close()

    assert 500 == count(sqlite_store)
    assert not committer.submit(new_event("evt_late"), lambda _: None)


def test_bell_away(make_committer, sqlite_store, bell):
    """A bell that fails changes no answer, and is tried again with the next event."""
    bell.error = ConnectionError("Redis is away")
    committer = make_committer(sqlite_store)

    outcomes = [committer.store(new_event(f"evt_{number}"), 20).outcome for number in (1, 2)]
    committer.close()

    assert (["stored", "stored"], True) == (outcomes, bell.rings >= 1)


def test_quiet_events(make_committer, sqlite_store, bell):
    """What is known already, or not for the workers, does not ring."""
    first = make_committer(sqlite_store)
    first.store(new_event("evt_1"), 20)
    first.close()
    second = make_committer(sqlite_store)
    second.store(new_event("evt_1"), 20)
    second.store(new_event("evt_2", state=EventState.IGNORED), 20)
    second.store(new_event("evt_3", state=EventState.PARKED), 20)
    second.close()

    assert (1, 3) == (bell.rings, count(sqlite_store))
