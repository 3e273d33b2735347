"""What is served of a ledger, as Prometheus reads it."""

import subprocess
import sys

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from ledger.backfill_cursors import begin_lists
from ledger.backfill_tables import reconciliations
from ledger.tables import refund_intents
from ops.metrics_exporter import InstallationMetrics
from runtime.embedded_redis import EmbeddedRedis
from runtime.wiring import open_wiring
from tests.fakes.frozen_clock import NOON_MS, FrozenClock
from tests.fakes.ledger_rows import put, put_charge, reserve_refund
from tests.fakes.worker_world import worker_settings


def scrape(collector):
    """The samples of one scrape: name → {labels: value}; the text must be Prometheus' own format."""
    registry = CollectorRegistry()
    registry.register(collector)
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


COUNT_ALL = """
import sys
from pathlib import Path
from runtime import meters
from runtime.meter_files import begin_metering
begin_metering(Path(sys.argv[1]), sys.argv[2])
for name, meter in meters.METERS.items():
    if meter.buckets:
        meters.observe(name, 0.7)
    else:
        meters.count(name, *("stored" for _ in meter.labels))
"""


def run_counting(code, data, process="worker"):
    """Run code in a process of its own, as every process that counts is one."""
    subprocess.run([sys.executable, "-c", code, str(data), process], check=True, timeout=60)


def full_ledger(store):
    """A row of each kind that a gauge is made of."""
    with store.write() as connection:
        put_charge(connection, "ch_1")
        reserve_refund(connection, "ch_1")
        connection.execute(update(refund_intents).values(state="succeeded", first_sent_ms=NOON_MS))
        begin_lists(connection, NOON_MS)
        put(
            connection,
            reconciliations,
            state="done",
            compared='{"charge": 3}',
            ended_ms=NOON_MS,
            origin="sweeper",
        )


def scraped_names(store, folder):
    """The name of every sample that can be served."""
    full_ledger(store)
    settings = worker_settings(
        folder, database_url=store.engine.url.render_as_string(hide_password=False)
    )
    run_counting(COUNT_ALL, settings.redress_data)
    with EmbeddedRedis(settings.redress_data), open_wiring(settings, FrozenClock()) as wiring:
        return set(scrape(InstallationMetrics({"": wiring})))
