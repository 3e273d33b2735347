"""What each process holds of memory, at rest and under load."""

import threading
from collections.abc import Iterator

from tests.bench.deciding import PROCESSES
from tests.bench.figures import Figure
from tests.bench.stack import Stack, clock

SETTLE_SECONDS = 2.0
LOOK_SECONDS = 0.25
UNDER_LOAD_RATE = 500


def held(
    stack: Stack, place: dict[str, object], seconds: float, runs: Iterator[int]
) -> Iterator[Figure]:
    """PSS in MB of every process: idle after its first work, and the most seen under load."""
    with stack.running(*PROCESSES):
        last = stack.last_row_id()
        stack.load(run=next(runs), rate=20, seconds=1, events="mix")
        stack.wait_until_settled(last, 30)
        clock.sleep(SETTLE_SECONDS)
        idle = stack.memory_mb()
        most = dict(idle)
        options = {"rate": UNDER_LOAD_RATE, "seconds": seconds, "events": "mix"}
        load = threading.Thread(target=stack.load, kwargs={"run": next(runs), **options})
        load.start()
        while load.is_alive():
            clock.sleep(LOOK_SECONDS)
            for name, held_mb in stack.memory_mb().items():
                most[name] = max(held_mb, most.get(name, 0.0))
        load.join()
        stack.wait_until_settled(last, 60)
    for name, held_mb in most.items():
        yield Figure(
            **place,
            name=f"memory of {name} under load",
            value=held_mb,
            unit="MB",
            detail=f"idle {idle.get(name, 0):.0f} MB; PSS, with children",
        )
