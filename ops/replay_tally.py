"""Adds up what became of a replay's events: the same sums for a forecast and for what a run has led to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.replay_outcomes import DecidedAnew, EventOutcome, Ruling

#: Changes that are shown one by one; all are counted, whatever their number.
CHANGES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One decision that an event led to."""

    event_id: str  # empty where Stripe's answer to a question led to it
    type: str
    decided: DecidedAnew


@dataclass(kw_only=True)
class ReplayTally:
    """Counts and sums. Money is in minor units by currency; memory is bounded whatever the number of events."""

    events: int = 0
    states: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)  # notes of events that were not decided
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (then, now)
    refunds: Counter[str] = field(default_factory=Counter)
    refunded_minor: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    ends: int = 0
    notices: int = 0
    changes: list[Change] = field(default_factory=list)
    more_changes: int = 0

    def add(self, outcomes: Iterable[EventOutcome]) -> None:
        """Count these events in."""
        for outcome in outcomes:
            self.events += 1
            self.states[outcome.state] += 1
            if outcome.state != "decided":
                self.problems[outcome.note or "without a note"] += 1
            for decided in outcome.decided:
                self._add_decision(outcome.event_id, outcome.type, decided)

    def add_answers(self, decided: Iterable[DecidedAnew]) -> None:
        """Count in what was decided from Stripe's answers."""
        for one in decided:
            self._add_decision("", "", one)

    def _add_decision(self, event_id: str, event_type: str, decided: DecidedAnew) -> None:
        then = "none" if decided.then is None else decided.then.verdict
        self.verdicts[(then, decided.now.verdict)] += 1
        if decided.refund is not None and decided.now.currency is not None:
            self.refunds[decided.now.currency] += 1
            self.refunded_minor[decided.now.currency] += decided.now.amount_minor or 0
        self.withdrawn += decided.withdrawn is not None
        self.ends += len(decided.ends)
        self.notices += decided.notices
        if len(self.changes) < CHANGES_MAX:
            self.changes.append(Change(event_id=event_id, type=event_type, decided=decided))
        else:
            self.more_changes += 1

    def document(self) -> dict[str, Any]:
        """The sums and the changes as JSON."""
        return {
            "events": self.events,
            "states": dict(sorted(self.states.items())),
            "problems": dict(self.problems.most_common()),
            "decisions": [
                {"then": then, "now": now, "count": count}
                for (then, now), count in sorted(self.verdicts.items())
            ],
            "refunds": [
                {
                    "currency": currency,
                    "count": self.refunds[currency],
                    "amount_minor": self.refunded_minor[currency],
                }
                for currency in sorted(self.refunds)
            ],
            "withdrawn": self.withdrawn,
            "subscriptions_ended": self.ends,
            "notices": self.notices,
            "changes": [_change_document(change) for change in self.changes],
            "more_changes": self.more_changes,
        }


def _change_document(change: Change) -> dict[str, Any]:
    decided = change.decided
    return {
        "event_id": change.event_id,
        "type": change.type,
        "case_kind": decided.case_kind,
        "charge_id": decided.charge_id,
        "then": None if decided.then is None else _ruling_document(decided.then),
        "now": _ruling_document(decided.now),
        "refund": decided.refund,
        "withdrawn": decided.withdrawn,
        "subscriptions_ended": list(decided.ends),
        "notices": decided.notices,
    }


def _ruling_document(ruling: Ruling) -> dict[str, Any]:
    return {
        "verdict": ruling.verdict,
        "amount_minor": ruling.amount_minor,
        "currency": ruling.currency,
        "terms_version": ruling.terms_version,
    }
