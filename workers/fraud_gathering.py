"""Gathers the facts that suspected fraud is judged by, from the ledger alone.

What nobody told is not known, and stays None; nothing here asks Stripe, because a score needs no full set.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from ledger.fraud_facts import Suspect, good_payments
from ledger.fraud_ratios import near_a_programme
from ledger.fraud_reports import Reports, SeenWarning
from ledger.purchase_credits import purchase_credits
from ledger.purchase_sources import sources_of
from ledger.warning_history import warning_outcomes
from policy.fraud_signals import CATEGORIES, COUNTS, DAY_SECONDS, Signal, velocity
from policy.fraud_terms import PERCENT_MAX, ScoreTerms, WarningTerms
from policy.fraud_warnings import WarningFacts
from policy.payments import Payment

#: Results of 3-D Secure after which the bank bears a fraud dispute.
_SHIFTED: Final = frozenset({"authenticated", "attempt_acknowledged"})


def signals_of(
    connection: Connection, suspect: Suspect, reports: Reports, rules: ScoreTerms
) -> dict[str, Signal]:
    """Every signal of a payment by its name (policy/fraud_signals.py)."""
    own = suspect.own
    known_before = own.created - rules.known_after_days * DAY_SECONDS
    counted = velocity(own, suspect.near, rules.small_amounts_minor)
    reported: dict[str, Signal] = {
        "review": reports.review,
        "listed": reports.listed,
        "fraud_disputes_of_card": reports.fraud_disputes_of_card,
        "warnings_of_card": reports.warnings_of_card,
        "good_payments_of_customer": good_payments(connection, own, known_before),
    }
    told: Mapping[str, Signal] = {
        **suspect.of_customer,
        **suspect.told,
        **counted,
        **reported,
    }
    return {name: told.get(name) for name in (*CATEGORIES, *COUNTS)}


def warning_facts(
    connection: Connection,
    suspect: Suspect,
    warning: SeenWarning,
    payment: Payment,
    rules: WarningTerms,
    *,
    network: str | None,
    now: int,
) -> WarningFacts:
    """What is weighed about a payment that an issuer warned of; `now` is a unix second."""
    outcomes = warning_outcomes(connection, now - rules.history_days * DAY_SECONDS)
    return WarningFacts(
        payment=payment,
        warning_id=warning.warning_id,
        fraud_type=warning.fraud_type,
        actionable=warning.actionable,
        liability_shifted=_shifted(suspect.told),
        used_percent=_used_percent(connection, payment),
        warned_before=outcomes.left_alone,
        disputed_before=outcomes.disputed,
        near_threshold=near_a_programme(connection, network, now),
    )


def _shifted(told: Mapping[str, Signal]) -> bool | None:
    """None for a charge of which nothing was kept, because it came before this was looked at."""
    return told.get("three_d_secure") in _SHIFTED if told else None


def _used_percent(connection: Connection, payment: Payment) -> int | None:
    """How much of what was bought is used up, rounded up; None where nobody knows."""
    found = purchase_credits(connection, sources_of(connection, payment))
    if not found.issued or found.used is None:
        return None
    return min(PERCENT_MAX, -(-found.used * PERCENT_MAX // found.issued))
