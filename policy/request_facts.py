"""The facts that a refund request is judged by. None always means "not known".

Times are unix seconds (UTC), amounts minor units of the charge's currency, credits whole numbers.
Nothing here names a person: who asked stays with the request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

from policy.canonical_json import Json, array, exact_keys
from policy.checks import MalformedFactError, require_count, require_flag, require_member
from policy.invoice_taking import InvoiceTaking, taking_from_json, taking_to_json
from policy.money import Money
from policy.payments import Payment, payment_from_json, payment_to_json

Member = TypeVar("Member", bound=StrEnum)


class IntakeField(StrEnum):
    """What a request has to name (policy § Clauses, `INTAKE`)."""

    ACCOUNT_EMAIL = "account_email"
    PURCHASE_DATE = "purchase_date"
    PRODUCT = "product"
    REASON = "reason"


class Reason(StrEnum):
    """What a customer gives as the reason."""

    CHANGED_MIND = "changed_mind"  # none that any clause asks for
    FAILURE = "failure"  # the platform did not work
    OUTAGE = "outage"  # the service was away
    FLAGGED = "flagged"  # the account was flagged by mistake
    BILLING = "billing"  # charged wrongly or twice
    TASTE = "taste"  # the results do not please


class Plan(StrEnum):
    """What was bought."""

    PACK = "pack"  # credits once
    MONTHLY = "monthly"  # a subscription paid by the month
    ANNUAL = "annual"  # a subscription paid by the year, credits issued by the month


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """One request about one purchase.

    `payment` is the charge that paid for it, bought at `payment.created`. `issued`, `used` and
    `successful` (spent on generations that succeeded) are credits of the purchase: of a plan those
    of the month, of an annual plan those of the first month. A purchase of which nothing is known
    to be issued has `issued=None`, never 0. `period_seconds` is how long what was paid lasts;
    `lost_seconds` how much of it the service was documented to be down, `longest_outage_seconds`
    and `longest_failure_seconds` the longest time without a break. `wrong_minor` is the part of the
    charge that the ledger proves to be wrong (0: none). What only a person can rule: `ruled_little`,
    whether a use of exactly the terms' share is little; `ruled_renewal`, whether the unused months of
    a renewed yearly plan go back. `took` is what the purchase's invoice really took; None: the charge
    alone says it. Raises MalformedFactError at birth.
    """

    asked_at: int
    named: tuple[IntakeField, ...]
    reasons: tuple[Reason, ...]
    payment: Payment
    plan: Plan | None
    initial: bool | None
    issued: int | None
    used: int | None
    successful: int | None
    expired: bool | None
    breach: bool | None
    wrongly_flagged: bool | None
    abuse: bool | None
    wrong_minor: int | None
    period_seconds: int | None
    lost_seconds: int | None
    longest_outage_seconds: int | None
    longest_failure_seconds: int | None
    fee_minor: int | None
    ruled_little: bool | None = None
    ruled_renewal: bool | None = None
    took: InvoiceTaking | None = None

    def __post_init__(self) -> None:
        """Refuse wrong types and facts that contradict each other."""
        require_count("asked_at", self.asked_at)
        if self.took is not None:
            require_member("took", self.took, InvoiceTaking)
        _require_members("named", self.named, IntakeField)
        _require_members("reasons", self.reasons, Reason)
        require_member("payment", self.payment, Payment)
        if self.plan is not None:
            require_member("plan", self.plan, Plan)
        for name in FLAGS:
            if getattr(self, name) is not None:
                require_flag(name, getattr(self, name))
        for name in COUNTS:
            require_count(name, getattr(self, name), optional=True)
        self._require_order()

    @property
    def price_minor(self) -> int:
        """What was really paid for the plan, or the pack, itself: no other lines, no prorations."""
        return self.payment.captured_minor if self.took is None else self.took.plan_minor

    @property
    def returned_minor(self) -> int:
        """What of the charge went back so far, by refunds or other ways."""
        given_back_minor = 0 if self.took is None else self.took.given_back_minor
        return self.payment.refunded_minor + given_back_minor

    @property
    def rest_minor(self) -> int:
        """What of the charge is still with the merchant: captured less refunded, disputed and given back."""
        given_back_minor = self.returned_minor - self.payment.refunded_minor
        return max(0, self.payment.rest_minor - given_back_minor)

    def left(self) -> Money:
        """What can still be refunded, in the steps that Stripe takes for the currency."""
        currency = self.payment.currency
        return Money(amount_minor=self.rest_minor, currency=currency).rounded_for_refund()

    def _require_order(self) -> None:
        if self.asked_at < self.payment.created:
            raise MalformedFactError("asked_at must not lie before the purchase")
        if self.issued == 0 or self.period_seconds == 0:
            raise MalformedFactError("issued and period_seconds must be null or more than zero")
        captured_minor = self.payment.captured_minor
        for lesser, greater in (
            ("used", self.issued),
            ("successful", self.issued if self.used is None else self.used),
            ("wrong_minor", captured_minor),
            ("fee_minor", captured_minor),
            ("lost_seconds", self.period_seconds),
        ):
            value = getattr(self, lesser)
            if value is not None and greater is not None and value > greater:
                raise MalformedFactError(f"{lesser} is {value}, but can be {greater} at most")


#: The fields that are true or false, and those that are whole numbers; any of them may be unknown.
FLAGS = (
    "initial",
    "expired",
    "breach",
    "wrongly_flagged",
    "abuse",
    "ruled_little",
    "ruled_renewal",
)
COUNTS = (
    "issued",
    "used",
    "successful",
    "wrong_minor",
    "period_seconds",
    "lost_seconds",
    "longest_outage_seconds",
    "longest_failure_seconds",
    "fee_minor",
)


def request_to_json(facts: RequestFacts) -> dict[str, Json]:
    """The facts as a JSON object with a key for each field."""
    plain = {name: getattr(facts, name) for name in ("asked_at", *COUNTS, *FLAGS)}
    return {
        **plain,
        "named": [name.value for name in facts.named],
        "reasons": [reason.value for reason in facts.reasons],
        "payment": payment_to_json(facts.payment),
        "plan": None if facts.plan is None else facts.plan.value,
        "took": taking_to_json(facts.took),
    }


def request_from_json(value: Json) -> RequestFacts:
    """The inverse of `request_to_json`; ValueError for unknown or missing keys and wrong values."""
    if isinstance(value, Mapping):
        value = {"took": None, **value}  # decisions of before the fact was kept have no such key
    known = exact_keys(value, "request", [field.name for field in fields(RequestFacts)])
    read: dict[str, Callable[[Any], object]] = {
        "named": lambda found: _members("named", array(found, "named"), IntakeField),
        "reasons": lambda found: _members("reasons", array(found, "reasons"), Reason),
        "payment": payment_from_json,
        "took": taking_from_json,
        "plan": lambda found: None if found is None else _members("plan", [found], Plan)[0],
    }
    return RequestFacts(**known | {name: make(known[name]) for name, make in read.items()})


def _members(name: str, values: list[Any], kind: type[Member]) -> tuple[Member, ...]:
    try:
        return tuple(kind(value) for value in values)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise MalformedFactError(f"{name} must be of: {known}") from None


def _require_members(name: str, values: tuple[object, ...], kind: type) -> None:
    require_member(name, values, tuple)
    for value in values:
        require_member(name, value, kind)
    if len(set(values)) != len(values):
        raise MalformedFactError(f"{name} names something twice")
