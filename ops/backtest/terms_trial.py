"""One set of terms over a back-test's history: what it would have decided about each payment, and by which signals.

Nothing is carried out: what then happened to a payment is what happened under the terms of then. A payment that a trial
gave back is not looked at again once it was given back in truth.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ops.backtest.case_history import CaseHistory, SeenPayment
from policy.decision import Verdict
from policy.fraud_scores import band, weigh
from policy.fraud_signals import CATEGORIES, COUNTS, DAY_SECONDS, Signal, velocity
from policy.payments import DisputeStanding
from policy.terms_file import Terms

_RANK = (Verdict.DENY, Verdict.REVIEW, Verdict.APPROVE)
_UNTOUCHED = (DisputeStanding.NONE, DisputeStanding.WON)


@dataclass(slots=True, kw_only=True)
class Tried:
    """The strongest that a trial would have done about a payment, by what score and signals."""

    verdict: Verdict = Verdict.DENY
    score: int = 0
    weights: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemptions:
    """Whom people vouch for or have left alone, and what they blocked: by subject and value, as the lists have it."""

    exempt: frozenset[tuple[str, str]] = frozenset()
    blocked: frozenset[tuple[str, str]] = frozenset()


class TermsTrial:
    """One set of terms at work. `in_force` gives the terms of a purchase's moment (unix seconds)."""

    def __init__(
        self,
        history: CaseHistory,
        in_force: Callable[[int], Terms],
        exemptions: Exemptions | None = None,
    ) -> None:
        self._history = history
        self._in_force = in_force
        self._exemptions = exemptions or Exemptions()
        #: Card → the payments that were found to be fraud with it, and when they were made. Kept to the end.
        self._listed: dict[str, dict[str, int]] = {}
        self._tried: dict[str, Tried] = {}

    def judge(self, charge_ids: Iterable[str]) -> None:
        """Look at payments, and at those that what is found about them speaks about."""
        waiting, seen = list(dict.fromkeys(charge_ids)), set[str]()
        while waiting:
            charge_id = waiting.pop(0)
            seen.add(charge_id)
            payment = self._history.payments.get(charge_id)
            if payment is None:
                continue
            changed = self._look(payment)
            if changed or payment.fraud_disputes or payment.warnings:
                others = self._history.payments_of_card(payment.own)
                waiting += [
                    one for one in others if one != charge_id and (changed or one not in seen)
                ]

    def end(self, charge_id: str) -> Tried:
        """What it came to about a payment that is let go."""
        return self._tried.pop(charge_id, None) or Tried()

    def _look(self, payment: SeenPayment) -> bool:
        """Judge one payment; whether its card's other payments are judged otherwise now."""
        rules = self._in_force(payment.own.created).fraud_scores
        before = self._tried.get(payment.own.charge_id)
        given_back = before is not None and before.verdict is Verdict.APPROVE
        if not payment.own.succeeded or (given_back and payment.refunded_minor):
            return False
        signals = self._signals(payment)
        weights = weigh(signals, rules)
        score, exempt = sum(weights.values()), self._is_exempt(payment)
        verdict = band(score, rules, exempt="allow" if exempt else None)
        # As in decide_score: the suspicion stands whether or not money can go back.
        changed = self._list(payment, found=verdict is Verdict.APPROVE)
        if payment.left_minor == 0 or payment.standing not in _UNTOUCHED:
            verdict = Verdict.DENY
        strongest = Verdict.DENY if before is None else before.verdict
        if _RANK.index(verdict) > _RANK.index(strongest):
            told = {name: weight for name, weight in weights.items() if weight}
            self._tried[payment.own.charge_id] = Tried(verdict=verdict, score=score, weights=told)
        return changed

    def _list(self, payment: SeenPayment, *, found: bool) -> bool:
        card, charge_id = payment.own.card, payment.own.charge_id
        disputed = payment.fraud_disputes > 0 and self._suspends(payment)
        if card is None:
            return False
        entries = self._listed.setdefault(card, {})
        if (found or disputed) == (charge_id in entries):
            return False
        if found or disputed:
            entries[charge_id] = payment.own.created
        else:
            del entries[charge_id]
        if not entries:
            del self._listed[card]
        return True

    def _suspends(self, payment: SeenPayment) -> bool:
        """Whether a fraud dispute puts the card on the list: an inquiry does not yet."""
        terms = self._in_force(payment.own.created)
        took = any(not status.startswith("warning_") for status, _, _ in payment.disputes.values())
        listed = "fraudulent" in terms.disputes.suspend_reasons
        return took and listed and terms.fraud_effects.blocks_card

    def _is_exempt(self, payment: SeenPayment) -> bool:
        return not self._exemptions.exempt.isdisjoint(_subjects(payment))

    def _signals(self, payment: SeenPayment) -> dict[str, Signal]:
        own, history = payment.own, self._history
        rules = self._in_force(own.created).fraud_scores
        disputed = warned = 0
        if own.card is not None:
            for charge_id in history.payments_of_card(own):
                if charge_id != own.charge_id:
                    other = history.payments[charge_id]
                    disputed += other.fraud_disputes
                    warned += len(other.warnings)
        told: dict[str, Signal] = {
            **history.of_customer(own),
            **payment.told,
            **velocity(own, history.tries_before(own), rules.small_amounts_minor),
            "review": payment.review,
            "listed": self._is_listed(payment),
            "fraud_disputes_of_card": disputed,
            "warnings_of_card": warned,
            "good_payments_of_customer": history.good_payments(
                own, own.created - rules.known_after_days * DAY_SECONDS
            ),
        }
        return {name: told.get(name) for name in (*CATEGORIES, *COUNTS)}

    def _is_listed(self, payment: SeenPayment) -> str | None:
        if not self._exemptions.blocked.isdisjoint(_subjects(payment)):
            return "block"
        entries = self._listed.get(payment.own.card or "", {})
        earlier = any(since < payment.own.created for since in entries.values())
        return "found" if earlier else None


def _subjects(payment: SeenPayment) -> list[tuple[str, str]]:
    own = payment.own
    shared = {
        "card": own.card,
        "customer": own.customer,
        "email": own.email,
        "ip": own.ip,
        "device": own.device,
    }
    return [(name, value) for name, value in shared.items() if value is not None]
