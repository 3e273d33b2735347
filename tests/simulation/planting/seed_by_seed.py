"""Runs seeds in this very folder's program until the first that fails, and says so in lines of JSON.

`python -m tests.simulation.planting.seed_by_seed` is what a trial starts inside a copy. Unlike
`python -m tests.simulation` it shrinks nothing, and it names each seed before it runs it, so that whoever
listens knows which one never ended.
"""

import argparse
import faulthandler
import json
import sys

import ledger
import policy
import runtime
import webhooks
import workers
from tests.simulation import runner

_OURS = (ledger, policy, runtime, webhooks, workers, runner)


def main():
    """Exit with 0 whether a seed failed or none; anything else means that the program itself broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planting.seed_by_seed")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--seed-seconds", type=int, required=True, help="the longest one may take")
    given = parser.parse_args()
    _tell(files=[module.__file__ for module in _OURS])
    runner.machine()
    for seed in range(given.first, given.first + given.seeds):
        _tell(seed=seed)
        # A world that never ends holds this thread for ever: only another can end it.
        faulthandler.dump_traceback_later(given.seed_seconds, exit=True)
        failures = runner.run_seeds([seed], 1, stop_at=1).failures
        faulthandler.cancel_dump_traceback_later()
        if failures:
            _tell(failed=seed, violations=failures[0].violations)
            return 0
    _tell(failed=None, violations=[])
    return 0


def _tell(**fields):
    sys.stdout.write(f"{json.dumps(fields)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
