"""What planning a replay costs: until the counts are there, until the first forecast, and each event after that."""

import time
import tracemalloc
from collections.abc import Iterator

from ledger.event_queries import EventFilter
from ledger.replaying import ReplayOrder, plan_replay
from ledger.scratch_ledger import scratch_ledger
from ops.replay_tally import ReplayTally
from runtime.clock import SystemClock
from runtime.settings import load_settings
from tests.bench.figures import Figure
from tests.bench.load_generator import SECRET
from tests.bench.stack import API_KEY, Stack
from workers.replay_sources import LedgerRows
from workers.replays import Forecaster

#: Events that are forecast; a plan over more takes as much longer.
_FORECAST = 5_000
_MEGABYTE = 1_000_000


def planned(stack: Stack, place: dict[str, object]) -> Iterator[Figure]:
    """A plan over every event of the ledger: counts, copy, first forecast, rate, and Python's own memory."""
    order = ReplayOrder(
        wanted=EventFilter(types=("charge.*", "customer.*", "invoice*", "payment_intent.*")),
        livemode=False,
        account=None,
    )
    began = time.perf_counter()
    with stack.store.read() as connection:
        plan = plan_replay(connection, order)
    counted = time.perf_counter() - began
    source = LedgerRows(store=stack.store, order=order, last_row=plan.last_row)
    with scratch_ledger(stack.store, stack.folder) as scratch:
        copied = time.perf_counter() - began
        forecaster = Forecaster(
            live=stack.store, scratch=scratch, settings=_settings(stack), clock=SystemClock()
        )
        tally, first = ReplayTally(), 0.0
        for batch in source.batches(""):
            tally.add(forecaster.work(batch))
            first = first or time.perf_counter() - began
            if tally.events >= _FORECAST:
                break
        ended = time.perf_counter() - began
    most = _held(stack, source)
    told = f"{plan.events:,} events meant"
    figures = {
        "replay plan: counts": (counted, "s", told),
        "replay plan: copy of the ledger": (copied - counted, "s", ""),
        "replay plan: first forecast": (first, "s", f"{told}; counts and copy included"),
        "replay plan: forecast": (
            tally.events / (ended - copied),
            "/s",
            f"{tally.events:,} events",
        ),
        "replay plan: memory": (
            most / _MEGABYTE,
            "MB",
            "the most that Python held over a fifth of them",
        ),
    }
    for name, (value, unit, detail) in figures.items():
        yield Figure(**place, name=name, value=value, unit=unit, detail=detail)


def _held(stack: Stack, source: LedgerRows) -> int:
    """The bytes that Python held at most over the same forecast: apart, because tracing slows it."""
    tracemalloc.start()
    with scratch_ledger(stack.store, stack.folder) as scratch:
        forecaster = Forecaster(
            live=stack.store, scratch=scratch, settings=_settings(stack), clock=SystemClock()
        )
        tally = ReplayTally()
        for batch in source.batches(""):
            tally.add(forecaster.work(batch))
            if tally.events >= _FORECAST // 5:
                break
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def _settings(stack: Stack):
    return load_settings(
        {
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "REDRESS_DATA": str(stack.folder),
        }
    )
