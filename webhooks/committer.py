"""The group committer: one writer thread per process commits whatever waits, then lets it go.

A commit costs an fsync, whoever shares it. So requests hand their event in and wait; the writer takes
what has come meanwhile, stores it in one transaction, and only after the commit tells each request
what became of its event. If the commit fails, every request of the batch is told so: it fails closed.

A request that stops waiting may find its event stored all the same. That is harmless: it answered
503, Stripe sends the event again, and the row is known by then.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.engine import Store
from ledger.events import NewEvent, Receipt
from ledger.parsing import unreadable_event
from ledger.states import EventState
from runtime import limits
from runtime.clock import Clock
from runtime.logs import speak_for
from runtime.probes import probe

#: Told from the writer's thread what became of an event; None: it could not be stored.
Done = Callable[[Receipt | None], None]
StoreEvents = Callable[[Connection, Sequence[NewEvent], int], list[Receipt]]

_log = structlog.get_logger("webhooks.committer")


class Bell(Protocol):
    """What rings for the workers (`runtime.queues.Wakeups`)."""

    def wake_events(self) -> bool:
        """Have the new rows looked at; False when Redis is away."""


class Committer:
    """Stores events in groups, durably. Threads may share it; its own start with the first event."""

    def __init__(
        self,
        store: Store,
        store_events: StoreEvents,
        bell: Bell,
        clock: Clock,
        *,
        merchant: str = "",
    ) -> None:
        """`merchant` is named in what its threads log."""
        self._store = store
        self._store_events = store_events
        self._clock = clock
        self._waiting: queue.SimpleQueue[tuple[NewEvent, Done] | None] = queue.SimpleQueue()
        self._merchant = merchant
        self._ringer = _Ringer(bell, merchant)
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    def submit(self, event: NewEvent, done: Done) -> bool:
        """Have `event` stored and `done` called once. False, and no call, when full or closed."""
        if self._closed or self._waiting.qsize() >= limits.COMMIT_QUEUE_ROWS_MAX:
            return False
        if self._writer is None:
            self._start()
        self._waiting.put((event, done))
        return True

    def store(self, event: NewEvent, wait_seconds: float) -> Receipt | None:
        """Have `event` stored and wait for it; None when it could not be, or took too long."""
        answers: queue.SimpleQueue[Receipt | None] = queue.SimpleQueue()
        if not self.submit(event, answers.put):
            return None
        try:
            return answers.get(timeout=wait_seconds)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Take nothing new, store what waits, and end both threads."""
        self._closed = True
        if self._writer is not None:
            self._waiting.put(None)
            self._writer.join(limits.STOP_SECONDS_MAX)
        self._ringer.close()

    def _start(self) -> None:
        # Here and not in __init__: a server may fork or spawn after building its parts.
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="committer", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        speak_for(self._merchant)
        open_for_more = True
        while open_for_more:
            batch, open_for_more = self._take()
            if batch:
                self.serve(batch)

    def serve(self, batch: Sequence[tuple[NewEvent, Done]]) -> None:
        """Store a batch, then tell each request what became of its event, then ring.

        The writer's one step; a simulator calls it in the place of the thread.
        """
        receipts = self._commit([event for event, _ in batch])
        for (_, done), receipt in zip(batch, receipts, strict=True):
            _tell(done, receipt)
        if any(
            event.state is EventState.NEW and receipt and receipt.outcome == "stored"
            for (event, _), receipt in zip(batch, receipts, strict=True)
        ):
            self._ringer.ring()

    def _take(self) -> tuple[list[tuple[NewEvent, Done]], bool]:
        """Wait for one event and take what else has come, without lingering; False: the last batch."""
        batch: list[tuple[NewEvent, Done]] = []
        entry = self._waiting.get()
        while entry is not None:
            batch.append(entry)
            if len(batch) >= limits.COMMIT_BATCH_ROWS_MAX:
                return batch, True
            try:
                entry = self._waiting.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: Sequence[NewEvent]) -> Sequence[Receipt | None]:
        try:
            return self._transact(batch)
        except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
            probe("committer.store_away")
            _log.error("store.away", error=type(error).__name__, events=len(batch))
        except Exception as error:  # noqa: BLE001 -- a row that no database takes must not end the writer
            # The store is there, so it is one of the rows: its neighbours must not fail with it.
            _log.error("store.row_refused", error=type(error).__name__, events=len(batch))
            return [self._commit_alone(event) for event in batch]
        return [None] * len(batch)

    def _commit_alone(self, event: NewEvent) -> Receipt | None:
        """Store one row; if the database refuses it, its bytes alone, parked."""
        note = "the database refused the row"
        for row in (event, unreadable_event(event.payload, event.source, note)):
            try:
                return self._transact([row])[0]
            except Exception as error:  # noqa: BLE001 -- see _commit
                _log.error("store.row_refused", error=type(error).__name__, sha256=row.sha256)
        return None

    def _transact(self, batch: Sequence[NewEvent]) -> list[Receipt]:
        with self._store.write() as connection:
            return self._store_events(connection, batch, self._clock.now_ms())


def _tell(done: Done, receipt: Receipt | None) -> None:
    try:
        done(receipt)
    except RuntimeError as error:  # its event loop is closed: nobody waits any more
        _log.warning("request.gone", error=type(error).__name__)


class _Ringer:
    """Rings on a thread of its own, so that a slow Redis never holds up a commit.

    Rings that come while one is under way become one: the bell says "look", not what at.
    """

    def __init__(self, bell: Bell, merchant: str) -> None:
        self._bell = bell
        self._merchant = merchant
        self._wanted = threading.Event()
        self._asked = False
        self._thread: threading.Thread | None = None
        self._closed = False

    def ring(self) -> None:
        """Ring soon; returns at once. Called by the writer alone."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
            self._thread.start()
        self._asked = True
        self._wanted.set()

    def close(self) -> None:
        """End the thread, after a ring that is still wanted."""
        self._closed = True
        if self._thread is not None:
            self._wanted.set()
            self._thread.join(limits.REDIS_CONNECT_SECONDS_MAX + limits.REDIS_REPLY_SECONDS_MAX)

    def _run(self) -> None:
        speak_for(self._merchant)
        while self._asked or not self._closed:
            self._wanted.wait()
            self._wanted.clear()
            if not self._asked:
                continue
            # Cleared before ringing: a row committed during the call asks for another one.
            self._asked = False
            try:
                self._bell.wake_events()
            except Exception as error:  # noqa: BLE001 -- the sweeper finds the rows; the thread must live
                _log.warning("bell.failed", error=type(error).__name__)
