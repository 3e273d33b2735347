"""One version of the terms as an operator reads it: every number in words, every clause by its group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final

from ops.clause_groups import CLAUSE_GROUPS
from ops.terminal import counted, print_facts, print_table, say
from policy.fraud_terms import EffectTerms, ScoreTerms, WarningTerms
from policy.money import Money
from policy.request_terms import RequestTerms
from policy.terms_file import DuplicateConfidence, DuplicateTerms, Terms

#: What ties two payments, for each confidence of the detector.
_TIES: Final[Mapping[str, str]] = {
    "same_invoice": "one invoice, paid again after it was covered",
    "same_order": "one order reference, amount and payer",
    "second_subscription": "two running subscriptions of one customer to one price",
    "same_purchase": "one customer, amount and product within the window",
    "same_card": "the same, but only the card ties the two payers together",
    "doubtful": "certain if one fact that is not known were known",
    "product_unknown": "payer, amount and time agree; the product is not known",
}


def effective_day(terms: Terms) -> str:
    """The day from whose first second (UTC) the terms hold: `2025-09-14`."""
    return f"{datetime.fromtimestamp(terms.effective, UTC):%Y-%m-%d}"


def terms_document(terms: Terms) -> dict[str, Any]:
    """The terms for machines: the sections as in their file, the clauses in their groups."""
    sections = {
        field.name: asdict(getattr(terms, field.name))
        for field in fields(Terms)
        if field.name not in ("version", "effective", "clause_titles")
    }
    clauses = [
        {"id": clause.value, "group": group, "title": terms.title(clause)}
        for group, members in CLAUSE_GROUPS.items()
        for clause in members
    ]
    return {
        "version": terms.version,
        "effective": effective_day(terms),
        "effective_at": terms.effective,
        **sections,
        "clauses": clauses,
    }


def print_terms(terms: Terms) -> None:
    """The terms for people, within 100 columns."""
    say(f"Terms {terms.version}: for purchases from {effective_day(terms)} on (00:00 UTC).")
    say("", "Requests for a refund")
    print_facts(_requests(terms.requests), indent=2)
    say("", "Deadlines")
    print_facts(_deadlines(terms.requests), indent=2)
    say("", "Suspected fraud: the sum of its signals' weights is a payment's score")
    print_facts(_scores(terms.fraud_scores), indent=2)
    print_table(("signal", "weighs"), list(_signal_weights(terms.fraud_scores)))
    say("", "With a payment that goes back as fraud")
    print_facts(_effects(terms.fraud_effects), indent=2)
    say("", "Early fraud warnings")
    print_facts(_warnings(terms.fraud_warnings), indent=2)
    say("", "Duplicate charges")
    print_facts(_duplicates(terms.duplicates), indent=2)
    say("", "How sure each tie between two payments makes the detector")
    print_table(
        ("tie", "of 100", "leads to"), list(_confidences(terms.duplicates)), right=("of 100",)
    )
    for group, members in CLAUSE_GROUPS.items():
        say("", group)
        print_facts([(clause.value, terms.title(clause)) for clause in members], indent=2)


def _requests(terms: RequestTerms) -> Sequence[tuple[str, str]]:
    days = counted(terms.window_days, "calendar day")
    outage, failure = counted(terms.outage_hours, "hour"), counted(terms.failure_hours, "hour")
    share = f"{terms.use_percent} %"
    credits_left = f"what is left of the credits {'goes' if terms.revoke_credits else 'stays'}"
    plan = "ends" if terms.end_subscription else "runs on"
    return (
        ("asked in time", f"{days} (UTC) after the day of the purchase, the last one included"),
        ("little use", f"less than {share} of the credits; at exactly {share} a person decides"),
        ("too much use", f"more than {share} of the credits"),
        ("service down", f"for more than {outage} without a break"),
        ("faults", f"for {failure} or longer without a break"),
        ("fee, little use", _fee(kept=terms.fee_kept_on_little_use)),
        ("fee, error of ours", _fee(kept=terms.fee_kept_on_our_error)),
        ("a whole refund", f"{credits_left}; the subscription {plan}"),
    )


def _fee(*, kept: bool) -> str:
    return "the payment processor's fee is kept back" if kept else "the fee is given back too"


def _deadlines(terms: RequestTerms) -> Sequence[tuple[str, str]]:
    review = counted(terms.review_business_days, "working day")
    least, most = terms.arrival_business_days_min, terms.arrival_business_days_max
    arrival = f"{least} to {most} working days" if least < most else counted(most, "working day")
    return (
        ("request looked at", f"within {review} of England and Wales"),
        ("message answered", f"within {counted(terms.reply_hours, 'hour')}"),
        ("refund arrives", f"{arrival} of the customer's bank after it was sent"),
    )


def _warnings(terms: WarningTerms) -> Sequence[tuple[str, str]]:
    fees = (
        str(Money(amount_minor=minor, currency=currency))
        for currency, minor in terms.dispute_fees_minor.items()
    )
    history = counted(terms.history_warnings, "warning")
    shifted = "not given back" if terms.liability_shift_ends_it else "weighed like any other"
    return (
        ("given back", "when that costs less than waiting, by what is expected"),
        ("become disputes", f"{terms.dispute_percent} of 100, until {history} of one's own tell"),
        ("fee of a dispute", ", ".join(fees) or "not known in any currency"),
        ("close to a programme", f"the fee counts {terms.near_threshold_percent} %"),
        ("3-D Secure", shifted),
        ("ended for sure", f"after {counted(terms.history_days, 'day')}"),
    )


def _scores(terms: ScoreTerms) -> Sequence[tuple[str, str]]:
    small = (
        str(Money(amount_minor=minor, currency=currency))
        for currency, minor in terms.small_amounts_minor.items()
    )
    return (
        ("given back", f"from a score of {terms.refund_score}"),
        ("put before a person", f"from {terms.review_score}; anything below is let through"),
        ("told Stripe as fraud", f"from {terms.certain_score}"),
        ("a good payment", f"after {counted(terms.known_after_days, 'day')} without a dispute"),
        ("a small amount", f"up to {', '.join(small) or 'nothing'}"),
    )


def _signal_weights(terms: ScoreTerms) -> Iterator[tuple[str, str]]:
    for name, weights in terms.categories.items():
        told = ", ".join(f"{word} {weight:+}" for word, weight in weights.items())
        yield name, told or "nothing"
    for name, count in terms.counts.items():
        yield (
            name,
            f"{count.weight:+} for each from {count.from_count} on, at most {count.cap}",
        )


def _effects(terms: EffectTerms) -> Sequence[tuple[str, str]]:
    return (
        ("its credits", "go" if terms.takes_credits else "stay"),
        ("its subscription", "ends" if terms.ends_subscription else "runs on"),
        ("the account", "is suspended" if terms.suspends_account else "stays active"),
        ("the card", "is put on the block list" if terms.blocks_card else "is not listed"),
        ("told Stripe as fraud", ", ".join(terms.certain_fraud_types)),
    )


def _duplicates(terms: DuplicateTerms) -> Sequence[tuple[str, str]]:
    minutes = counted(terms.same_purchase_window_minutes, "minute")
    hours = counted(terms.second_subscription_window_hours, "hour")
    return (
        ("refunded at once", f"from a confidence of {terms.refund_at} of 100"),
        ("put before a person", f"from {terms.review_at}; anything below is no finding"),
        ("one purchase twice", f"two payments within {minutes}"),
        ("second subscription", f"created within {hours} after the first, to the same price"),
        ("order's metadata keys", ", ".join(terms.order_reference_keys)),
        ("product's metadata keys", ", ".join(terms.product_keys)),
    )


def _confidences(terms: DuplicateTerms) -> Iterator[tuple[str, str, str]]:
    for field in fields(DuplicateConfidence):
        confidence: int = getattr(terms.confidence, field.name)
        yield _TIES[field.name], str(confidence), _leads_to(confidence, terms)


def _leads_to(confidence: int, terms: DuplicateTerms) -> str:
    if confidence >= terms.refund_at:
        return "a refund"
    return "a person" if confidence >= terms.review_at else "nothing"
