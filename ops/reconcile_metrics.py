"""Whether the books agree, as metrics in Prometheus' text format, for a collector of text files."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from ledger.backfill_tables import DifferenceKind, ReconciliationState
from ledger.reconciliations import Reconciliation


def reconcile_metrics(last: Reconciliation, found: Mapping[str, int]) -> str:
    """The newest comparison: when it ended, what it compared, and its differences by kind."""
    registry = CollectorRegistry()
    add_reconciliation(registry, last, found)
    return generate_latest(registry).decode()


def add_reconciliation(
    registry: CollectorRegistry, last: Reconciliation, found: Mapping[str, int]
) -> None:
    """Its gauges."""
    agree = Gauge(
        "redress_books_agree",
        "1 when the newest comparison with Stripe ended without a difference.",
        registry=registry,
    )
    agree.set(last.state is ReconciliationState.DONE and not sum(found.values()))
    ended = Gauge(
        "redress_reconciliation_ended_seconds",
        "When the newest comparison ended, unix seconds; 0 while it runs.",
        registry=registry,
    )
    ended.set((last.ended_ms or 0) / 1000)
    compared = Gauge(
        "redress_reconciliation_compared",
        "Objects of Stripe's that were compared.",
        ("object_type",),
        registry=registry,
    )
    for object_type, count in last.compared.items():
        compared.labels(object_type).set(count)
    differences = Gauge(
        "redress_reconciliation_differences",
        "Differences between the ledger and Stripe.",
        ("kind",),
        registry=registry,
    )
    for kind in DifferenceKind:
        differences.labels(kind.value).set(found.get(kind.value, 0))
