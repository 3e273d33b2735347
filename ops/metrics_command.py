"""`redress metrics`: the numbers of this machine for Prometheus, served or printed."""

import signal
import threading

import click
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from ops.metrics_exporter import installation_metrics
from ops.operator_context import OperatorContext
from ops.trace_feed import TracesMissing, traces_sent
from runtime.logs import configure_logs


@click.command(epilog="Example: redress metrics --print | grep redress_brake_on")
@click.option("--print", "printed", is_flag=True, help="Print them once instead of serving them.")
@click.pass_obj
def metrics(operator: OperatorContext, *, printed: bool) -> None:
    """Serve Prometheus' metrics of every merchant on REDRESS_METRICS_PORT, at /metrics.

    They are counts and sums without personal data, and are for your own network: put nothing public before the port. While
    OTEL_EXPORTER_OTLP_ENDPOINT names an OpenTelemetry collector, the life of each event is sent there as a trace.
    """
    settings = operator.settings()
    with installation_metrics(operator.everyone()) as (found, wirings):
        registry = CollectorRegistry()
        registry.register(found)
        if printed:
            click.echo(generate_latest(registry), nl=False)
            return
        configure_logs("info")
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        server, thread = start_http_server(
            settings.redress_metrics_port, settings.redress_host, registry
        )
        try:
            with traces_sent(wirings):
                stopped.wait()
        except TracesMissing as missing:
            raise click.ClickException(str(missing)) from None
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
