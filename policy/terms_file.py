"""The refund terms, read from `policy/terms/<version>.toml` and checked when they are loaded.

Every version that was ever in force stays beside the newest, because the one in force at the moment
of a purchase decides about it. A file with an unknown, missing or senseless entry is refused with
its name, the key and the reason: no rule ever runs on terms that are half understood.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise

from policy.clauses import Clause
from policy.dispute_terms import DisputeTerms, read_dispute_terms
from policy.fraud_terms import (
    EffectTerms,
    ScoreTerms,
    WarningTerms,
    read_effect_terms,
    read_score_terms,
    read_warning_terms,
)
from policy.request_terms import RequestTerms, read_request_terms
from policy.toml_table import TomlTable

DAY_SECONDS = 86_400
EPOCH_DAY = date(1970, 1, 1).toordinal()
CONFIDENCE_MAX = 100
_SECTIONS = (
    "duplicates",
    "requests",
    "fraud_scores",
    "fraud_warnings",
    "fraud_effects",
    "disputes",
)


class TermsError(ValueError):
    """A file of refund terms is missing or holds an entry that the rules could not follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateConfidence:
    """How sure (0 to 100) each kind of link between two payments makes the detector."""

    same_invoice: int
    same_order: int
    second_subscription: int
    same_purchase: int
    same_card: int
    doubtful: int
    product_unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateTerms:
    """The numbers of the duplicate-charge detector.

    `refund_at` and `review_at` are confidences; the metadata keys are in order of preference.
    """

    refund_at: int
    review_at: int
    same_purchase_window_minutes: int
    second_subscription_window_hours: int
    order_reference_keys: tuple[str, ...]
    product_keys: tuple[str, ...]
    confidence: DuplicateConfidence

    @property
    def same_purchase_window_seconds(self) -> int:
        """The window between two payments of one purchase, both ends included."""
        return self.same_purchase_window_minutes * 60

    @property
    def second_subscription_window_seconds(self) -> int:
        """The window between two subscriptions' creation, both ends included."""
        return self.second_subscription_window_hours * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One version of the terms; `effective` is the unix second (UTC) from which it holds."""

    version: str
    effective: int
    duplicates: DuplicateTerms
    requests: RequestTerms
    fraud_scores: ScoreTerms
    fraud_warnings: WarningTerms
    fraud_effects: EffectTerms
    disputes: DisputeTerms
    clause_titles: Mapping[Clause, str]

    def title(self, clause: Clause) -> str:
        """The clause's title for people."""
        return self.clause_titles[clause]


def load_terms(version: str | None = None, folder: Traversable | None = None) -> Terms:
    """The terms of `version`, or of the newest one by effective date.

    `folder` holds the files (default: those of this package; a Path will do). Raises TermsError.
    """
    every = load_every_version(folder)
    if version is None:
        return every[-1]
    for terms in every:
        if terms.version == version:
            return terms
    known = ", ".join(terms.version for terms in every)
    raise TermsError(f"there are no terms of version {version!r}; there are: {known}")


def terms_in_force(at: int, folder: Traversable | None = None) -> Terms:
    """The terms that held at the unix second `at`.

    Purchases from before the first version fall under the first: there is none that would suit
    them better. Raises TermsError.
    """
    every = load_every_version(folder)
    begun = [terms for terms in every if terms.effective <= at]
    return begun[-1] if begun else every[0]


def load_every_version(folder: Traversable | None = None) -> tuple[Terms, ...]:
    """All versions, the one that took effect first at the front. Raises TermsError."""
    place = files("policy").joinpath("terms") if folder is None else folder
    found = [read_terms(entry) for entry in place.iterdir() if entry.name.endswith(".toml")]
    if not found:
        raise TermsError(f"{place} holds no terms file")
    ordered = sorted(found, key=lambda terms: (terms.effective, terms.version))
    for earlier, later in pairwise(ordered):
        if earlier.effective == later.effective:
            raise TermsError(
                f"{later.version}.toml: effective: {earlier.version}.toml begins on the same day",
            )
    return tuple(ordered)


def read_terms(entry: Traversable) -> Terms:
    """The terms of one file, wherever it lies; a Path will do. Raises TermsError."""
    try:
        content = tomllib.loads(entry.read_text(encoding="utf-8"))
    except OSError as unreadable:
        raise TermsError(f"{entry.name}: cannot be read ({unreadable.strerror})") from unreadable
    except (ValueError, RecursionError) as broken:
        # Besides its own error tomllib lets pass what Python says of a number of thousands of digits
        # and of as many brackets within each other.
        raise TermsError(f"{entry.name}: {broken}") from broken
    top = TomlTable(file=entry.name, path="", entries=content, refused=TermsError)
    top.require_keys({"version", "effective", "clauses", *_SECTIONS})
    version = top.text("version")
    if f"{version}.toml" != entry.name:
        raise top.error("version", f"says {version!r}, which is not the file's name")
    return Terms(
        version=version,
        effective=(top.day("effective").toordinal() - EPOCH_DAY) * DAY_SECONDS,
        duplicates=_duplicates(top.table("duplicates")),
        requests=read_request_terms(top.table("requests")),
        fraud_scores=read_score_terms(top.table("fraud_scores")),
        fraud_warnings=read_warning_terms(top.table("fraud_warnings")),
        fraud_effects=read_effect_terms(top.table("fraud_effects")),
        disputes=read_dispute_terms(top.table("disputes")),
        clause_titles=_clause_titles(top.table("clauses")),
    )


def _duplicates(table: TomlTable) -> DuplicateTerms:
    table.require_keys({field.name for field in fields(DuplicateTerms)})
    refund_at = table.number("refund_at", 1, CONFIDENCE_MAX)
    return DuplicateTerms(
        refund_at=refund_at,
        review_at=table.number("review_at", 1, refund_at - 1),
        same_purchase_window_minutes=table.number("same_purchase_window_minutes", 1, 24 * 60),
        second_subscription_window_hours=table.number("second_subscription_window_hours", 1, 744),
        order_reference_keys=table.texts("order_reference_keys"),
        product_keys=table.texts("product_keys"),
        confidence=_confidence(table.table("confidence"), refund_at),
    )


def _confidence(table: TomlTable, refund_at: int) -> DuplicateConfidence:
    names = [field.name for field in fields(DuplicateConfidence)]
    table.require_keys(set(names))
    # What rests on an unknown fact is never refunded without a person, whatever the file says.
    limits = dict.fromkeys(("doubtful", "product_unknown"), refund_at - 1)
    return DuplicateConfidence(
        **{name: table.number(name, 0, limits.get(name, CONFIDENCE_MAX)) for name in names},
    )


def _clause_titles(table: TomlTable) -> Mapping[Clause, str]:
    table.require_keys({clause.value for clause in Clause})
    return {clause: table.text(clause.value) for clause in Clause}
