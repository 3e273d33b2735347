"""F1, F3, F8: processes that die, freeze, and lose or repeat what the queue gave them."""

from tests.simulation.faults import Fault
from workers import crash_points

_SLOW_MS = (1_000, 20_000, 45_000, 120_000)
_DAY_MS = 25 * 3_600_000


def _kills(world, rng):
    world.kill_rate = rng.choice((0.004, 0.015, 0.05))


def _power_cuts(world, rng):
    for _ in range(rng.randint(1, 3)):
        world.scheduler.after(rng.randint(50, world.busy_ms), lambda: _cut(world))


def _cut(world):
    if not world.healed:
        world.struck("power cut")
        for process in world.processes:
            if process.task.alive:
                process.kill()


def _freezes(world, rng):
    world.freeze_rate = rng.choice((0.004, 0.02))
    world.freeze_ms = _SLOW_MS


def _long_freeze(world, rng):
    world.freeze_rate = rng.choice((0.01, 0.03))
    world.freeze_ms = (_DAY_MS,)


def _freezes_senders(world, rng):
    # Past the lease, and either side of the time-out of a job.
    world.frozen_at = {crash_points.EFFECT_SUBMITTED: rng.choice((25_000, 45_000, 90_000))}


def _dequeue(world, rng):
    world.dequeue_loss = rng.choice((0.1, 0.4))


def _doubles(world, rng):
    world.redis.doubling = rng.choice((0.2, 0.8))


FAULTS = (
    Fault(name="process killed", catalogue="F1", begin=_kills, weight=12),
    Fault(name="power cut", catalogue="F1", begin=_power_cuts),
    Fault(name="process frozen", catalogue="F3", begin=_freezes, weight=6),
    Fault(name="process frozen for a day", catalogue="F8", begin=_long_freeze),
    Fault(name="sender frozen", catalogue="F3", begin=_freezes_senders, callers_only=True),
    Fault(name="killed in the dequeue window", catalogue="F3", begin=_dequeue),
    Fault(name="job run twice", catalogue="F3", begin=_doubles),
)
