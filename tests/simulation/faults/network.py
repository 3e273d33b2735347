"""F10 and the way of the answers: deliveries that are late or never come, and answers that nobody hears."""

from tests.simulation.faults import Fault


def _deliveries(world, rng):
    world.courier.first_lost = rng.choice((0.1, 0.5, 1.0))


def _answers(world, rng):
    world.courier.answers_lost = rng.choice((0.1, 0.5))


def _never(world, rng):
    world.courier.undelivered = rng.choice((0.1, 0.5, 1.0))
    world.courier.unmade = rng.choice((0.0, 0.0, 0.3))
    if world.swarm.weeks:
        world.courier.undelivered = 1.0


FAULTS = (
    Fault(name="delivery lost", catalogue="F10", begin=_deliveries),
    Fault(name="answer lost", catalogue="F9", begin=_answers),
    Fault(name="never delivered", catalogue="F10", begin=_never),
)
