"""Real processes on a bad day: kills, freezes, lost queues, weak links, wrong clocks, a full disk.

`python -m tests.processes.chaos` starts the Procfile's processes with a real Valkey, database and the
sandbox, sells at a steady rate and breaks everything by a seeded schedule. It ends with the five buckets
of every duplicate charge (ok, lost, unexpected, repeated, recovered) and with how long recovery took;
its exit code is 1 when anything is lost, unexpected, repeated or against an invariant, or too slow.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.databases import ENGINES
from tests.processes.chaos_day import ChaosDay
from tests.processes.chaos_report import conditions, figures, shortcomings, table
from tests.processes.own_database import own_database
from tests.processes.skewed_clock import library
from tests.processes.small_disk import NoSmallDiskError
from tests.processes.weak_machine import WeakMachine

EXAMPLE = (
    "Example: python -m tests.processes.chaos --minutes 30 --engine postgresql --report chaos.json"
)
#: A little more than the 50,000 events and 1,000 kills in half an hour that are wanted.
EVENTS_PER_SECOND = 30
KILLS_PER_MINUTE = 36
FAULT_SECONDS = 8.0
#: The first retry follows after a second: couriers that hammer at a closed door take its core away.
DELIVERIES = "--repeats 0.05 --speed 60"
#: Two kilobytes of rows and indexes for each event, several times over, and their logs.
DISK_MEBIBYTES_MIN = 128
DISK_MEBIBYTES_PER_MINUTE = 40
REPORT_WIDTH = 110


def main():
    """Play what the command line names; the exit code says whether all held."""
    given = _arguments()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else REPORT_WIDTH)
    engines = ENGINES if given.engine == "both" else (given.engine,)
    found = [_play(engine, given, console) for engine in engines]
    if given.report:
        given.report.write_text(json.dumps(found, indent=2), encoding="utf-8")
        console.print(f"written: {given.report}")
    if given.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        out = Console(width=None if sys.stdout.isatty() else REPORT_WIDTH)
        for one in found:
            out.print(table(one))
    return 1 if any(shortcomings(one) for one in found) else 0


def _arguments():
    parser = argparse.ArgumentParser(
        prog="python -m tests.processes.chaos",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long things break (30)")
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    parser.add_argument("--seed", type=int, default=1, help="fixes the schedule of the faults (1)")
    parser.add_argument("--events-per-second", type=float, default=EVENTS_PER_SECOND)
    parser.add_argument("--kills-per-minute", type=float, default=KILLS_PER_MINUTE)
    parser.add_argument(
        "--report", type=Path, help="file for all figures and the schedule, as JSON"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--keep", type=Path, help="folder that must not exist, for all logs and rows"
    )
    return parser.parse_args()


def _play(engine, given, console):
    folder = Path(tempfile.mkdtemp(prefix="redress-chaos-"))
    seconds = given.minutes * 60
    mebibytes = int(DISK_MEBIBYTES_MIN + DISK_MEBIBYTES_PER_MINUTE * given.minutes)
    console.print(f"{engine}, seed {given.seed}: {given.minutes:g} min; starting the machine")
    if library() is None:
        console.print("libfaketime is not installed here: every clock stays right")
    try:
        with machine_of_its_own(engine, folder, mebibytes, console.print) as (machine, disk):
            day = ChaosDay(
                machine,
                disk,
                seed=given.seed,
                events_per_second=given.events_per_second,
                kills_per_minute=given.kills_per_minute,
                fault_seconds=FAULT_SECONDS,
            )
            day.run(seconds, console.print)
            return figures(
                day, engine=engine, seed=given.seed, seconds=seconds, conditions=conditions()
            )
    finally:
        if given.keep:
            given.keep.mkdir(parents=True)
            shutil.move(folder, given.keep / engine)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def machine_of_its_own(engine, folder, mebibytes, told=lambda _line: None):
    """A started machine and its small disk; the disk is None where this user may not mount one."""
    with contextlib.ExitStack() as closing:
        try:
            url, disk = closing.enter_context(own_database(engine, folder, mebibytes))
        except NoSmallDiskError as missing:
            told(f"no disk will be full: {missing}")
            url, disk = closing.enter_context(own_database(engine, folder))
        machine = WeakMachine(folder, url, deliveries=DELIVERIES)
        closing.callback(machine.stop)
        machine.start()
        yield machine, disk


if __name__ == "__main__":
    sys.exit(main())
