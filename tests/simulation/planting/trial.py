"""One defect's trial: the simulator of a copy that has it, run until it finds it."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass

from tests.simulation.planting.copied_program import copied, environment_of

#: A healthy seed takes a tenth of a second; one that takes this long has come to no end.
SEED_SECONDS_MAX = 60
#: For everything: a thousand seeds take two minutes on a machine that does nothing else.
TRIAL_SECONDS_MAX = 900
#: What a program says that somebody broke, instead of putting a mistake into it.
_BROKEN = re.compile(
    r"\b(NameError|UnboundLocalError|AttributeError|ImportError|ModuleNotFoundError|SyntaxError)\b"
)
_COMMAND = (sys.executable, "-m", "tests.simulation.planting.seed_by_seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one defect. `problem` says why the trial itself is worth nothing; else None."""

    name: str
    seeds: int  # how many were run, the one that failed among them
    found: bool
    invariant: str | None = None
    sentence: str | None = None
    problem: str | None = None


def try_defect(defect, source, seeds, first=1):
    """Plant a defect in a copy of the program in folder `source` and look how soon it is found."""
    with copied(source, defect) as folder:
        lines, problem, stuck = _run(folder, first, seeds)
    ran = sum("seed" in line for line in lines)
    if stuck:
        invariant, sentence = "I2", f"seed {lines[-1]['seed']} never ends"
    elif problem is not None:
        return Verdict(name=defect.name, seeds=ran, found=False, problem=problem)
    elif lines[-1]["failed"] is None:
        return Verdict(name=defect.name, seeds=ran, found=False)
    else:
        invariant, sentence = lines[-1]["violations"][0]
    problem = _objection(source, first + ran - 1, sentence)
    return Verdict(
        name=defect.name,
        seeds=ran,
        found=problem is None,
        invariant=invariant,
        sentence=sentence,
        problem=problem,
    )


def _objection(source, seed, sentence):
    """Why a failure says nothing about the defect; None when it does: without the defect, the seed passes."""
    if _BROKEN.search(sentence):
        return f"the defect breaks the program itself: {sentence}"
    with copied(source) as healthy:
        lines, problem, _ = _run(healthy, seed, 1)
    if problem is not None or lines[-1]["failed"] is not None:
        return f"seed {seed} fails without the defect, too: {problem or lines[-1]['violations'][0]}"
    return None


def _run(folder, first, seeds):
    """The lines that the simulator in this folder told, what went wrong with it, and whether it got stuck."""
    command = [*_COMMAND, "--first", str(first), "--seeds", str(seeds)]
    try:
        done = subprocess.run(
            [*command, "--seed-seconds", str(SEED_SECONDS_MAX)],
            cwd=folder,
            env=environment_of(folder),
            capture_output=True,
            text=True,
            timeout=TRIAL_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [], f"not done after {TRIAL_SECONDS_MAX} s", False
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    foreign = (
        [file for file in lines[0]["files"] if not file.startswith(str(folder))] if lines else []
    )
    if foreign:
        return lines, f"not the copy was run, but {foreign}", False
    if done.returncode != 0:
        stuck = done.stderr.startswith("Timeout (")
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        return lines, f"the defect breaks the program itself: {last[0]}", stuck
    return lines, None, False
