"""What became of payments, counted against what terms would have done about them: in payments, money, and by signal."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ops.backtest.case_history import SeenPayment
from ops.backtest.terms_trial import Tried
from policy.decision import Verdict


class Outcome(StrEnum):
    """How a payment ended, the worst first."""

    FRAUD = "disputed as fraud"
    WARNED = "warned of as fraud"
    DISPUTED = "disputed otherwise"
    REFUNDED = (
        "refunded"  # by whomever and for whatever: whether it would have been disputed nobody knows
    )
    FINE = "fine"


FRAUDULENT: Final = frozenset({Outcome.FRAUD, Outcome.WARNED})
#: How it would have ended is known.
_KNOWN: Final = frozenset(Outcome) - {Outcome.REFUNDED}
VERDICTS: Final = (Verdict.APPROVE, Verdict.REVIEW, Verdict.DENY)
#: What a verdict would have done, for people.
VERDICT_WORDS: Final = {
    Verdict.APPROVE: "given back",
    Verdict.REVIEW: "looked at",
    Verdict.DENY: "let through",
}


def share_text(found: float | None) -> str:
    """A share for people, to a thousandth."""
    return "not known" if found is None else f"{found:.3f}"


def outcome_of(payment: SeenPayment) -> Outcome:
    """How a payment ended, as far as its events tell."""
    if payment.fraud_disputes:
        return Outcome.FRAUD
    if payment.warnings:
        return Outcome.WARNED
    if payment.disputes:
        return Outcome.DISPUTED
    return Outcome.REFUNDED if payment.refunded_minor else Outcome.FINE


@dataclass(slots=True, kw_only=True)
class Tally:
    """One trial's counts: payments and money (minor units by currency) per verdict and outcome, payments per signal."""

    payments: Counter[tuple[Verdict, Outcome]] = field(default_factory=Counter)
    money: Counter[tuple[Verdict, Outcome, str]] = field(default_factory=Counter)
    signals: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def count(self, payment: SeenPayment, tried: Tried) -> None:
        """Count one payment that took money."""
        outcome = outcome_of(payment)
        self.payments[tried.verdict, outcome] += 1
        self.money[tried.verdict, outcome, payment.own.currency] += payment.captured_minor
        for name in tried.weights:
            self.signals[name][tried.verdict.value] += 1
            self.signals[name]["fraud"] += outcome in FRAUDULENT
            self.signals[name]["known"] += outcome in _KNOWN

    def of_verdict(self, verdict: Verdict) -> int:
        """How many payments a verdict fell on."""
        return sum(self.payments[verdict, outcome] for outcome in Outcome)

    def money_of(self, verdict: Verdict) -> dict[str, int]:
        """How much money a verdict fell on, in minor units by currency."""
        found: Counter[str] = Counter()
        for (which, _, currency), minor in self.money.items():
            if which is verdict:
                found[currency] += minor
        return dict(sorted(found.items()))

    @property
    def precision(self) -> float | None:
        """Of what would have gone back unasked and whose end is known, the share that was fraud."""
        known = sum(self.payments[Verdict.APPROVE, outcome] for outcome in _KNOWN)
        return self._fraud(Verdict.APPROVE) / known if known else None

    @property
    def recall(self) -> float | None:
        """Of all fraud, the share that would have gone back unasked."""
        every = sum(self._fraud(verdict) for verdict in VERDICTS)
        return self._fraud(Verdict.APPROVE) / every if every else None

    def document(self) -> dict[str, Any]:
        """The counts for machines; shares are fractions, null where nothing was counted."""
        return {
            "payments": {
                verdict.value: {one.value: self.payments[verdict, one] for one in Outcome}
                for verdict in VERDICTS
            },
            "money_minor": {verdict.value: self.money_of(verdict) for verdict in VERDICTS},
            "precision": self.precision,
            "recall": self.recall,
            "signals": {
                name: dict(sorted(counts.items())) for name, counts in sorted(self.signals.items())
            },
        }

    def _fraud(self, verdict: Verdict) -> int:
        return sum(self.payments[verdict, outcome] for outcome in FRAUDULENT)
