"""What a scrape of the metrics costs: the first one, which counts what is counted seldom, and those after it."""

import time
from collections.abc import Iterator

from ops.metrics_exporter import InstallationMetrics
from runtime.settings import load_settings
from runtime.wiring import open_wiring
from tests.bench.figures import Figure
from tests.bench.stack import Stack

_SCRAPES = 20


def scraped(stack: Stack, place: dict[str, object]) -> Iterator[Figure]:
    """The time of a scrape over the whole ledger; Redis is away, which costs no more than its absence."""
    settings = load_settings(
        {"REDRESS_DATA": str(stack.folder), "DATABASE_URL": stack.database_url}
    )
    with open_wiring(settings) as wiring:
        collector = InstallationMetrics({"": wiring})
        took = []
        for _ in range(_SCRAPES):
            began = time.perf_counter()
            families = list(collector.collect())
            took.append((time.perf_counter() - began) * 1_000)
    samples = sum(len(family.samples) for family in families)
    yield Figure(
        **place, name="metrics: first scrape", value=took[0], unit="ms", detail="with ratios"
    )
    yield Figure(
        **place,
        name="metrics: scrape",
        value=sorted(took[1:])[len(took) // 2],
        unit="ms",
        detail=f"{samples} samples",
    )
