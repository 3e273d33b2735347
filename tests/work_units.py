"""Which tests pytest-xdist keeps together on one of its workers.

Marks of `xdist_group` do nothing with pytest 9.2 and pytest-xdist 3.8 (pytest-xdist issue 1386), so what
shares an expensive machine is told by its name: the module in `tests/processes` or `tests/browser` and the engine.
"""

from xdist.scheduler import LoadScopeScheduling

from tests.databases import ENGINES


class WorkUnits(LoadScopeScheduling):
    """Every test is a unit of its own, but for those that share a machine of processes."""

    def _split_scope(self, nodeid):
        return work_unit(nodeid)


def work_unit(nodeid):
    """The name of the unit that a test belongs to."""
    module, _, test = nodeid.partition("::")
    if not module.rpartition("/")[0].endswith(("processes", "browser")):
        return nodeid
    engines = [engine for engine in ENGINES if f"[{engine}" in test]
    return " ".join([module, *engines])
