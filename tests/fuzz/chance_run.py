"""Runs a target on inputs that chance makes: the same seed makes the same inputs."""

import random
import sys
from collections import Counter
from dataclasses import dataclass
from time import monotonic

from tests.fuzz.input_lengths import LENGTHS
from tests.fuzz.target_list import Target

_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to; `found` is the input that broke a promise, if one did."""

    tried: int
    seconds: float
    found: bytes | None = None
    broken: str = ""


class Progress:
    """A line every few seconds, so that nobody thinks a long run has stopped."""

    def __init__(self) -> None:
        self.begun = monotonic()
        self._told = self.begun

    def tell(self, tried: int, counts: Counter[str]) -> None:
        """Say how far the run is, unless it was said just now."""
        now = monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            often = "; ".join(f"{name} {count:,}" for name, count in counts.most_common(4))
            say(f"{now - self.begun:5.0f} s: {summary(tried, now - self.begun)}: {often}")


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def summary(tried: int, seconds: float) -> str:
    """`1,000 tried, 250 a second`."""
    return f"{tried:,} tried, {tried / max(seconds, 0.001):,.0f} a second"


def run_by_chance(target: Target, *, seconds: float, runs: int | None, seed: int) -> Outcome:
    """Try the target's seeds, then what chance makes, until time or number are used up."""
    randomness = random.Random(seed)
    progress, tried = Progress(), 0
    seeds = target.seeds()
    while tried < runs if runs is not None else monotonic() - progress.begun < seconds:
        data = (
            seeds[tried] if tried < len(seeds) else randomness.randbytes(randomness.choice(LENGTHS))
        )
        tried += 1
        try:
            target.check(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it was found
            return Outcome(
                tried=tried,
                seconds=monotonic() - progress.begun,
                found=data,
                broken=f"{type(error).__name__}: {error}",
            )
        if not tried & 63:
            progress.tell(tried, target.counts)
    return Outcome(tried=tried, seconds=monotonic() - progress.begun)
