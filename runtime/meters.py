"""What a process counts of its own work while it does it; what the ledger can tell, is read from the ledger instead.

`count` and `observe` do nothing until a process says where its numbers go (`runtime/meter_files.py`), so tests, the
simulator and commands neither pay for them nor see them. Each meter stands in `METERS` with its name for Prometheus.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One counter, or with `buckets` (seconds) a histogram. `labels` say what is counted apart."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METERS: Final[Mapping[str, Meter]] = {
    "deliveries": Meter(
        name="redress_deliveries",
        help="Verified deliveries by what became of them: stored, known (repeated), ignored, parked, not_stored.",
        labels=("outcome",),
    ),
    "refused": Meter(
        name="redress_deliveries_refused",
        help="Requests to the receiver that were no deliveries, by reason.",
        labels=("reason",),
    ),
    "settled": Meter(
        name="redress_events_settled",
        help="Events that workers were done with, by the state they left them in.",
        labels=("state",),
    ),
    "decision_lag": Meter(
        name="redress_decision_lag_seconds",
        help="From Stripe's timestamp of an event to the commit of what was decided; first tries alone.",
        buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400),
    ),
    "stripe_calls": Meter(
        name="redress_stripe_calls",
        help="Calls to Stripe's API by outcome: ok, throttled, declined, rejected, unknown.",
        labels=("outcome",),
    ),
    "stripe_seconds": Meter(
        name="redress_stripe_call_seconds",
        help="How long calls to Stripe's API took.",
        buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
    ),
}


class MeterSink(Protocol):
    """Where the numbers go."""

    def count(self, meter: str, labels: tuple[str, ...]) -> None:
        """Add one."""

    def observe(self, meter: str, value: float) -> None:
        """Note one value of a histogram."""


def count(meter: str, *labels: str) -> None:
    """Add one to a counter of `METERS`, apart by its labels' values."""
    if _sink is not None:
        _sink.count(meter, labels)


def observe(meter: str, value: float) -> None:
    """Note one value (seconds) of a histogram of `METERS`."""
    if _sink is not None:
        _sink.observe(meter, value)


def send_to(sink: MeterSink | None) -> None:
    """Have this process's numbers go to `sink` from now on; None: nowhere."""
    global _sink  # noqa: PLW0603 - one process has one place for its numbers, as for its log
    _sink = sink


_sink: MeterSink | None = None
