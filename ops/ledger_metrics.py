"""What the ledger and the queues of one merchant tell, as gauges for Prometheus.

They are read at each scrape, so whichever process answers tells the same, and a killed one takes nothing with it.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric
from redis.exceptions import RedisError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from ledger.backfill_cursors import every_cursor
from ledger.fraud_ratios import Month, month_counts, standings
from ledger.ledger_owner import ForeignLedger, require_own_ledger
from ledger.reconciliations import count_differences, newest_reconciliation
from ledger.standing_now import StandingNow, standing_now
from ledger.states import CaseState
from ledger.tables import cases
from ops.fraud_metrics import add_ratios
from ops.queue_readings import read_queues
from ops.reconcile_metrics import add_reconciliation
from runtime.operator_limits import SLOW_METRICS_SECONDS
from runtime.wiring import Wiring

_MS: Final = 1_000


class LedgerMetrics:
    """The gauges of one merchant. What takes longer to count is counted every few minutes."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._slow: list[Metric] = []
        self._slow_due = 0.0

    def collect(self) -> list[Metric]:
        """Every gauge as it stands; a part that is away says so by `redress_up` and has no others."""
        registry = CollectorRegistry()
        gauges = _Gauges(registry)
        there = {
            "database": _read(self._of_ledger, gauges),
            "redis": _read(self._of_queues, gauges),
        }
        for part, answered in there.items():
            gauges.set("up", "1 when this part answered.", int(answered), part=part)
        return [*registry.collect(), *(self._slow if there["database"] else ())]

    def _of_ledger(self, gauges: "_Gauges") -> None:
        require_own_ledger(self._wiring.store, self._wiring.settings.redress_merchant)
        now_ms = self._wiring.clock.now_ms()
        with self._wiring.store.read() as connection:
            now = standing_now(connection, now_ms)
            oldest_due_ms = connection.execute(_OLDEST_DUE).scalar()
            lists = {one.stream.value: one.seen_until for one in every_cursor(connection)}
            if self._wiring.clock.monotonic() >= self._slow_due:
                self._slow = _slow_metrics(connection, now_ms)
                self._slow_due = self._wiring.clock.monotonic() + SLOW_METRICS_SECONDS
        _work(gauges, now)
        _money(gauges, now)
        late = max(0, now_ms - oldest_due_ms) if oldest_due_ms else 0
        gauges.set("case_overdue_seconds", "By how much the most urgent case is late.", late / _MS)
        for stream, seen_until in lists.items():
            gauges.set(
                "backfill_distance_seconds",
                "How far the reading of Stripe's lists is behind.",
                max(0, now_ms // _MS - seen_until),
                list=stream,
            )

    def _of_queues(self, gauges: "_Gauges") -> None:
        for one in read_queues(self._wiring.redis, self._wiring.clock.now_ms()):
            gauges.set("queue_jobs", "Wake-ups that wait in Redis.", one.jobs, queue=one.name)
            gauges.set("queue_workers", "Workers that live.", one.workers, queue=one.name)
            gauges.set(
                "queue_failed_jobs", "Jobs that RQ lists as failed.", one.failed, queue=one.name
            )


class _Gauges:
    """Makes each gauge when it is first set."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._made: dict[str, Gauge] = {}

    def set(self, name: str, text: str, value: float, **labels: str) -> None:
        """Set `redress_{name}`."""
        gauge = self._made.get(name)
        if gauge is None:
            gauge = Gauge(f"redress_{name}", text, tuple(labels), registry=self._registry)
            self._made[name] = gauge
        (gauge.labels(**labels) if labels else gauge).set(value)


def _read(part: Callable[[_Gauges], None], gauges: _Gauges) -> bool:
    """Read one part's gauges; whether it answered."""
    try:
        part(gauges)
    except (SQLAlchemyError, RedisError, OSError, ForeignLedger):
        return False
    return True


def _work(gauges: _Gauges, now: StandingNow) -> None:
    inbox = now.inbox
    states = {
        "waiting": inbox.waiting,
        "delayed": inbox.delayed,
        "claimed": inbox.claimed,
        "parked": inbox.parked,
    }
    for state, number in states.items():
        gauges.set("inbox_events", "Events that are not settled, or parked.", number, state=state)
    gauges.set(
        "oldest_waiting_seconds",
        "For how long the oldest event waits that could be worked on.",
        (inbox.oldest_waiting_ms or 0) / _MS,
    )
    gauges.set(
        "overdue_lease_seconds",
        "Since when a lease is over that nobody took back.",
        (inbox.overdue_lease_ms or 0) / _MS,
    )
    gauges.set("look_ups", "Questions to Stripe that are open.", now.effects.look_ups)
    gauges.set("notices_waiting", "E-mails and webhooks on their way.", now.notices.waiting)
    gauges.set("notices_failed", "E-mails and webhooks that were given up.", now.notices.failed)
    for state in (CaseState.REVIEW.value, CaseState.REFUNDING.value):
        gauges.set("cases", "Cases that are open.", now.cases.get(state, 0), state=state)


def _money(gauges: _Gauges, now: StandingNow) -> None:
    gauges.set("brake_on", "1 while the brake stops all money.", int(now.stopped is not None))
    for state, number in now.effects.intents.items():
        gauges.set("refund_intents", "Refund intents by state.", number, state=state)
    gauges.set(
        "refund_intents_held",
        "Refund intents that a brake or a cap keeps back.",
        sum(now.effects.held.values()),
    )
    for currency, (number, amount_minor) in now.refunded.items():
        gauges.set(
            "refunded_day_minor",
            "Refunded in the last 24 hours, in minor units.",
            amount_minor,
            currency=currency,
        )
        gauges.set("refunded_day_count", "Refunds of the last 24 hours.", number, currency=currency)


def _slow_metrics(connection: Connection, now_ms: int) -> list[Metric]:
    registry = CollectorRegistry()
    last = newest_reconciliation(connection)
    if last is not None:
        add_reconciliation(registry, last, count_differences(connection, last.reconciliation_id))
    month = Month.of(now_ms // _MS)
    counts = month_counts(connection, month)
    found = standings(counts, month_counts(connection, month.plus(-1)))
    add_ratios(registry, month, counts, found)
    return list(registry.collect())


_OLDEST_DUE: Final = select(func.min(cases.c.due_ms)).where(cases.c.state == CaseState.REVIEW.value)
