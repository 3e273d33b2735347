"""What a terms file says about fraud: what suspicion costs a payment, and what a warning of an issuer does.

Sources: policy § Fraud, § Clauses `FRAUD-*`; docs.stripe.com/disputes/how-disputes-work § early fraud warnings
(2026-10-28.endive).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from policy.checks import MalformedFactError, require_currency
from policy.fraud_signals import CATEGORIES, COUNTS
from policy.toml_table import TomlTable

PERCENT_MAX = 100
SCORE_MAX = 1_000
_FEE_MAX = 1_000_000
_WARNINGS_MAX = 100_000
_DAYS_MAX = 3_660


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningTerms:
    """The numbers and switches of early fraud warnings; the comments in the file explain each entry."""

    dispute_percent: int
    history_warnings: int
    history_days: int
    dispute_fees_minor: Mapping[str, int]
    near_threshold_percent: int
    liability_shift_ends_it: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CountWeight:
    """What a count adds to the score: `weight` for each from `from_count` on, `cap` at most either way."""

    from_count: int
    weight: int
    cap: int

    def of(self, count: int) -> int:
        """The weight of a count; 0 below `from_count`."""
        sum_of_each = self.weight * max(0, count - self.from_count + 1)
        return max(-self.cap, min(self.cap, sum_of_each))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTerms:
    """The bands of the score and the weight of each signal; the comments in the file explain each entry."""

    refund_score: int
    review_score: int
    certain_score: int
    known_after_days: int
    small_amounts_minor: Mapping[str, int]
    categories: Mapping[str, Mapping[str, int]]
    counts: Mapping[str, CountWeight]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectTerms:
    """What goes with the money of a payment that is given back as fraud."""

    takes_credits: bool
    ends_subscription: bool
    suspends_account: bool
    blocks_card: bool
    certain_fraud_types: tuple[str, ...]


def read_warning_terms(table: TomlTable) -> WarningTerms:
    """The checked entries of `[fraud_warnings]`. Raises TermsError."""
    table.require_keys({field.name for field in fields(WarningTerms)})
    return WarningTerms(
        dispute_percent=table.number("dispute_percent", 0, PERCENT_MAX),
        history_warnings=table.number("history_warnings", 1, _WARNINGS_MAX),
        history_days=table.number("history_days", 0, _DAYS_MAX),
        dispute_fees_minor=read_amounts(table.table("dispute_fees_minor")),
        # Close to a programme a dispute costs more, never less.
        near_threshold_percent=table.number("near_threshold_percent", 100, 10_000),
        liability_shift_ends_it=table.flag("liability_shift_ends_it"),
    )


def read_score_terms(table: TomlTable) -> ScoreTerms:
    """The checked entries of `[fraud_scores]`. Raises TermsError."""
    table.require_keys({field.name for field in fields(ScoreTerms)})
    refund_score = table.number("refund_score", 1, SCORE_MAX)
    counts, categories = table.table("counts"), table.table("categories")
    counts.require_keys(set(COUNTS))
    categories.require_keys(set(CATEGORIES))
    return ScoreTerms(
        refund_score=refund_score,
        review_score=table.number("review_score", 1, refund_score),
        certain_score=table.number("certain_score", refund_score, SCORE_MAX),
        known_after_days=table.number("known_after_days", 1, _DAYS_MAX),
        small_amounts_minor=read_amounts(table.table("small_amounts_minor")),
        categories={name: _weights(categories.table(name)) for name in CATEGORIES},
        counts={name: _count_weight(counts.table(name)) for name in COUNTS},
    )


def read_effect_terms(table: TomlTable) -> EffectTerms:
    """The checked entries of `[fraud_effects]`. Raises TermsError."""
    table.require_keys({field.name for field in fields(EffectTerms)})
    return EffectTerms(
        takes_credits=table.flag("takes_credits"),
        ends_subscription=table.flag("ends_subscription"),
        suspends_account=table.flag("suspends_account"),
        blocks_card=table.flag("blocks_card"),
        certain_fraud_types=table.texts("certain_fraud_types"),
    )


def _weights(table: TomlTable) -> Mapping[str, int]:
    return {value: table.number(value, -SCORE_MAX, SCORE_MAX) for value in table.entries}


def _count_weight(table: TomlTable) -> CountWeight:
    table.require_keys({"from", "weight", "cap"})
    return CountWeight(
        from_count=table.number("from", 1, SCORE_MAX),
        weight=table.number("weight", -SCORE_MAX, SCORE_MAX),
        cap=table.number("cap", 0, SCORE_MAX),
    )


def read_amounts(table: TomlTable) -> Mapping[str, int]:
    """Amounts in minor units by currency. Raises TermsError."""
    for currency in table.entries:
        try:
            require_currency(currency, currency)
        except MalformedFactError:
            reason = "must be a currency of three lower-case letters"
            raise table.error(currency, reason) from None
    return {currency: table.number(currency, 0, _FEE_MAX) for currency in table.entries}
