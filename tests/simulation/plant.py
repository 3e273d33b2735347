"""`python -m tests.simulation.plant`: put one bug after another into the program and see each one found."""

import argparse
import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from tests.simulation.planting.catalogue import DEFECTS
from tests.simulation.planting.copied_program import copied
from tests.simulation.planting.trial import try_defect

_EXAMPLE = """examples:
  python -m tests.simulation.plant --all            every bug: each must be found
  python -m tests.simulation.plant --list           what there is
  python -m tests.simulation.plant answer-before-commit fresh-key-per-attempt
"""


def main():
    """Exit with 1 when a bug was not found, or when it only broke the program."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.plant",
        description="Single-line bugs, one at a time, in a copy of the program.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="the bugs to plant")
    parser.add_argument("--all", action="store_true", help="plant every one that must be found")
    parser.add_argument("--unseen", action="store_true", help="plant those that are not seen yet")
    parser.add_argument("--jobs", type=int, default=1, help="trials at once (1)")
    parser.add_argument("--seeds", type=int, default=1000, help="seeds that may be needed (1000)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--list", action="store_true", help="tell of each bug and plant none")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    given = parser.parse_args()
    if given.list:
        _say(sys.stdout, *map(_told, DEFECTS))
        return 0
    chosen = _chosen(parser, given)
    verdicts = _try(chosen, given)
    told = [json.dumps(_document(verdicts), indent=2)] if given.json else _table(verdicts)
    _say(sys.stdout, *told)
    return 0 if all(verdict.found for verdict in verdicts) else 1


def _chosen(parser, given):
    unknown = set(given.names) - {defect.name for defect in DEFECTS}
    if unknown:
        parser.error(f"no such bug: {', '.join(sorted(unknown))}; --list names them all")
    if not (given.names or given.all or given.unseen):
        parser.error("name the bugs to plant, or say --all")
    return [
        defect
        for defect in DEFECTS
        if defect.name in given.names or (given.unseen if defect.missing else given.all)
    ]


def _told(defect):
    unseen = f" (not seen yet: {defect.missing})" if defect.missing else ""
    return f"{defect.name:<36} {defect.file}: {defect.breaks}{unseen}"


def _try(defects, given):
    """A verdict on each defect. All are tried on one state of the sources, whoever edits them meanwhile."""
    with copied() as source, ThreadPoolExecutor(given.jobs) as pool:

        def trial(defect):
            verdict = try_defect(defect, source, given.seeds, given.first)
            _say(sys.stderr, _line(verdict))
            return verdict

        return list(pool.map(trial, defects))


def _say(stream, *lines):
    stream.writelines(f"{line}\n" for line in lines)
    stream.flush()


def _line(verdict):
    if verdict.problem is not None:
        return f"{verdict.name:<36} ERROR {verdict.problem}"
    if not verdict.found:
        return f"{verdict.name:<36} NOT FOUND in {verdict.seeds:,} seeds"
    return (
        f"{verdict.name:<36} {verdict.seeds:>5,}  {verdict.invariant:<7} {verdict.sentence[:100]}"
    )


def _table(verdicts):
    yield f"{'bug':<36} {'seeds':>5}  broke"
    yield from map(_line, verdicts)
    yield ""
    yield "{found} of {planted} bugs found; seeds needed: median {median}, most {most}".format(
        **_document(verdicts)
    )


def _document(verdicts):
    needed = [verdict.seeds for verdict in verdicts if verdict.found]
    return {
        "planted": len(verdicts),
        "found": len(needed),
        "median": statistics.median(needed) if needed else None,
        "most": max(needed, default=None),
        "bugs": [asdict(verdict) for verdict in verdicts],
    }


if __name__ == "__main__":
    sys.exit(main())
