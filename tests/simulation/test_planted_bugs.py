"""The simulator finds bugs: a canary that must always fail, and defects that are planted on purpose."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.planting import PACKAGES, ROOT, Defect
from tests.simulation.planting.catalogue import DEFECTS
from tests.simulation.planting.copied_program import copied, environment_of
from tests.simulation.planting.trial import try_defect

_DEFECTS_MIN = 40
_BY_NAME = {defect.name: defect for defect in DEFECTS}
#: For what runs hundreds of seeds on a machine that may have other things to do.
_SLOW = pytest.mark.timeout(900)
_EVERY = pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
_WHERE = "import ledger, workers, tests.simulation.runner as r; print(ledger.__file__, workers.__file__, r.__file__)"


def test_there_are_enough_planted_bugs():
    """At least forty different bugs must be found, each under a name of its own."""
    assert len(DEFECTS) == len(_BY_NAME)
    assert len(DEFECTS) == len({(defect.file, defect.old, defect.new) for defect in DEFECTS})
    assert len([defect for defect in DEFECTS if defect.missing is None]) >= _DEFECTS_MIN


@_EVERY
def test_a_planted_bug_fits_the_program(defect):
    """Each bug stands in a shipped package, changes one line that is there once, and still compiles."""
    source = (ROOT / defect.file).read_text(encoding="utf-8")
    planted = defect.planted(source)
    lines = [
        (before, after)
        for before, after in zip(source.splitlines(), planted.splitlines(), strict=True)
        if before != after
    ]

    compile(planted, defect.file, "exec")

    assert defect.file.split("/")[0] in PACKAGES
    assert 1 == len(lines)
    assert defect.breaks
    assert defect.invariant


def test_a_line_that_is_gone_is_told():
    """A bug whose line the program no longer holds is refused by name, not left out in silence."""
    defect = Defect(
        name="gone", file="ledger/inbox.py", old="no such line", new="", breaks="-", invariant="-"
    )

    with pytest.raises(ValueError, match=r"gone: ledger/inbox\.py holds its line 0 times"):
        defect.planted((ROOT / defect.file).read_text(encoding="utf-8"))


def test_a_copy_runs_itself_and_not_the_installed_program():
    """In a copy Python imports the copy: what is planted there is what runs."""
    with copied() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _WHERE],
            cwd=folder,
            env=environment_of(folder),
            capture_output=True,
            text=True,
            check=True,
        )
        inside = [Path(name).is_relative_to(folder) for name in done.stdout.split()]

    assert [True, True, True] == inside


@_SLOW
def test_a_planted_bug_is_found():
    """Answering before the commit loses events, and the simulator finds it within a thousand seeds."""
    verdict = try_defect(_BY_NAME["answer-before-commit"], ROOT, seeds=1_000)

    assert (True, None) == (verdict.found, verdict.problem)


def test_a_bug_that_only_breaks_the_program_does_not_count():
    """A program that cannot even start is told as such, and not as a bug that was found."""
    defect = Defect(
        name="broken",
        file="workers/retries.py",
        old="import hashlib",
        new="import hashlip",
        breaks="-",
        invariant="-",
    )

    verdict = try_defect(defect, ROOT, seeds=1)

    assert not verdict.found
    assert "the defect breaks the program itself: ModuleNotFoundError" in verdict.problem


@_SLOW
def test_the_canary_always_fails():
    """A run that is told to break one seed in a hundred fails, names those, and says how to have them again."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seeds", "200", "--canary", "--jobs", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == done.returncode
    for seed in (100, 200):
        assert f"python -m tests.simulation --seed {seed}" in done.stderr
