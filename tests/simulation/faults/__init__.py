"""Every fault that the simulator can play, by name: one small module each kind, found by being here.

A fault turns knobs of the world (`Database`, `SimulatedRedis`, `StripeLine`, processes) at drawn times and
calls `world.struck(name)` when it bites; `World.heal` puts every knob back.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`begin(world, rng)` arranges all of it. `catalogue` is the fault's id in reliability.md.

    `callers_only` says that it strikes nobody but who calls Stripe.
    """

    name: str
    catalogue: str
    begin: Callable[[Any, Random], None]
    weight: int = 4
    callers_only: bool = False


def windows(world, rng, knob, seconds_max):
    """Have `knob(True)` and a while later `knob(False)` happen one to three times."""
    for _ in range(rng.randint(1, 3)):
        starts_ms = rng.randint(0, world.busy_ms)
        lasts_ms = rng.randint(1_000, seconds_max * 1000)

        def switch(on):
            if not world.healed:
                knob(on)

        world.scheduler.after(starts_ms, partial(switch, True))  # noqa: FBT003 - on, as of a switch
        world.scheduler.after(starts_ms + lasts_ms, partial(switch, False))  # noqa: FBT003 - off


def _found():
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        yield from importlib.import_module(f"{__name__}.{module}").FAULTS


FAULTS = {}
FAULTS |= {fault.name: fault for fault in _found()}
