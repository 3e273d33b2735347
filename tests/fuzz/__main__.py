"""`python -m tests.fuzz receiver --seconds 60`: looks for an input that breaks a promise.

Exit codes: 0 nothing found, 1 something found (or a difference that must occur was never seen), 2 wrong
use. What is found is printed as hex; `--input FILE` runs one input again.
"""

import argparse
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

import structlog

from tests.fuzz.chance_run import Outcome, run_by_chance, say, summary
from tests.fuzz.coverage_run import atheris_is_here, run_by_coverage
from tests.fuzz.target_list import GUIDED, TARGETS, Target

#: Fewer runs than this may miss what is rare without anything being wrong.
RUNS_THAT_SEE_ALL = 100_000
_EXAMPLES = """examples:
  python -m tests.fuzz receiver --seconds 60         coverage-guided, where atheris is installed
  python -m tests.fuzz signatures --runs 1000000     against stripe-python
  python -m tests.fuzz command-line --runs 2000
  python -m tests.fuzz terms --seconds 60
  python -m tests.fuzz receiver --input FILE         one input again, told at length"""


def main() -> int:
    """Run what the command line names; the exit code."""
    given = _arguments()
    # Refusals are told in the log, by the thousand here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="redress-fuzz-") as folder:
        if given.input is not None:
            return _again(TARGETS[given.target](Path(folder)), given.input.read_bytes())
        guided = given.target in GUIDED and not given.by_chance
        if guided and not atheris_is_here():
            say("atheris is not installed here: inputs are made by chance, not by coverage.")
            guided = False
        limits = {"seconds": given.seconds, "runs": given.runs, "seed": given.seed}
        if guided:
            outcome, counts = run_by_coverage(given.target, **limits)
            return _conclude(given.target, outcome, counts, [])
        target = TARGETS[given.target](Path(folder))
        try:
            outcome = run_by_chance(target, **limits)
            missing = target.missing() if outcome.tried >= RUNS_THAT_SEE_ALL else []
            return _conclude(given.target, outcome, target.counts, missing)
        finally:
            target.close()


def _again(target: Target, data: bytes) -> int:
    say(target.describe(data))
    try:
        target.check(data)
    finally:
        target.close()
    say(f"nothing is wrong with it: {', '.join(+target.counts)}")
    return 0


def _conclude(name: str, outcome: Outcome, counts: Counter[str], missing: list[str]) -> int:
    for what, count in counts.most_common():
        say(f"{count:>12,} {what}")
    told = summary(outcome.tried, outcome.seconds)
    for what in missing:
        say(f"never seen, although it is listed: {what}")
    if outcome.found is None and not outcome.broken:
        say(f"{name}: nothing found in {outcome.seconds:.0f} s, {told}")
        return 1 if missing else 0
    say(f"{name}: FOUND after {told}: {outcome.broken}")
    if outcome.found is not None:
        say(f"input: {outcome.found.hex()}")
        say(
            f"again: write it with `xxd -r -p > FILE`, then python -m tests.fuzz {name} --input FILE;"
            f" a real bug's input belongs into tests/fuzz/found/{name}-NAME.bin"
        )
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Looks for an input that breaks a promise; exit code 1 when one was found.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--runs", type=int, help="how many inputs, instead of how long")
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with (default 1)")
    parser.add_argument("--input", type=Path, metavar="FILE", help="run this one input again")
    parser.add_argument("--by-chance", action="store_true", help="without atheris")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
