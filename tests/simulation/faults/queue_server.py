"""F2: Redis flushed, away, out of memory, and failing over with the last writes lost."""

from tests.simulation.faults import Fault, windows


def _flushes(world, rng):
    for _ in range(rng.randint(1, 4)):
        world.scheduler.after(rng.randint(20, world.busy_ms), lambda: _flush(world))


def _flush(world):
    if not world.healed:
        world.struck("redis flushed")
        world.redis.flush()


def _away(world, rng):
    def knob(on):
        world.redis.away = on
        world.struck("redis away")
        if not on:
            world.wake_workers()

    windows(world, rng, knob, 60)


def _memory(world, rng):
    def knob(on):
        world.redis.full = on
        world.struck("redis out of memory")

    windows(world, rng, knob, 60)


def _failover(world, rng):
    world.redis.loss = rng.choice((0.2, 0.7, 1.0))


FAULTS = (
    Fault(name="redis flushed", catalogue="F2", begin=_flushes),
    Fault(name="redis away", catalogue="F2", begin=_away),
    Fault(name="redis out of memory", catalogue="F2", begin=_memory, weight=2),
    Fault(name="redis loses writes", catalogue="F2", begin=_failover),
)
