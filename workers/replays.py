"""The engine of a replay: one step puts some events back, in a copy of the ledger or in the live one.

A forecast is the same step in a copy, with the workers' own code after it, so that nothing can be forecast that a
run would not do. A run leaves the work to the workers, and never has more than some of its events wait for them:
they are older than live traffic, which would otherwise wait for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, and_, or_, select

from ledger.engine import Store
from ledger.event_queries import EventFilter
from ledger.inbox import store_events
from ledger.parsing import Expected
from ledger.replay_outcomes import (
    DecidedAnew,
    EventOutcome,
    Marks,
    WrittenSince,
    decided_without_event,
    newest_decision,
    outcomes_of,
    read_marks,
    written_since,
)
from ledger.replay_runs import ReplayRun, advance_run, end_run
from ledger.replaying import ReplayAuthor, ReplayOrder, replay_step
from ledger.scratch_ledger import copy_payloads
from ledger.states import EventState
from ledger.tables import events
from runtime.bells import Bell
from runtime.clock import Clock
from runtime.operator_limits import (
    LIST_PAUSE_SECONDS,
    REPLAY_LOOK_SECONDS,
    REPLAY_STALL_SECONDS,
    REPLAY_WAITING_MAX,
)
from runtime.queues import LOOK_UP_JOB
from runtime.settings import Settings
from workers.catalogue_book import CatalogueBook
from workers.context import WorkerContext
from workers.drain import drain_events
from workers.gateway import Gateway
from workers.look_up import look_up
from workers.replay_sources import Batch, ReplaySource
from workers.terms_book import TermsBook


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """What one step did: rows that were new, rows that wait for a worker again, and how many were left alone."""

    stored: tuple[int, ...]
    replayed: tuple[int, ...]
    left_alone: int


class ReplayStalled(Exception):
    """No worker settles what was put back; the text says how to go on."""


def put_back(
    connection: Connection, batch: Batch, served: Expected, author: ReplayAuthor, now_ms: int
) -> PutBack:
    """Store what the ledger lacks, and put what it has back to be worked on. One transaction's work."""
    receipts = store_events(connection, batch.events, now_ms)
    stored = tuple(one.row_id for one in receipts if one.outcome == "stored")
    known = {one.row_id for one in receipts if one.outcome != "stored"}
    wanted = sorted({*known, *batch.row_ids} - set(stored))
    if not wanted:  # a filter that names no row would mean every row
        return PutBack(stored=stored, replayed=(), left_alone=0)
    order = ReplayOrder(
        wanted=EventFilter(row_ids=tuple(wanted)),
        livemode=served.livemode,
        account=served.account,
    )
    step = replay_step(
        connection, order, author, last_row=wanted[-1], count_max=len(wanted), now_ms=now_ms
    )
    return PutBack(stored=stored, replayed=step.row_ids, left_alone=len(wanted) - len(step.row_ids))


class _ReadingOnly:
    """Stripe, as a forecast sees it: it may be asked, and whoever wanted to move something has a defect."""

    def __init__(self, gateway: Gateway | None) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        if name in _READS and self._gateway is not None:
            return getattr(self._gateway, name)
        raise RuntimeError(f"a forecast moves nothing at Stripe, but {name} was wanted")


_READS = frozenset({"stripe_object", "invoice_payments_of"})


class _Questions:
    """A bell of which no worker hears; it keeps the questions to Stripe that were rung for."""

    def __init__(self) -> None:
        self.asked: set[int] = set()

    def wake_events(self) -> bool:
        return True

    def clear_events_flag(self) -> bool:
        return True

    def wake_effect(self, job_name: str, row_id: int | str) -> bool:
        if job_name == LOOK_UP_JOB:
            self.asked.add(int(row_id))
        return True


@dataclass(kw_only=True)
class Forecaster:
    """Works batches through in a copy of the ledger. `terms` are those in force unless others are tried.

    With a `gateway`, Stripe is asked what the workers would ask it; else such questions stay open and are counted.
    """

    live: Store
    scratch: Store
    settings: Settings
    clock: Clock
    gateway: Gateway | None = None
    terms: TermsBook = field(default_factory=TermsBook)
    catalogue: CatalogueBook = field(default_factory=CatalogueBook)
    left_alone: int = 0
    _bell: _Questions = field(default_factory=_Questions)
    _context: WorkerContext = field(init=False)
    _start: Marks = field(init=False)

    def __post_init__(self) -> None:
        """Take the marks from which everything counts."""
        self._context = WorkerContext(
            settings=self.settings,
            store=self.scratch,
            clock=self.clock,
            gateway=cast(Gateway, _ReadingOnly(self.gateway)),
            wakeups=self._bell,
            terms=self.terms,
            catalogue=self.catalogue,
        )
        with self.scratch.read() as connection:
            self._start = read_marks(connection)

    def work(self, batch: Batch) -> list[EventOutcome]:
        """What would become of a batch, given all those before it."""
        author = ReplayAuthor(actor="forecast", reason="forecast", origin="forecast")
        served = Expected.by(self.settings)
        with self.scratch.write() as connection:
            before = newest_decision(connection)
            done = put_back(connection, batch, served, author, self.clock.now_ms())
            # Rows after the copy's start are its own: the live ledger has others under their numbers.
            copied = [row_id for row_id in done.replayed if row_id <= self._start.event]
            with self.live.read() as live:
                copy_payloads(live, connection, copied)
        self.left_alone += done.left_alone
        while drain_events(self._context):
            pass
        with self.scratch.read() as connection:
            row_ids = (*done.stored, *done.replayed)
            return outcomes_of(connection, row_ids, before)

    def answers(self) -> list[DecidedAnew]:
        """What would be decided when Stripe answers the questions that arose so far; none without a gateway."""
        if not self._bell.asked or self.gateway is None:
            return []
        with self.scratch.read() as connection:
            before = newest_decision(connection)
        while self._bell.asked:
            self.clock.sleep(LIST_PAUSE_SECONDS)
            look_up(self._context, self._bell.asked.pop())
        with self.scratch.read() as connection:
            return decided_without_event(connection, before)

    def written(self) -> WrittenSince:
        """Everything that was written so far, whatever it followed from."""
        with self.scratch.read() as connection:
            return written_since(connection, self._start)


