"""The known answers of a played day: which charges are duplicates, which only look like it."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops.sandbox.shop_plan import StoryKind
from policy.terms_file import DuplicateTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueDuplicate:
    """A second payment for the same thing, and what the terms in force make of it.

    `outcome` is "refund" (automatic) or "review" (a person decides); amounts in minor units.
    """

    charge_id: str
    kept_charge_id: str
    kind: str
    amount_minor: int
    currency: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """A charge that resembles a duplicate in the way its kind says, and must stay."""

    charge_id: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAnswers:
    """Everything that is known about a played day; the two lists of charges never overlap.

    `started_at` is the unix second at which the played day began. `refunded_by_hand` are charges
    that the shop's staff refunded, in whole or in part, in the dashboard.
    """

    seed: int
    started_at: int
    charges_succeeded: int
    charges_failed: int
    duplicates: tuple[TrueDuplicate, ...]
    look_alikes: tuple[LookAlike, ...]
    refunded_by_hand: tuple[str, ...]

    def to_refund(self) -> dict[str, TrueDuplicate]:
        """Return the duplicates that are refunded without a person, by charge."""
        return {one.charge_id: one for one in self.duplicates if one.outcome == "refund"}

    def to_review(self) -> dict[str, TrueDuplicate]:
        """Return the duplicates that go to a person, by charge."""
        return {one.charge_id: one for one in self.duplicates if one.outcome == "review"}

    def never_refunded(self) -> frozenset[str]:
        """Return the charges that nobody may refund as duplicates: look-alikes and kept ones."""
        kept = {one.kept_charge_id for one in self.duplicates}
        return frozenset(kept | {one.charge_id for one in self.look_alikes})

    def refund_totals(self) -> dict[str, int]:
        """Return the expected automatic refunds in minor units per currency."""
        totals: Counter[str] = Counter()
        for one in self.to_refund().values():
            totals[one.currency] += one.amount_minor
        return dict(sorted(totals.items()))

    def summary(self) -> str:
        """Return the answers as a few lines for a terminal."""
        totals = ", ".join(
            f"{minor} {currency}" for currency, minor in self.refund_totals().items()
        )
        kinds = Counter(one.kind for one in self.duplicates)
        expected = f"{len(self.to_refund())} to refund ({totals} in minor units)"
        lines = [
            f"{self.charges_succeeded} charges succeeded, {self.charges_failed} failed",
            f"{len(self.duplicates)} duplicate charges among {len(self.look_alikes)} look-alikes:",
            *(f"  {count} x {kind}" for kind, count in sorted(kinds.items())),
            f"{expected}, {len(self.to_review())} to review",
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the answers as a JSON object with a key for each field."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write the answers as JSON, whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


def read_answers(path: Path) -> DayAnswers:
    """Read what `DayAnswers.write` wrote; raises OSError, ValueError or TypeError."""
    known = json.loads(path.read_text(encoding="utf-8"))
    known["duplicates"] = tuple(TrueDuplicate(**one) for one in known["duplicates"])
    known["look_alikes"] = tuple(LookAlike(**one) for one in known["look_alikes"])
    known["refunded_by_hand"] = tuple(known["refunded_by_hand"])
    return DayAnswers(**known)


def outcome_by_terms(kind: StoryKind, terms: DuplicateTerms) -> str:
    """Return what the terms make of a duplicate of that kind: "refund" or "review".

    Raises KeyError for a kind that is no duplicate.
    """
    confidence = {
        StoryKind.SAME_INVOICE: terms.confidence.same_invoice,
        StoryKind.SAME_ORDER: terms.confidence.same_order,
        StoryKind.SECOND_SUBSCRIPTION: terms.confidence.second_subscription,
        StoryKind.SAME_PURCHASE: terms.confidence.same_purchase,
        StoryKind.SAME_CARD: terms.confidence.same_card,
    }[kind]
    return "refund" if confidence >= terms.refund_at else "review"
