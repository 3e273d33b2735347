"""What a run saw, in a table that fits a terminal, and what it should have seen and did not."""

from ledger.event_types import HANDLED
from runtime.probes import PROBES
from tests.simulation.faults import FAULTS

#: Fault kinds that do not come from a fault's module: the habits of the deliveries and of people.
HABITS = (
    "delivery delayed",
    "delivery repeated",
    "delivery forged",
    "replayed",
    "brake on",
)
RAREST = 10
_DAY_MS = 86_400_000


def fault_kinds():
    """Every kind of fault that can strike."""
    return sorted({*FAULTS, *HABITS} - {"process frozen for a day", "stripe away for long"})


class Gaps:
    """What a run of enough seeds must have seen: every probe, every type, every pair."""

    def __init__(self, total):
        self.probes = sorted(set(PROBES) - set(total.probes))
        pairs = total.coverage.pairs
        kinds = self._usual(total)
        self.types = sorted(HANDLED - {pair[0] for pair in pairs})
        self.pairs = sorted(
            (*kind, fault)
            for kind in kinds
            for fault in fault_kinds()
            if (*kind, fault) not in pairs
        )
        self.rarest = sorted(
            ((pairs[*kind, fault], *kind, fault) for kind in kinds for fault in fault_kinds()),
        )[:RAREST]

    def _usual(self, total):
        """The kinds of (event type, object state) that a hundredth of the seeds has had, or more.

        What is rarer comes of several chances at once, such as a held charge that is disputed and refunded
        in part; meeting every fault in each of those as well would take millions of seeds.
        """
        seen = total.coverage.kinds
        usual = {kind for kind, count in seen.items() if count * 100 >= total.seeds}
        self.unusual = len(seen) - len(usual)
        return usual

    def __bool__(self):
        return bool(self.probes or self.types or self.pairs)


def document(total, seconds):
    """The run as JSON."""
    gaps = Gaps(total)
    return {
        "seeds": total.seeds,
        "deliveries": total.deliveries,
        "refunds": total.coverage.refunds,
        "simulated_days": total.simulated_ms // _DAY_MS,
        "seconds": round(seconds, 1),
        "faults": dict(sorted(total.coverage.strikes.items())),
        "boundaries": dict(sorted(total.coverage.points.items())),
        "stories": dict(sorted(total.coverage.stories.items())),
        "probes": {name: total.probes[name] for name in sorted(PROBES)},
        "rarest_pairs": [list(pair) for pair in gaps.rarest],
        "missing": {"probes": gaps.probes, "types": gaps.types, "pairs": gaps.pairs},
        "failures": [
            {"seed": one.seed, "without": one.without, "violations": one.violations}
            for one in total.failures
        ],
    }


def lines(total, seconds):
    """The run for people."""
    gaps = Gaps(total)
    kinds = sum(name in total.coverage.strikes for name in fault_kinds())
    pairs = len([one for one in total.coverage.pairs if one[2] in fault_kinds()])
    yield (
        f"{total.seeds:,} seeds, {total.deliveries:,} deliveries, {total.coverage.refunds:,} refunds,"
        f" {total.simulated_ms // _DAY_MS:,} simulated days in {seconds:,.0f} s"
    )
    yield f"{kinds} of {len(fault_kinds())} kinds of faults struck; {pairs:,} pairs of event and fault"
    yield f"{gaps.unusual} kinds of (event type, object state) are rarer than one seed in a hundred"
    yield "Rarest pairs (event type, object state, fault):"
    for count, event_type, state, fault in gaps.rarest:
        yield f"  {count:>6}  {event_type}, {state or '-'}, {fault}"
    rare = sorted((total.probes[name], name) for name in PROBES)[:RAREST]
    yield "Rarest probes: " + ", ".join(f"{name} {count}" for count, name in rare)
    for what, missing in (
        ("probes never hit", gaps.probes),
        ("event types never sent", gaps.types),
        ("pairs never seen", gaps.pairs),
    ):
        if missing:
            shown = "; ".join(
                ", ".join(one) if isinstance(one, tuple) else one for one in missing[:8]
            )
            yield f"{len(missing)} {what}: {shown}"
    yield f"violations: {len(total.failures)}"


def failure_lines(failure, commit):
    """One failure and the command that has it again."""
    left_out = "".join(f" --without '{name}'" for name in failure.without)
    yield f"seed {failure.seed} at {commit}:"
    for invariant, sentence in failure.violations[:4]:
        yield f"  {invariant}: {sentence}"
    yield f"  again, with its trace: python -m tests.simulation --seed {failure.seed}{left_out}"