@dataclass(kw_only=True)
class ReplayRunner:
    """Carries a replay out in the live ledger, at most `per_second` events in a second."""

    store: Store
    bell: Bell
    clock: Clock
    served: Expected
    per_second: int
    run: ReplayRun
    left_alone: int = 0
    rang: bool = True
    _waiting: list[int] = field(default_factory=list)
    _decision: int = 0

    def steps(self, source: ReplaySource) -> Iterator[Sequence[EventOutcome]]:
        """Put everything back, step by step; yields what has been settled after each.

        Raises ReplayOvertaken, and ReplayStalled when no worker settles anything.
        """
        with self.store.read() as connection:
            self._decision = newest_decision(connection)
        for batch in source.batches(self.run.cursor):
            yield from self._until_waiting(REPLAY_WAITING_MAX)
            began = self.clock.monotonic()
            count = self._put_back(batch)
            yield self._settled()
            self._keep_pace(began, count)
        with self.store.write() as connection:
            self.run = end_run(connection, self.run, self.clock.now_ms())

    def rest(self) -> Iterator[Sequence[EventOutcome]]:
        """What is settled of the last events; ends when all are, or when no worker settles any more of them."""
        try:
            yield from self._until_waiting(1)
        except ReplayStalled:
            return

    @property
    def waiting(self) -> int:
        """How many events that were put back have not been seen settled yet."""
        return len(self._waiting)

    def _put_back(self, batch: Batch) -> int:
        now_ms = self.clock.now_ms()
        with self.store.write() as connection:
            done = put_back(connection, batch, self.served, self.run.author, now_ms)
            self.run = advance_run(
                connection,
                self.run,
                cursor=batch.cursor,
                stored=len(done.stored),
                replayed=len(done.replayed),
                now_ms=now_ms,
            )
        self.left_alone += done.left_alone
        row_ids = (*done.stored, *done.replayed)
        if row_ids:
            self.rang = self.bell.wake_events()
        self._waiting += row_ids
        return len(row_ids)

    def _until_waiting(self, fewer_than: int) -> Iterator[Sequence[EventOutcome]]:
        moved_at = self.clock.monotonic()
        while len(self._waiting) >= fewer_than:
            settled = self._settled()
            if settled:
                moved_at = self.clock.monotonic()
                yield settled
            elif self.clock.monotonic() - moved_at >= REPLAY_STALL_SECONDS:
                raise ReplayStalled(
                    f"Replay {self.run.run_id} stopped: no worker took any of {len(self._waiting)} events for"
                    f" {REPLAY_STALL_SECONDS:.0f} s. Start `redress up` or `redress worker`, then go on by"
                    f" `redress replay --resume {self.run.run_id}`."
                )
            else:
                self.clock.sleep(REPLAY_LOOK_SECONDS)

    def _settled(self) -> list[EventOutcome]:
        """Those of the waiting events that no worker is about to take: they are told of once."""
        if not self._waiting:
            return []
        with self.store.read() as connection:
            due = _still_due(connection, self._waiting, self.clock.now_ms())
            ended = [row_id for row_id in self._waiting if row_id not in due]
            self._waiting = [row_id for row_id in self._waiting if row_id in due]
            return outcomes_of(connection, ended, self._decision) if ended else []

    def _keep_pace(self, began: float, count: int) -> None:
        spare = began + count / self.per_second - self.clock.monotonic()
        if spare > 0:
            self.clock.sleep(spare)


def _still_due(connection: Connection, row_ids: Sequence[int], now_ms: int) -> set[int]:
    """Which of the rows a worker has, or will take at once; one that failed waits for its next try and is none."""
    due = or_(
        events.c.state == EventState.CLAIMED.value,
        and_(events.c.state == EventState.NEW.value, events.c.not_before_ms <= now_ms),
    )
    query = select(events.c.id).where(events.c.id.in_(row_ids), due)
    return set(connection.execute(query).scalars())
