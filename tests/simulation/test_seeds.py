"""Seeds in the tests: every one that ever failed, and some that nobody has looked at."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.event_types import HANDLED
from runtime.probes import PROBES, counted, probe
from tests.simulation import runner
from tests.simulation.faults import FAULTS
from tests.simulation.stories import STORIES
from tests.simulation.swarm import draw

ROOT = Path(__file__).parents[2]
PACKAGES = ("ledger", "runtime", "webhooks", "workers")
FRESH_SEEDS = range(1, 241)
COMPARED_SEEDS = range(1, 31)


@pytest.fixture(scope="module")
def machine():
    """A machine of this module's own: the log belongs to the tests again afterwards."""
    made = runner.Machine()
    yield made
    made.close()


@pytest.mark.parametrize("seed", runner.kept_seeds())
def test_kept_seed(machine, seed):
    """A seed that once broke something breaks nothing any more."""
    assert [] == machine.run(seed).violations


@pytest.mark.parametrize("first", range(FRESH_SEEDS.start, FRESH_SEEDS.stop, 40))
def test_fresh_seeds(machine, first):
    """Forty worlds under their faults break no invariant, and both checkers agree."""
    broken = {
        seed: violations
        for seed in range(first, first + 40)
        if (violations := machine.run(seed).violations)
    }

    assert {} == broken


@pytest.mark.parametrize("seed", COMPARED_SEEDS)
def test_quick_connection_changes_nothing(machine, seed):
    """The connection that leaves SQLAlchemy's execution out leads to the same trace, byte for byte."""
    plain = machine.run(seed, plain_store=True)
    quick = machine.run(seed, plain_store=False)

    assert plain.lines == quick.lines


def command(*arguments, hash_seed="random"):
    """Run the simulator's command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_one_command_replays_a_seed():
    """A seed's trace is the same in every process, whatever order Python's sets have in it."""
    first, second = (command("--seed", "3", hash_seed=number) for number in ("1", "2"))

    assert (0, 0) == (first.returncode, second.returncode)
    assert first.stdout == second.stdout
    assert "trace sha256" in first.stdout


def test_left_out_faults_and_stories_do_not_happen():
    """`--without` leaves a fault or a story out, and everything else stays as drawn."""
    whole = draw(5)
    without = draw(5, frozenset({whole.faults[0]}))

    assert whole.faults[1:] == without.faults
    assert (whole.stories, whole.habits) == (without.stories, without.habits)


def test_every_probe_is_a_line_of_the_code():
    """`PROBES` lists the probes that stand in the code, each with its reason, and no others."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "probe":
                    found |= {
                        one.value
                        for argument in node.args
                        for one in ast.walk(argument)
                        if isinstance(one, ast.Constant)
                    }

    assert found == set(PROBES)
    assert all(PROBES.values())


def test_probe_counts_only_when_asked():
    """A probe is free until somebody counts, and counts only while the block lasts."""
    hits = runner.Counter()
    probe("inbox.known")
    with counted(hits):
        probe("inbox.known")
    probe("inbox.known")

    assert {"inbox.known": 1} == hits


def test_catalogue_is_played():
    """Each simulated fault of the catalogue (F1 to F12, F21) is there; deliveries and people play the rest."""
    played = {fault.catalogue for fault in FAULTS.values()} | {"F9", "F10", "F11", "F21"}

    assert {f"F{number}" for number in range(1, 13)} - {"F7"} | {"F21"} <= played
    assert "stripe 500_stored" in FAULTS  # F7 is one of Stripe's answers
    assert {"dispute at a boundary", "hand at a boundary", "brake at a boundary"} <= set(STORIES)
    assert HANDLED


def test_report_names_what_is_missing():
    """A run that saw too little says which probes, types and pairs it never saw."""
    shown = command("--seeds", "3", "--jobs", "1", "--no-kept", "--gaps")

    assert 1 == shown.returncode
    assert "probes never hit" in shown.stdout
    assert "event types never sent" in shown.stdout
