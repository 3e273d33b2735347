"""Runs many seeds on several cores and adds up what they saw; tells of each failure how to have it again."""

import gc
import multiprocessing
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from runtime.probes import counted
from tests.simulation.coverage import Coverage
from tests.simulation.machine import Machine
from tests.simulation.swarm import draw

SEEDS_FILE = Path(__file__).with_name("seeds.txt")
_CHUNK = 25
_SHRINKS_MAX = 40


@dataclass(kw_only=True)
class Failure:
    """One seed that broke something; `without` is what can be left out and it still does."""

    seed: int
    violations: list
    without: tuple[str, ...] = ()
    digest: str = ""


@dataclass(kw_only=True)
class Total:
    """What a run of many seeds came to."""

    seeds: int = 0
    deliveries: int = 0
    simulated_ms: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    probes: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)

    def add(self, other):
        """Take another's share in."""
        self.seeds += other.seeds
        self.deliveries += other.deliveries
        self.simulated_ms += other.simulated_ms
        self.coverage.add(other.coverage)
        self.probes.update(other.probes)
        self.failures += other.failures


def kept_seeds():
    """Every seed that ever failed: run before all others, for ever after."""
    lines = SEEDS_FILE.read_text(encoding="utf-8").splitlines()
    words = [line.split("#")[0].strip() for line in lines]
    return [int(word) for word in words if word]


def run_seeds(seeds, jobs, *, progress=lambda _total: None, stop_at=None, canary=False):
    """Run every seed; stops early once `stop_at` of them failed. `canary` breaks one seed in a hundred."""
    total = Total()
    chunks = [(seeds[start : start + _CHUNK], canary) for start in range(0, len(seeds), _CHUNK)]
    if jobs == 1:
        for share in map(_run_chunk, chunks):
            total.add(share)
            progress(total)
            if stop_at is not None and len(total.failures) >= stop_at:
                break
        return total
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for share in pool.imap_unordered(_run_chunk, chunks):
            total.add(share)
            progress(total)
            if stop_at is not None and len(total.failures) >= stop_at:
                break
    return total


_machine = None


def machine():
    """This process's own machine, made when it is first needed."""
    global _machine  # noqa: PLW0603 - it costs a second and serves every seed of the process
    if _machine is None:
        _machine = Machine()
        # What is there now stays; a world's greenlets and frames form cycles, collected between chunks.
        gc.freeze()
        gc.disable()
    return _machine


def _run_chunk(given):
    seeds, canary = given
    share = Total()
    with counted(share.probes):
        for seed in seeds:
            share.add(_run_one(seed, broken=canary and seed % 100 == 0))
    gc.collect()
    return share


def _run_one(seed, *, broken=False):
    outcome = machine().run(seed, broken=broken)
    share = Total(
        seeds=1,
        deliveries=outcome.deliveries,
        simulated_ms=outcome.simulated_ms,
        coverage=outcome.coverage,
    )
    if outcome.violations:
        share.failures.append(
            Failure(seed=seed, violations=outcome.violations, digest=outcome.digest)
        )
    return share


def shrink(failure):
    """Leave out faults and stories, one after another, while the seed still breaks the same invariant."""
    broken = failure.violations[0][0]
    options = draw(failure.seed)
    without = set()
    for name in [*options.faults, *sorted({*options.stories, *options.beside})][:_SHRINKS_MAX]:
        violations = machine().run(failure.seed, without=frozenset(without | {name})).violations
        if violations and violations[0][0] == broken:
            without.add(name)
            failure.violations = violations
    failure.without = tuple(sorted(without))
    return failure
