"""F4, F5: a database that is locked, full, refuses, or commits and cannot say so."""

from tests.simulation.faults import Fault, windows


def _locked(world, rng):
    def knob(on):
        world.database.locked = on

    windows(world, rng, knob, 30)


def _full(world, rng):
    def knob(on):
        world.database.full = on

    windows(world, rng, knob, 120)


def _rate(name):
    def begin(world, rng):
        setattr(world.database, name, rng.choice((0.01, 0.05, 0.2)))

    return begin


def _refused_row(world, _rng):
    """The database takes no row of a customer, whatever is tried: what SQLite says of a broken disk."""
    world.store.raw.execute(
        "CREATE TRIGGER refused BEFORE INSERT ON customers BEGIN SELECT json('{'); END"
        f" -- {world.swarm.seed}"
    )
    world.standing.add("row refused")


FAULTS = (
    Fault(name="database locked", catalogue="F4", begin=_locked),
    Fault(name="transaction refused", catalogue="F4", begin=_rate("begin_loss")),
    Fault(name="commit refused", catalogue="F4", begin=_rate("commit_loss")),
    Fault(name="commit applied, answer lost", catalogue="F4", begin=_rate("answer_loss"), weight=6),
    Fault(name="statement failed", catalogue="F4", begin=_rate("statement_loss")),
    Fault(name="disk full", catalogue="F5", begin=_full),
    Fault(name="row refused", catalogue="F14", begin=_refused_row, weight=2),
)
