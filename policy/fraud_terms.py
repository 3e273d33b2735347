"""What `[fraud_warnings]` of a terms file says: when an early fraud warning gives the money back unasked.

Source: policy § Fraud; docs.stripe.com/disputes/how-disputes-work § early fraud warnings (2026-10-28.endive).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from policy.checks import MalformedFactError, require_currency
from policy.toml_table import TomlTable

PERCENT_MAX = 100
_FEE_MAX = 1_000_000
_WARNINGS_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningTerms:
    """The numbers and switches of early fraud warnings; the comments in the file explain each entry."""

    dispute_percent: int
    history_warnings: int
    dispute_fees_minor: Mapping[str, int]
    near_threshold_percent: int
    liability_shift_ends_it: bool
    takes_credits: bool
    ends_subscription: bool


def read_warning_terms(table: TomlTable) -> WarningTerms:
    """The checked entries of `[fraud_warnings]`. Raises TermsError."""
    table.require_keys({field.name for field in fields(WarningTerms)})
    return WarningTerms(
        dispute_percent=table.number("dispute_percent", 0, PERCENT_MAX),
        history_warnings=table.number("history_warnings", 1, _WARNINGS_MAX),
        dispute_fees_minor=_fees(table.table("dispute_fees_minor")),
        # Close to a programme a dispute costs more, never less.
        near_threshold_percent=table.number("near_threshold_percent", 100, 10_000),
        liability_shift_ends_it=table.flag("liability_shift_ends_it"),
        takes_credits=table.flag("takes_credits"),
        ends_subscription=table.flag("ends_subscription"),
    )


def _fees(table: TomlTable) -> Mapping[str, int]:
    for currency in table.entries:
        try:
            require_currency(currency, currency)
        except MalformedFactError:
            reason = "must be a currency of three lower-case letters"
            raise table.error(currency, reason) from None
    return {currency: table.number(currency, 0, _FEE_MAX) for currency in table.entries}
