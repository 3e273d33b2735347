"""`python -m tests.simulation`: many seeds, or one with its trace."""

import argparse
import json
import subprocess
import sys

from runtime.clock import SystemClock
from tests.simulation.report import Gaps, document, failure_lines, lines
from tests.simulation.runner import kept_seeds, machine, run_seeds, shrink
from tests.simulation.swarm import draw

_EXAMPLE = """examples:
  python -m tests.simulation --seeds 10000          as CI does
  python -m tests.simulation --seed 4711            one seed again, with its whole trace
  python -m tests.simulation --seeds 200 --canary   proves that failures are told: must fail
"""
_PROGRESS_SECONDS = 5
_SHOWN_FAILURES = 5


def main():
    """Exit with 1 when anything was violated; with --gaps also when anything was never seen."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description="A whole deployment in one thread, driven by a seed.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (200)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (2)")
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument("--without", action="append", default=[], help="leave a fault or story out")
    parser.add_argument("--canary", action="store_true", help="one seed in 100 fails on purpose")
    parser.add_argument("--stop-at", type=int, help="stop after so many failures")
    parser.add_argument("--no-kept", action="store_true", help="leave the kept seeds out")
    parser.add_argument("--gaps", action="store_true", help="fail on what was never seen, too")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    given = parser.parse_args()
    if given.seed is not None:
        return _one(given.seed, frozenset(given.without))
    return _many(given)


def _one(seed, without):
    outcome = machine().run(seed, without=without)
    _say(str(draw(seed, without)))
    sys.stdout.writelines(outcome.lines)
    _say(f"trace sha256 {outcome.digest}")
    for invariant, sentence in outcome.violations:
        _say(f"{invariant}: {sentence}")
    _say(f"violations: {len(outcome.violations)}")
    return 1 if outcome.violations else 0


def _many(given):
    clock = SystemClock()
    begun = told = clock.monotonic()
    fresh = range(given.first, given.first + given.seeds)
    kept = [] if given.no_kept else kept_seeds()
    seeds = [*kept, *(seed for seed in fresh if seed not in set(kept))]

    def progress(total):
        nonlocal told
        now = clock.monotonic()
        if now - told >= _PROGRESS_SECONDS:
            told = now
            left = (now - begun) / total.seeds * (len(seeds) - total.seeds)
            _tell(
                f"{total.seeds:,} of {len(seeds):,} seeds, {len(total.failures)} failed,"
                f" {left:,.0f} s left"
            )

    total = run_seeds(
        seeds, given.jobs, progress=progress, stop_at=given.stop_at, canary=given.canary
    )
    seconds = clock.monotonic() - begun
    for failure in total.failures[:_SHOWN_FAILURES]:
        shrunk = failure if given.canary else shrink(failure)
        _tell("\n".join(failure_lines(shrunk, _commit())))
    if given.json:
        _say(json.dumps(document(total, seconds), indent=2))
    else:
        _say("\n".join(lines(total, seconds)))
    return 1 if total.failures or (given.gaps and Gaps(total)) else 0


def _say(text):
    sys.stdout.write(f"{text}\n")


def _tell(text):
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _commit():
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "an unknown commit"


if __name__ == "__main__":
    sys.exit(main())
