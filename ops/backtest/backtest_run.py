"""Runs a back-test: events through the history, each set of terms beside the others, and the tallies at the end."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ops.backtest.case_history import CaseHistory, SeenPayment
from ops.backtest.outcome_tally import Tally
from ops.backtest.terms_trial import Exemptions, TermsTrial, Tried
from ops.backtest.told_events import Reader, ToldEvent
from policy.terms_file import DuplicateTerms, Terms

#: How often what is old is let go, in events.
_SWEEP_EVERY: Final = 10_000

InForce = Callable[[int], Terms]


@dataclass(slots=True, kw_only=True)
class Backtested:
    """What a run came to: events read and passed over, and the tally of each set of terms by its name."""

    events: int = 0
    unread: int = 0
    payments: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)


class Backtest:
    """One run. `trials` are the terms by name; `ended`, if given, is told how each payment and trial ended."""

    def __init__(
        self,
        trials: Mapping[str, InForce],
        terms: DuplicateTerms,
        exemptions: Exemptions | None = None,
        ended: Callable[[str, SeenPayment, Tried], None] | None = None,
    ) -> None:
        self._history = CaseHistory()
        self._reader = Reader(self._history, terms)
        self._trials = {
            name: TermsTrial(self._history, in_force, exemptions)
            for name, in_force in trials.items()
        }
        self._ended = ended
        self._now = 0
        self.result = Backtested(tallies={name: Tally() for name in trials})

    def run(
        self, events: Iterable[ToldEvent], progress: Callable[[int], None] = lambda _count: None
    ) -> Backtested:
        """Read all events; `progress` is told every so often how many that were."""
        for event in events:
            self.result.events += 1
            self._now = max(self._now, event.created)
            touched = self._reader.read(event)
            if touched:
                for trial in self._trials.values():
                    trial.judge(touched)
            if self.result.events % _SWEEP_EVERY == 0:
                self._let_go(self._now)
                progress(self.result.events)
        self._let_go(None)
        self.result.unread = self._reader.unread
        return self.result

    def _let_go(self, now: int | None) -> None:
        """Count what is over; everything when `now` is None."""
        gone = list(self._history.let_go(now) if now is not None else self._history.let_all_go())
        self._reader.forget(payment.own.charge_id for payment in gone)
        for payment in gone:
            for name, trial in self._trials.items():
                tried = trial.end(payment.own.charge_id)
                if not payment.own.succeeded or not payment.captured_minor:
                    continue
                self.result.tallies[name].count(payment, tried)
                if self._ended is not None:
                    self._ended(name, payment, tried)
            self.result.payments += payment.own.succeeded and payment.captured_minor > 0
