"""What happens at Stripe while the faults strike: one small module a family of events, found by being here.

A story is a generator over the shop: it acts, yields the seconds until its next step, acts again. It says
what is true about each payment that it makes (`Shop.group`) and what it does to others' (`Shop.touch`).
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`begin(world, rng)` schedules all of it.

    By its `weight` a seed draws it, or it has a `share` of the seeds in which it is told beside what they drew.
    """

    name: str
    begin: Callable[[Any, Random], None]
    weight: int = 4
    share: float = 0.0


def _found():
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        yield from importlib.import_module(f"{__name__}.{module}").STORIES


STORIES = {}
STORIES |= {story.name: story for story in _found()}
