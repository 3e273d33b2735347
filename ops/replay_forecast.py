"""The forecast of a replay: the work done in a copy of the ledger that is thrown away."""

from collections.abc import Callable
from dataclasses import dataclass

from ledger.replay_outcomes import WrittenSince
from ledger.scratch_ledger import scratch_ledger
from ops.replay_selection import Selection
from ops.replay_tally import ReplayTally
from policy.terms_file import Terms
from runtime.wiring import Wiring
from workers.catalogue_book import CatalogueBook
from workers.gateway import StripeGateway
from workers.replays import Forecaster
from workers.terms_book import TermsBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would become of the events; `left_alone` is how many are not settled yet, or not ours to work on."""

    tally: ReplayTally
    written: WrittenSince
    left_alone: int


def make_forecast(
    wiring: Wiring, selection: Selection, terms: Terms | None, told: Callable[[int], None]
) -> Forecast:
    """Work it through; `told` hears how many events are done. `terms` are those in force unless others are tried.

    Raises GatewayError when Stripe does not answer what it is asked.
    """
    settings = wiring.settings
    tally = ReplayTally()
    with scratch_ledger(wiring.store, settings.redress_data) as scratch:
        forecaster = Forecaster(
            live=wiring.store,
            scratch=scratch,
            settings=settings,
            clock=wiring.clock,
            gateway=None if settings.stripe_api_key is None else StripeGateway(settings),
            terms=TermsBook.by(settings) if terms is None else TermsBook((terms,)),
            catalogue=CatalogueBook(settings.redress_catalogue),
        )
        for batch in selection.source.batches(""):
            tally.add(forecaster.work(batch))
            tally.add_answers(forecaster.answers())
            told(tally.events)
        written = forecaster.written()
    return Forecast(tally=tally, written=written, left_alone=forecaster.left_alone)
