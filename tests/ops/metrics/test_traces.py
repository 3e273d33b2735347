"""Traces: a collector over HTTP gets the life of each event and its refund, made from rows, without personal data."""

import itertools
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import select

from ledger.inbox import store_events
from ledger.states import EventState
from ledger.tables import events, refund_intents
from ops.trace_feed import TraceFeed
from runtime.clock import SystemClock
from runtime.queues import Wakeups
from runtime.redis_socket import socket_url
from runtime.wiring import Wiring, open_redis
from tests.fakes.ledger_rows import new_event
from tests.fakes.worker_world import WorkerWorld, worker_settings
from tests.free_ports import free_port
from tests.processes.machine import wait_until


class Collector:
    """An OpenTelemetry collector that keeps what it is sent; `status` is what it answers."""

    def __init__(self):
        self.spans, self.bodies, self.status = [], [], 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.bodies.append(body)
                told = ExportTraceServiceRequest.FromString(body)
                if collector.status == 200:
                    for resource in told.resource_spans:
                        for scope in resource.scope_spans:
                            collector.spans += scope.spans
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def named(self, name):
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector():
    """A collector that takes everything."""
    one = Collector()
    yield one
    one.close()


@pytest.fixture
def world(store, tmp_path, clock):
    """Workers and a Stripe, on each engine in turn."""
    one = WorkerWorld(store=store, settings=worker_settings(tmp_path), clock=clock)
    yield one
    one.sandbox.book.close()


@contextmanager
def feeding(world, folder, url):
    """A feed of the world's ledger to a collector."""
    redis = open_redis(socket_url(folder / "nowhere"))
    wiring = Wiring(
        settings=world.settings,
        clock=world.clock,
        store=world.store,
        redis=redis,
        wakeups=Wakeups(redis, world.clock),
    )
    exporter = OTLPSpanExporter(endpoint=url, timeout=1)
    yield TraceFeed(wiring, exporter)
    exporter.shutdown()
    redis.close()


def attributes(span):
    """A span's attributes by name."""
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_from_stripe_to_the_refund(world, tmp_path, collector):
    """One trace for each event; the duplicate's holds its decision and, once it has ended, its refund."""
    with feeding(world, tmp_path, collector.url) as feed:
        assert 0 == feed.send()
        world.pay_twice(order="order-1")
        world.deliver()
        feed.send()
        world.settle(600)
        world.clock.advance(1)
        feed.send()
        assert 0 == feed.send()

    with world.store.read() as connection:
        rows = {row.event_id: row for row in connection.execute(select(events))}
        intent = connection.execute(select(refund_intents)).one()
    roots = [span for span in collector.spans if span.name.startswith("event ")]
    assert set(rows) == {attributes(span)["redress.event_id"] for span in roots}
    assert len(rows) == len({span.trace_id for span in roots})
    for root in roots:
        row = rows[attributes(root)["redress.event_id"]]
        children = [span for span in collector.spans if span.parent_span_id == root.span_id]
        assert {"deliver", "work"} <= {span.name for span in children}
        assert {root.trace_id} == {span.trace_id for span in children}
        assert row.settled_ms * 1_000_000 == root.end_time_unix_nano

    [refund] = collector.named("refund")
    assert ("succeeded", intent.amount_minor) == (
        attributes(refund)["redress.state"],
        attributes(refund)["redress.amount_minor"],
    )
    [work] = [span for span in collector.named("work") if span.trace_id == refund.trace_id]
    assert "approve" in [
        one.value.string_value for event in work.events for one in event.attributes
    ]
    assert not any(b"@" in body for body in collector.bodies)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_collector_that_is_away(world, tmp_path, collector):
    """Nobody waits for it, nothing is repeated, and what comes later is sent."""
    with feeding(world, tmp_path, collector.url) as feed:
        collector.status = 400
        world.pay(world.customer())
        world.settle(60)
        assert feed.send() > 0
        collector.status = 200
        world.pay(world.customer())
        world.settle(60)
        feed.send()

    with world.store.read() as connection:
        known = len(connection.execute(select(events.c.id)).all())
    roots = [span for span in collector.spans if span.name.startswith("event ")]
    assert 0 < len(roots) < known


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_ids_follow_from_the_event(world, tmp_path, collector):
    """Two machines that tell of the same event tell the same spans."""
    with (
        feeding(world, tmp_path, collector.url) as one,
        feeding(world, tmp_path, collector.url) as other,
    ):
        world.pay(world.customer())
        world.settle(60)
        one.send()
        first = {span.span_id for span in collector.spans}
        other.send()

    assert first == {span.span_id for span in collector.spans}
    assert 2 * len(first) == len(collector.spans)


def test_the_metrics_process_sends_them(databases, tmp_path, collector):
    """With a collector in its environment `redress metrics` sends what happens from then on, without being asked."""
    url = databases.url("sqlite")
    store = databases.store(url)
    environ = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "REDRESS_DATA": str(tmp_path / "data"),
        "REDRESS_METRICS_PORT": str(free_port()),
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url,
    }
    redress = Path(sys.executable).parent / "redress"
    with (tmp_path / "metrics.log").open("wb") as log:
        process = subprocess.Popen([redress, "metrics"], env=environ, stdout=log, stderr=log)
    number = itertools.count(1)

    def sent():
        with store.write() as connection:
            event = new_event(f"evt_{next(number)}", state=EventState.IGNORED)
            store_events(connection, [event], SystemClock().now_ms())
        return collector.spans

    try:
        wait_until(sent, 40)
    finally:
        process.terminate()
        assert 0 == process.wait(20)
    assert "event charge.succeeded" in {span.name for span in collector.spans}
