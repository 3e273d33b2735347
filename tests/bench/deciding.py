"""From acceptance to the recorded decision, by the real processes and handlers; and the drain alone."""

import cProfile
import itertools
import pstats
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from ledger.engine import Store
from ledger.inbox import store_events
from ledger.parsing import Expected, parse_event
from ledger.tables import events
from runtime.clock import SystemClock
from runtime.settings import load_settings
from tests.bench.acceptance import cpu_text
from tests.bench.figures import Figure
from tests.bench.load_generator import SECRET, quantile
from tests.bench.shop_events import ShopEvents
from tests.bench.stack import API_KEY, Stack
from workers.context import WorkerContext
from workers.drain import drain_events
from workers.terms_book import TermsBook

PROCESSES = ("web", "worker", "effects", "sweeper")
STEADY_RATE = 200
RATES = (400, 600, 800, 1_000, 1_250, 1_500, 1_750, 2_000, 2_500)
#: The inbox grows when more than this many seconds' worth of deliveries waits at the end of a run.
BACKLOG_SECONDS_MAX = 0.5
SETTLE_SECONDS_MAX = 60
STORE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What the workers made of one open load; times in ms from `received_ms` to `settled_ms`."""

    accepted: int
    backlog: int
    kept_up: bool
    p50_ms: float
    p95_ms: float
    cpu: str


def decided(
    stack: Stack,
    place: dict[str, object],
    rates: Sequence[int],
    seconds: float,
    runs: Iterator[int],
) -> Iterator[Figure]:
    """Times at 200/s, and the highest of `rates` at which the inbox does not grow."""
    with stack.running(*PROCESSES):
        _follow(stack, 50, 2, runs)  # warms up
        steady = _follow(stack, STEADY_RATE, seconds, runs)
        for name, value in (("p50", steady.p50_ms), ("p95", steady.p95_ms)):
            yield Figure(
                **place,
                name=f"accepted to decided: {name} at {STEADY_RATE}/s",
                value=value,
                unit="ms",
                detail=steady.cpu,
            )
        best, found = STEADY_RATE if steady.kept_up else 0, steady
        for rate in rates:
            followed = _follow(stack, rate, seconds, runs)
            if not followed.kept_up:
                break
            best, found = rate, followed
        yield Figure(
            **place,
            name="decided, sustained",
            value=best,
            unit="/s",
            detail=f"p50 {found.p50_ms:.0f}, p95 {found.p95_ms:.0f} ms; {found.cpu}",
        )


def _follow(stack: Stack, rate: int, seconds: float, runs: Iterator[int]) -> Followed:
    """Send the mix at `rate` and see whether the workers settle as much as comes in."""
    last = stack.last_row_id()
    before = stack.cpu_seconds()
    loaded = stack.load(run=next(runs), rate=rate, seconds=seconds, events="mix")
    backlog = stack.unsettled(last)
    settled = stack.wait_until_settled(last, SETTLE_SECONDS_MAX)
    cpu = cpu_text(before, stack.cpu_seconds(), loaded.accepted)
    took = _milliseconds(stack.store, last)
    return Followed(
        accepted=loaded.accepted,
        backlog=backlog,
        kept_up=(
            settled
            and not loaded.failed
            and backlog <= BACKLOG_SECONDS_MAX * rate
            and loaded.seconds <= seconds + BACKLOG_SECONDS_MAX
        ),
        p50_ms=quantile(took, 0.5),
        p95_ms=quantile(took, 0.95),
        cpu=cpu,
    )


def _milliseconds(store: Store, after_row_id: int) -> list[float]:
    query = select(events.c.settled_ms - events.c.received_ms).where(
        events.c.id > after_row_id, events.c.state == "decided"
    )
    with store.read() as connection:
        return sorted(float(value) for value in connection.execute(query).scalars())


class _NobodyListens:
    """The bell of a drain that is called by hand."""

    def wake_events(self):
        """Nobody has to be woken."""
        return True

    def clear_events_flag(self):
        """There is no flag."""
        return True

    def wake_effect(self, _job_name, _row_id):
        """Nobody sends."""
        return True


def drained(
    stack: Stack, place: dict[str, object], count: int, run: int, *, profile: bool = False
) -> Iterator[Figure]:
    """Events/s of `workers.drain.drain_events` in this process, over an inbox of `count` events."""
    settings = load_settings(
        {
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "REDRESS_DATA": str(stack.folder),
        }
    )
    context = WorkerContext(
        settings=settings,
        store=stack.store,
        clock=SystemClock(),
        gateway=None,  # the drain never calls Stripe
        wakeups=_NobodyListens(),
        terms=TermsBook(),
    )
    fill_inbox(stack.store, run, 200)
    drain_events(context)  # compiles the statements
    fill_inbox(stack.store, run + 1, count)
    profiler = cProfile.Profile()
    started, cpu = time.perf_counter(), time.process_time()
    before = stack.cpu_seconds()
    if profile:
        profiler.enable()
    settled = 0
    while batch := drain_events(context):
        settled += batch
    profiler.disable()
    seconds, own = time.perf_counter() - started, time.process_time() - cpu
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(45)
    server = cpu_text(before, stack.cpu_seconds(), settled) if stack.postgres_pid else ""
    yield Figure(
        **place,
        name="drain alone",
        value=settled / seconds,
        unit="/s",
        detail=f"CPU µs per event: worker {own / max(1, settled) * 1e6:.0f}; {server}".rstrip("; "),
    )


def fill_inbox(store: Store, run: int, count: int) -> None:
    """Put `count` events of the mix into the inbox, as the receiver would."""
    clock = SystemClock()
    bodies = itertools.islice(ShopEvents(run).mix(clock.now_ms() // 1000), count)
    expected = Expected(livemode=False, account=None)
    while batch := list(itertools.islice(bodies, STORE_ROWS)):
        with store.write() as connection:
            store_events(
                connection, [parse_event(body, expected) for body in batch], clock.now_ms()
            )
