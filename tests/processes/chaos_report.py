"""What a day of chaos came to, as figures: for a file, for a terminal, and whether it passed."""

import math
import os
import platform

from rich.table import Table

from tests.processes.chronicle import SECOND_MS

#: The aims of reliability.md §6, in seconds.
RECOVERY_P99_SECONDS_MAX = 30
RECOVERY_SECONDS_MAX = 60
SHOWN_MAX = 5


def figures(day, *, engine, seed, seconds, conditions):
    """Everything that one engine's day is told by."""
    attempts = day.machine.attempts()
    report = day.report
    return {
        "engine": engine,
        "seed": seed,
        "seconds": seconds,
        "conditions": conditions,
        "events_accepted": day.machine.events_stored(),
        "deliveries": len(attempts),
        "deliveries_by_status": _counted(attempts),
        "honest_payments": day.honest,
        "duplicate_charges": len(day.machine.duplicates),
        "buckets": {
            "ok": len(report.ok),
            "lost": report.lost,
            "unexpected": report.unexpected,
            "repeated": report.repeated,
            "recovered": len(report.recovered),
        },
        "sigkills": dict(sorted(day.chronicle.kills.items())),
        "faults": dict(sorted(day.chronicle.faults.items())),
        "recovery_seconds": {
            "every duplicate charge": _spread([one.seconds for one in day.recoveries]),
            "those with a broken lease": _spread(
                [one.seconds for one in day.recoveries if one.struck]
            ),
            "every one, nothing subtracted": _spread(
                [one.since_acknowledged_seconds for one in day.recoveries]
            ),
        },
        "set_aside_and_replayed": day.set_aside,
        "slowest": _slowest(day),
        "stories_of_lost": {one: day.machine.story_of(one) for one in report.lost},
        "wrong": day.wrong(),
        "schedule": day.chronicle.lines,
    }


def conditions():
    """Where it was measured."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def shortcomings(found):
    """In sentences, why this run does not pass; empty when it does."""
    said = [f"{name}: {_shown(what)}" for name, what in found["wrong"].items()]
    measured = found["recovery_seconds"]["every duplicate charge"]
    if not found["duplicate_charges"] or not measured["count"]:
        return [*said, "nothing was paid twice, so nothing was shown"]
    for name, most in (("p99", RECOVERY_P99_SECONDS_MAX), ("max", RECOVERY_SECONDS_MAX)):
        if measured[name] > most:
            said.append(f"recovery {name}: {measured[name]:.1f} s, wanted {most} s at most")
    return said


def table(found):
    """The run for a terminal."""
    shown = Table(
        title=f"Chaos on {found['engine']}: {found['seconds'] / 60:.1f} min, seed {found['seed']}",
        title_justify="left",
    )
    shown.add_column("what")
    shown.add_column("count", justify="right")
    for name in ("events_accepted", "deliveries", "honest_payments", "duplicate_charges"):
        shown.add_row(name.replace("_", " "), f"{found[name]:,}")
    shown.add_section()
    for name, bucket in found["buckets"].items():
        shown.add_row(name, f"{bucket if isinstance(bucket, int) else len(bucket):,}")
    shown.add_section()
    shown.add_row("SIGKILLs", f"{sum(found['sigkills'].values()):,}")
    for name, count in found["sigkills"].items():
        shown.add_row(f"  {name}", f"{count:,}")
    shown.add_row("other faults", f"{sum(found['faults'].values()):,}")
    for name, count in found["faults"].items():
        shown.add_row(f"  {name}", f"{count:,}")
    shown.add_row(
        "parked after three deaths, replayed", f"{len(found['set_aside_and_replayed']):,}"
    )
    shown.add_section()
    for name, spread in found["recovery_seconds"].items():
        shown.add_row(f"recovery of {name} ({spread['count']:,})", _spread_shown(spread))
    for sentence in shortcomings(found) or ["nothing wrong"]:
        shown.add_section()
        shown.add_row(sentence, "")
    return shown


def _slowest(day):
    """The duplicates that took longest, with how often each was tried and what struck meanwhile."""
    intents = {row.charge_id: row for row in day.machine.intents().values()}
    longest = sorted(day.recoveries, key=lambda one: -one.seconds)[:SHOWN_MAX]
    return [
        {
            "charge": one.charge_id,
            "seconds": one.seconds,
            "calls": intents[one.charge_id].attempts,
            "decided after": _seconds(one, intents[one.charge_id].created_ms),
            "sent after": _seconds(one, intents[one.charge_id].first_sent_ms),
            "tries": day.machine.tries_of(one.charge_id),
            "struck": day.chronicle.meanwhile(one),
        }
        for one in longest
    ]


def _seconds(recovery, at_ms):
    return (at_ms - recovery.began_ms) / SECOND_MS


def _counted(attempts):
    counted = {}
    for one in attempts:
        status = "no answer" if one["status"] is None else str(one["status"])
        counted[status] = counted.get(status, 0) + 1
    return dict(sorted(counted.items()))


def _spread(seconds):
    ordered = sorted(seconds)
    if not ordered:
        return {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    return {
        "count": len(ordered),
        "p50": _percentile(ordered, 50),
        "p99": _percentile(ordered, 99),
        "max": ordered[-1],
    }


def _percentile(ordered, percent):
    """The smallest value that `percent` of all do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _spread_shown(spread):
    return f"p50 {spread['p50']:.1f} s, p99 {spread['p99']:.1f} s, max {spread['max']:.1f} s"


def _shown(what):
    more = f" and {len(what) - SHOWN_MAX} more" if len(what) > SHOWN_MAX else ""
    return f"{', '.join(map(str, what[:SHOWN_MAX]))}{more}"
