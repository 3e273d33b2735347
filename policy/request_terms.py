"""The numbers and switches of the terms that requests for a refund are judged by."""

from dataclasses import dataclass, fields

from policy.toml_table import TomlTable

_DAYS_MAX = 366
_HOURS_MAX = 24 * 366
#: A year's full months, in whose parts a yearly plan pays back.
MONTHS_OF_YEAR = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTerms:
    """What `[requests]` of a terms file says; the comments there explain each entry."""

    window_days: int
    use_percent: int
    outage_hours: int
    failure_hours: int
    fee_kept_on_little_use: bool
    fee_kept_on_our_error: bool
    revoke_credits: bool
    end_subscription: bool
    review_business_days: int
    reply_hours: int
    arrival_business_days_min: int
    arrival_business_days_max: int


def read_request_terms(table: TomlTable) -> RequestTerms:
    """The checked entries of `[requests]`. Raises TermsError."""
    table.require_keys({field.name for field in fields(RequestTerms)})
    arrival_max = table.number("arrival_business_days_max", 1, _DAYS_MAX)
    return RequestTerms(
        # Shorter than a month: a yearly plan that is asked about in time has one month under way.
        window_days=table.number("window_days", 0, 27),
        use_percent=table.number("use_percent", 1, 100),
        outage_hours=table.number("outage_hours", 1, _HOURS_MAX),
        failure_hours=table.number("failure_hours", 1, _HOURS_MAX),
        fee_kept_on_little_use=table.flag("fee_kept_on_little_use"),
        fee_kept_on_our_error=table.flag("fee_kept_on_our_error"),
        revoke_credits=table.flag("revoke_credits"),
        end_subscription=table.flag("end_subscription"),
        review_business_days=table.number("review_business_days", 1, _DAYS_MAX),
        reply_hours=table.number("reply_hours", 1, _HOURS_MAX),
        arrival_business_days_min=table.number("arrival_business_days_min", 1, arrival_max),
        arrival_business_days_max=arrival_max,
    )
