"""What `[disputes]` of a terms file says: which inquiries are given back, and what a dispute does to the account."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from policy.fraud_terms import read_amounts
from policy.toml_table import TomlTable


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeTerms:
    """The numbers and switches of disputes; the comments in the file explain each entry."""

    inquiry_reasons: tuple[str, ...]
    inquiry_refund_minor: Mapping[str, int]
    suspend_reasons: tuple[str, ...]
    lost_takes_credits: bool
    lost_ends_subscription: bool


def read_dispute_terms(table: TomlTable) -> DisputeTerms:
    """The checked entries of `[disputes]`. Raises TermsError."""
    table.require_keys({field.name for field in fields(DisputeTerms)})
    return DisputeTerms(
        inquiry_reasons=table.texts("inquiry_reasons"),
        inquiry_refund_minor=read_amounts(table.table("inquiry_refund_minor")),
        suspend_reasons=table.texts("suspend_reasons"),
        lost_takes_credits=table.flag("lost_takes_credits"),
        lost_ends_subscription=table.flag("lost_ends_subscription"),
    )
