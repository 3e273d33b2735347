"""Dispute and fraud-report ratios as metrics in Prometheus' text format, for a collector of text files."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from ledger.fraud_ratios import Month
from policy.programmes import MonthCounts, ProgrammeStanding


def ratio_metrics(
    month: Month, counts: Mapping[str, MonthCounts], standings: Sequence[ProgrammeStanding]
) -> str:
    """The counts of one month by network, and each programme's ratio beside its thresholds."""
    registry = CollectorRegistry()
    add_ratios(registry, month, counts, standings)
    return generate_latest(registry).decode()


def add_ratios(
    registry: CollectorRegistry,
    month: Month,
    counts: Mapping[str, MonthCounts],
    standings: Sequence[ProgrammeStanding],
) -> None:
    """Their gauges."""
    _counts(registry, str(month), counts)
    labels = ("month", "programme", "network")
    ratio = Gauge(
        "redress_programme_ratio",
        "Cases by payments of the month, as the programme counts them.",
        labels,
        registry=registry,
    )
    cases = Gauge(
        "redress_programme_cases",
        "Cases of the month, as the programme counts them.",
        labels,
        registry=registry,
    )
    limits = Gauge(
        "redress_programme_ratio_threshold",
        "The ratio from which the programme applies, if its cases are reached as well.",
        labels,
        registry=registry,
    )
    least = Gauge(
        "redress_programme_cases_threshold",
        "The cases from which the programme applies, if its ratio is reached as well.",
        labels,
        registry=registry,
    )
    reached = Gauge(
        "redress_programme_reached",
        "1 once both thresholds are reached.",
        labels,
        registry=registry,
    )
    for one in standings:
        named = (str(month), one.programme.name, one.programme.network or "all")
        if one.basis_points is not None:
            ratio.labels(*named).set(one.basis_points / 10_000)
        cases.labels(*named).set(one.cases)
        limits.labels(*named).set(one.programme.basis_points / 10_000)
        least.labels(*named).set(one.programme.count)
        reached.labels(*named).set(one.reached)


def _counts(registry: CollectorRegistry, month: str, counts: Mapping[str, MonthCounts]) -> None:
    told = {
        "redress_month_payments": "Card payments of the month.",
        "redress_month_disputes": "Disputes that were opened in the month; inquiries are none.",
        "redress_month_fraud_reports": "Early fraud warnings of the month.",
    }
    gauges = [
        Gauge(name, text, ("month", "network"), registry=registry) for name, text in told.items()
    ]
    for network, one in counts.items():
        for gauge, value in zip(
            gauges, (one.payments, one.disputes, one.fraud_reports), strict=True
        ):
            gauge.labels(month, network).set(value)
