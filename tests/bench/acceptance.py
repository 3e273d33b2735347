"""How fast deliveries are accepted, each 200 after a durable commit: our two doors and the naive view."""

from collections.abc import Iterator, Sequence

from tests.bench.figures import BASELINE, Figure
from tests.bench.stack import Stack

CLIENTS = (1, 8, 32)
STEADY_RATE = 200
DOORS = {"fast path": "web", "Flask": "flask", BASELINE: "naive"}


def generator_cost(stack: Stack, place: dict[str, object], seconds: float) -> Iterator[Figure]:
    """The generator against a server that does nothing: it must not be what is measured."""
    with stack.running("trivial"):
        loaded = stack.load(run=1, clients=32, seconds=seconds)
    yield Figure(
        **place,
        name="load generator: against a trivial server",
        value=loaded.per_second,
        unit="requests/s",
        detail=f"p50 {loaded.p50_ms} ms; the generator's own CPU {loaded.generator_us} µs per request",
    )


def accepted(
    stack: Stack,
    place: dict[str, object],
    door: str,
    clients: Sequence[int],
    seconds: float,
    *,
    runs: Iterator[int],
) -> Iterator[Figure]:
    """Accepted events/s and times of `door` with so many keep-alive clients."""
    with stack.running(DOORS[door]):
        stack.load(run=next(runs), clients=8, seconds=1)  # warms up; the bell's first job, imports
        for count in clients:
            before = stack.cpu_seconds()
            loaded = stack.load(run=next(runs), clients=count, seconds=seconds)
            cpu = cpu_text(before, stack.cpu_seconds(), loaded.accepted)
            refused = f"; {loaded.failed} failed" if loaded.failed else ""
            label = f"{count} client{'s' if count > 1 else ''}"
            yield _figure(
                place, f"{door}: accepted, {label}", loaded.per_second, "/s", cpu + refused
            )
            yield _figure(place, f"{door}: p50, {label}", loaded.p50_ms, "ms")
            yield _figure(place, f"{door}: p99, {label}", loaded.p99_ms, "ms")


def at_a_steady_rate(
    stack: Stack, place: dict[str, object], door: str, seconds: float, runs: Iterator[int]
) -> Iterator[Figure]:
    """Times at 200 deliveries a second that come whatever the server does."""
    with stack.running(DOORS[door]):
        stack.load(run=next(runs), clients=8, seconds=1)
        loaded = stack.load(run=next(runs), rate=STEADY_RATE, seconds=seconds)
    for name, value in (("p50", loaded.p50_ms), ("p99", loaded.p99_ms)):
        yield _figure(place, f"{door}: {name} at {STEADY_RATE}/s", value, "ms")


def cpu_text(before: dict[str, float], after: dict[str, float], count: int) -> str:
    """CPU per event by process, in µs: the one figure that a busy machine does not spoil."""
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    parts = (f"{name} {value / max(1, count) * 1e6:.0f}" for name, value in spent.items())
    return f"CPU µs per event: {', '.join(parts)}"


def _figure(
    place: dict[str, object], name: str, value: float, unit: str, detail: str = ""
) -> Figure:
    return Figure(**place, name=name, value=value, unit=unit, detail=detail)
