"""All numbers of this machine at one address: every merchant's ledger and queues, and what its processes count."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ops.ledger_metrics import LedgerMetrics
from runtime.meter_files import FOLDER
from runtime.settings import Settings
from runtime.wiring import Wiring, open_wiring


class InstallationMetrics(Collector):
    """Every merchant's families, each family once, its samples labelled `merchant` ("" is the environment's own)."""

    def __init__(self, wirings: Mapping[str, Wiring]) -> None:
        self._ledgers = {name: LedgerMetrics(wiring) for name, wiring in wirings.items()}
        self._processes = {
            name: _process_files(wiring.settings) for name, wiring in wirings.items()
        }

    def collect(self) -> Iterable[Metric]:
        """The families, read now."""
        merged: dict[str, Metric] = {}
        for name in self._ledgers:
            counted: Iterable[Metric] = self._processes[name].collect()  # type: ignore[no-untyped-call]  # as below
            for family in (*self._ledgers[name].collect(), *counted):
                # Families of its own: a ledger's slow ones are served again at the next scrape.
                whole = merged.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                whole.samples += [
                    sample._replace(labels={"merchant": name, **sample.labels})
                    for sample in family.samples
                ]
        return merged.values()


def _process_files(settings: Settings) -> MultiProcessCollector:
    folder = settings.redress_data / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return MultiProcessCollector(None, path=str(folder))  # type: ignore[no-untyped-call]  # the library has none


@contextmanager
def installation_metrics(
    everyone: Mapping[str, Settings],
) -> Iterator[tuple[InstallationMetrics, Mapping[str, Wiring]]]:
    """The numbers of these merchants and where they are read; nothing is connected before that."""
    with ExitStack() as held:
        wirings = {
            name: held.enter_context(open_wiring(settings)) for name, settings in everyone.items()
        }
        yield InstallationMetrics(wirings), wirings
