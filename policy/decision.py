"""What the policy says about one case: verdict, amount, the clauses that made it, and the facts.

A decision is complete in itself: it can be read, checked and made again from its own facts years
later, whatever the ledger holds by then. Its JSON is canonical, so equal decisions are equal texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.canonical_json import (
    Json,
    JsonScalar,
    array,
    dump_canonical,
    exact_keys,
    load_strict,
    require_json,
)
from policy.checks import (
    MalformedFactError,
    require_count,
    require_flag,
    require_member,
    require_text,
)
from policy.clauses import Clause
from policy.money import Money


class Verdict(StrEnum):
    """The three outcomes; there is no fourth."""

    APPROVE = "approve"  # money goes back, exactly the decision's amount
    DENY = "deny"  # nothing goes back
    REVIEW = "review"  # a person decides; `undecided` says about what


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseResult:
    """How one clause came out.

    `holds` is None when a fact is missing; `compared` holds the values that were compared, as JSON
    scalars.
    """

    clause: Clause
    holds: bool | None
    compared: Mapping[str, JsonScalar]

    def __post_init__(self) -> None:
        """Refuse results that could not be written down and read back."""
        require_member("clause", self.clause, Clause)
        if self.holds is not None:
            require_flag("holds", self.holds)
        require_member("compared", self.compared, dict)
        require_json("compared", self.compared)
        for name, value in self.compared.items():
            if isinstance(value, list | dict):
                raise MalformedFactError(f"compared.{name} must be a single value, not {value!r}")

    def to_fields(self) -> dict[str, Json]:
        """The JSON object of the three fields."""
        return {"clause": self.clause.value, "holds": self.holds, "compared": dict(self.compared)}

    @classmethod
    def from_fields(cls, fields: Json) -> "ClauseResult":
        """The inverse of `to_fields`; ValueError names what is wrong."""
        known = exact_keys(fields, "clause result", ("clause", "holds", "compared"))
        return cls(**known | {"clause": Clause(known["clause"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditEffect:
    """What a decision does to credits, and to the subscription that issues them.

    `revoked`: what is left of the purchase's credits goes. `restored`: so many come back.
    """

    revoked: bool
    restored: int
    ends_subscription: bool

    def __post_init__(self) -> None:
        """Refuse wrong types."""
        require_flag("revoked", self.revoked)
        require_count("restored", self.restored)
        require_flag("ends_subscription", self.ends_subscription)

    def to_fields(self) -> dict[str, Json]:
        """The JSON object of the three fields."""
        return {
            "revoked": self.revoked,
            "restored": self.restored,
            "ends_subscription": self.ends_subscription,
        }

    @classmethod
    def from_fields(cls, fields: Json) -> "CreditEffect":
        """The inverse of `to_fields`; ValueError names what is wrong."""
        return cls(**exact_keys(fields, "credits", ("revoked", "restored", "ends_subscription")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict with everything that it rests on.

    `amount` is there exactly when the verdict is APPROVE, and then more than zero, unless what is
    approved are credits: `credits.restored` of them come back. `credits` also says what a refund
    takes with it; None where the decision is not about credits. `undecided` has at least one
    sentence exactly when the verdict is REVIEW, each saying what is open and what each answer would
    lead to. Raises ValueError at birth otherwise.
    """

    verdict: Verdict
    amount: Money | None
    clauses: tuple[ClauseResult, ...]
    terms_version: str
    undecided: tuple[str, ...]
    facts: Mapping[str, Json]
    credits: CreditEffect | None = None

    def __post_init__(self) -> None:
        """Refuse decisions that say less or more than their verdict."""
        require_member("verdict", self.verdict, Verdict)
        require_text("terms_version", self.terms_version)
        require_member("facts", self.facts, dict)
        require_json("facts", self.facts)
        for sentence in self.undecided:
            require_text("undecided", sentence)
        if not self.clauses:
            raise MalformedFactError("a decision must cite at least one clause")
        restores = self.credits is not None and self.credits.restored > 0
        if (self.verdict is Verdict.APPROVE) != (self.amount is not None or restores):
            raise MalformedFactError("a decision has an amount exactly when it approves")
        if self.amount is not None and self.amount.amount_minor == 0:
            raise MalformedFactError("a decision cannot approve an amount of zero")
        if (self.verdict is Verdict.REVIEW) != bool(self.undecided):
            raise MalformedFactError(
                "a decision says what is undecided exactly when it asks for a review"
            )

    def to_json(self) -> str:
        """The canonical JSON text."""
        written: dict[str, Json] = {
            "verdict": self.verdict.value,
            "amount": None if self.amount is None else self.amount.to_fields(),
            "clauses": [result.to_fields() for result in self.clauses],
            "terms_version": self.terms_version,
            "undecided": list(self.undecided),
            "facts": self.facts,
        }
        if self.credits is not None:
            written["credits"] = self.credits.to_fields()
        return dump_canonical(written)

    @classmethod
    def from_json(cls, text: str) -> "Decision":
        """The decision of a text that `to_json` wrote; ValueError names what is wrong with it."""
        loaded = load_strict(text)
        names = ("verdict", "amount", "clauses", "terms_version", "undecided", "facts")
        about_credits = isinstance(loaded, Mapping) and "credits" in loaded
        fields = exact_keys(loaded, "decision", (*names, "credits") if about_credits else names)
        amount, clauses = fields["amount"], array(fields["clauses"], "clauses")
        return cls(
            verdict=Verdict(fields["verdict"]),
            amount=None if amount is None else Money.from_fields(amount),
            clauses=tuple(ClauseResult.from_fields(result) for result in clauses),
            terms_version=fields["terms_version"],
            undecided=tuple(array(fields["undecided"], "undecided")),
            facts=fields["facts"],
            credits=CreditEffect.from_fields(fields["credits"]) if about_credits else None,
        )
