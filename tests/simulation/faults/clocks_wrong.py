"""F12: machines that disagree about the time, and clocks that jump."""

from tests.simulation.faults import Fault

_MINUTES_MS = 60_000
_HOUR_MS = 3_600_000


def _skewed(world, rng):
    for process in world.processes:
        if rng.random() < 0.5:
            process.clock.skew_ms = rng.randint(-10 * _MINUTES_MS, 10 * _MINUTES_MS)
            world.standing.add("clock skewed")


def _jumps(world, rng):
    for _ in range(rng.randint(1, 3)):
        process = rng.choice(world.processes)
        leap_ms = rng.choice((-_HOUR_MS, _HOUR_MS, -1_000, 1_000, -5 * _MINUTES_MS))
        world.scheduler.after(
            rng.randint(0, world.busy_ms), lambda jump=(process, leap_ms): _jump(world, *jump)
        )


def _jump(world, process, leap_ms):
    if not world.healed:
        world.standing.add("clock jumped")
        world.struck("clock jumped")
        process.clock.skew_ms += leap_ms


FAULTS = (
    Fault(name="clock skewed", catalogue="F12", begin=_skewed),
    Fault(name="clock jumped", catalogue="F12", begin=_jumps),
)
