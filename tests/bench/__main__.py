"""`python -m tests.bench`: measures everything on each engine and ledger size, and prints it by its aim."""

import argparse
import itertools
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from ledger.engine import Store
from ledger.schema import migrate
from tests.bench.acceptance import CLIENTS, accepted, at_a_steady_rate, generator_cost
from tests.bench.deciding import RATES, decided, drained
from tests.bench.durable_postgres import DurablePostgres
from tests.bench.figures import BASELINE, Figure, markdown, table
from tests.bench.fraud_decisions import backtested, judged
from tests.bench.memory import held
from tests.bench.page_times import shown
from tests.bench.prefill import prefill
from tests.bench.refunding import refunded
from tests.bench.replay_plans import planned
from tests.bench.scraping import scraped
from tests.bench.stack import Stack

PARTS = (
    "generator",
    "baseline",
    "flask",
    "accept",
    "drain",
    "decide",
    "refunds",
    "memory",
    "fraud",
    "backtest",
    "replay",
    "scrape",
    "pages",
)
#: What may change with the number of events in the ledger, and is measured on each size.
GROWING = ("accept", "drain", "decide", "refunds", "fraud", "replay", "scrape", "pages")
ENGINES = ("sqlite", "postgresql")


def main() -> None:
    """Measure what the command line names."""
    given = _arguments()
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="redress-bench-"))
    try:
        figures = [
            figure
            for engine in ENGINES
            if given.engine in (engine, "both")
            for figure in _engine(engine, folder / engine, given, console)
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report = {"conditions": _conditions(), "figures": [asdict(one) for one in figures]}
    file = given.json or Path(tempfile.gettempdir()) / "redress-bench.json"
    file.write_text(json.dumps(report, indent=2), encoding="utf-8")
    Console(width=None if console.is_terminal else 200).print(table(figures))
    if given.markdown:
        sys.stdout.write(markdown(figures) + "\n")
    console.print(f"written: {file}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Shorter runs, and no million.")
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    parser.add_argument("--rows", default="", help="Ledger sizes: 1000,100000,1000000")
    parser.add_argument("--only", default=",".join(PARTS), help=f"Of {', '.join(PARTS)}.")
    parser.add_argument("--seconds", type=float, help="How long each load lasts.")
    parser.add_argument("--rates", default="", help="Rates to try for the sustained figure.")
    parser.add_argument("--json", type=Path, help="Where the figures are written.")
    parser.add_argument("--markdown", action="store_true", help="Print the table to paste.")
    parser.add_argument("--profile", action="store_true", help="Profile the drain, nothing else.")
    given = parser.parse_args()
    sizes = given.rows or ("1000,100000" if given.quick else "1000,100000,1000000")
    given.sizes = [int(size) for size in sizes.split(",")]
    given.parts = ["drain"] if given.profile else given.only.split(",")
    given.seconds = given.seconds or (3.0 if given.quick else 10.0)
    given.rates = tuple(map(int, given.rates.split(","))) if given.rates else RATES
    return given


def _engine(
    engine: str, folder: Path, given: argparse.Namespace, console: Console
) -> Iterator[Figure]:
    folder.mkdir(mode=0o700)
    runs = itertools.count(100)
    with _databases(engine, folder) as (new_database, postgres_pid):
        for size in given.sizes:
            console.print(f"{engine}: filling a ledger with {size:,} events")
            url = new_database(size)
            _migrate(url)
            prefill(url, run=99, count=size)
            stack = Stack(
                folder=folder / f"data-{size}", database_url=url, postgres_pid=postgres_pid
            )
            for figure in _measured(engine, size, stack, given, runs):
                console.print(
                    f"  {figure.name}: {figure.value:,.1f} {figure.unit}  {figure.detail}"
                )
                yield figure
            stack.close()


def _measured(
    engine: str, size: int, stack: Stack, given: argparse.Namespace, runs: Iterator[int]
) -> Iterator[Figure]:
    """All figures of one ledger. What does not depend on its size is measured on the smallest."""
    place = {"engine": engine, "ledger_rows": size}
    smallest = size == given.sizes[0]
    seconds = given.seconds
    parts = {
        "generator": lambda: generator_cost(stack, place, seconds / 2),
        "baseline": lambda: _door(BASELINE, stack, place, given, runs),
        "flask": lambda: _door("Flask", stack, place, given, runs),
        "accept": lambda: _door("fast path", stack, place, given, runs),
        "drain": lambda: drained(
            stack, place, int(400 * seconds), 10_000 + next(runs), profile=given.profile
        ),
        "decide": lambda: decided(stack, place, given.rates, seconds, runs),
        "refunds": lambda: refunded(stack, place, 12 if given.quick else 40),
        "memory": lambda: held(stack, place, seconds, runs),
        "fraud": lambda: judged(stack, place, size, 100 if given.quick else 400),
        "replay": lambda: planned(stack, place),
        "scrape": lambda: scraped(stack, place),
        "pages": lambda: shown(stack, place),
        "backtest": lambda: backtested(stack.folder, place, 3 if given.quick else 20),
    }
    for name, measure in parts.items():
        if name in given.parts and (smallest or name in GROWING):
            yield from measure()


def _door(
    door: str,
    stack: Stack,
    place: dict[str, object],
    given: argparse.Namespace,
    runs: Iterator[int],
) -> Iterator[Figure]:
    """One door, saturated and at a steady rate; what it left in the inbox is nobody's work."""
    clients = CLIENTS if place["ledger_rows"] == given.sizes[0] else CLIENTS[-1:]
    yield from accepted(stack, place, door, clients, given.seconds / 2, runs=runs)
    yield from at_a_steady_rate(stack, place, door, given.seconds, runs)
    stack.forget_waiting()


@contextmanager
def _databases(engine: str, folder: Path):
    """How to get a new empty database by ledger size, and the server's process if there is one."""
    if engine == "sqlite":
        yield lambda size: f"sqlite:///{folder}/ledger-{size}.db", None
        return
    server = DurablePostgres()
    try:

        def new_database(size: int) -> str:
            server.execute(f"CREATE DATABASE ledger_{size}")
            return server.url(f"ledger_{size}")

        yield new_database, server.pid
    finally:
        server.stop()


def _migrate(url: str) -> None:
    store = Store(url)
    migrate(store)
    store.close()


def _conditions() -> dict[str, object]:
    return {
        "measured_at": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
    }


if __name__ == "__main__":
    main()
