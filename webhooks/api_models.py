"""What the product API takes and answers: the models that validate are the models that document."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ledger.states import (
    ClaimState,
    PlanChangeState,
    PlanEffect,
    RequestState,
    Standing,
    StandingCause,
)
from policy.credit_losses import CreditLoss
from policy.decision import Verdict
from policy.request_facts import Reason
from runtime.call_limits import (
    API_BODY_BYTES_MAX,
    API_SMALL_BODY_BYTES_MAX,
    REQUEST_EVIDENCE_CHARS_MAX,
    REQUEST_TEXT_CHARS_MAX,
    USAGE_CREDITS_MAX,
    USAGE_ENTRIES_MAX,
    USAGE_TEXT_CHARS_MAX,
)
from runtime.email_addresses import is_address
from runtime.limits import EMAIL_ADDRESS_CHARS_MAX

_SECONDS_MAX = 10**11


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be one line of printable characters")
    return text


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("must be a plain e-mail address")
    return text


def _storable(text: str) -> str:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("must be text without NUL characters")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must say something")
    return text


Name = Annotated[
    str, Field(min_length=1, max_length=USAGE_TEXT_CHARS_MAX), AfterValidator(_printable)
]
RequestText = Annotated[
    str, Field(min_length=1, max_length=REQUEST_TEXT_CHARS_MAX), AfterValidator(_printable)
]
#: Before the product's own keys, so that none of them is that of a request of ours.
REQUEST_KEY_PREFIX = "api:"
RequestKey = Annotated[
    str,
    Field(min_length=1, max_length=REQUEST_TEXT_CHARS_MAX - len(REQUEST_KEY_PREFIX)),
    AfterValidator(_printable),
]
Seconds = Annotated[int, Field(ge=0, le=_SECONDS_MAX, description="Unix seconds, UTC.")]


class _Model(BaseModel):
    """Nothing is converted and nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Taken(_Model):
    """What a call is told, and how much that may be before it is looked at closely.

    `parts_max` counts members and items: each that is unknown costs a kilobyte to be told of.
    """

    body_bytes_max: ClassVar[int] = API_SMALL_BODY_BYTES_MAX
    parts_max: ClassVar[int] = API_SMALL_BODY_BYTES_MAX


class UsageEntry(_Model):
    """Credits that were used once."""

    key: Name = Field(description="Yours, unique for ever: a repetition counts once.")
    customer_id: Name = Field(description="Stripe's id of the customer.")
    credits: Annotated[int, Field(ge=1, le=USAGE_CREDITS_MAX)]
    at: Seconds
    successful: bool | None = Field(
        default=None, description="Whether what was made of them succeeded; null: not known yet."
    )
    reference: Name | None = Field(default=None, description="Your id of what was made.")


class UsageReportIn(Taken):
    """A batch of usage; one that breaks off is sent again whole, and what was written counts once."""

    body_bytes_max = API_BODY_BYTES_MAX
    # The fullest report has seven an entry; one that is a little too long is still told of that.
    parts_max = 8 * USAGE_ENTRIES_MAX
    entries: Annotated[list[UsageEntry], Field(min_length=1, max_length=USAGE_ENTRIES_MAX)]


class UsageReportOut(_Model):
    """What became of a batch."""

    recorded: int
    known: int = Field(description="Entries that were told before.")
    conflicting: list[str] = Field(description="Keys that were used before for another usage.")
    overdrawn: int = Field(description="Credits of this batch that no grant covers yet.")


class GrantOut(_Model):
    """One grant of credits and what became of it."""

    grant_id: int
    source: str = Field(description="The charge or invoice that paid for it.")
    at: int
    expires_at: int | None
    issued: int
    used: int
    left: int


class CustomerOut(_Model):
    """How a customer stands, and his credits."""

    customer_id: str
    standing: Standing
    cause: StandingCause | None
    credits_left: int = Field(description="What can be used now; what has ended is not counted.")
    overdrawn: int
    grants: list[GrantOut]


class RefundRequestIn(Taken):
    """A customer asks for money back."""

    key: RequestKey = Field(description="Yours, unique for ever: a repetition changes nothing.")
    account_email: Annotated[
        str, Field(max_length=EMAIL_ADDRESS_CHARS_MAX), AfterValidator(_address)
    ]
    purchase_date: date = Field(description="The day of the purchase, as the customer says.")
    product: RequestText = Field(description="The plan or pack, by name or id.")
    reasons: Annotated[list[Reason], Field(min_length=1, max_length=len(Reason))]
    evidence: (
        Annotated[str, Field(max_length=REQUEST_EVIDENCE_CHARS_MAX), AfterValidator(_storable)]
        | None
    ) = None
    asked_at: Seconds | None = Field(default=None, description="When it was asked; null: now.")
    charge_id: RequestText | None = Field(default=None, description="The payment, if known.")


class AmountOut(_Model):
    """Money."""

    minor: int = Field(description="In minor units of the currency.")
    currency: str


class DecisionOut(_Model):
    """What was decided; `clauses` are the ids of the policy's clauses that were looked at."""

    verdict: Verdict
    amount: AmountOut | None
    clauses: list[str]
    terms_version: str


class RefundRequestOut(_Model):
    """One request as it stands."""

    request_id: int
    state: RequestState
    case_id: int | None
    decision: DecisionOut | None


class CreditClaimIn(Taken):
    """Credits are asked back for a customer, with what shows that they went."""

    key: RequestKey = Field(description="Yours, unique for ever: a repetition changes nothing.")
    customer_id: Name = Field(description="Stripe's id of the customer.")
    loss: CreditLoss = Field(
        description="failed: spent on what failed; lost: gone without being spent."
    )
    credits: Annotated[int, Field(ge=1, le=USAGE_CREDITS_MAX)] = Field(
        description="All that went for this reference, with what came back for it before."
    )
    at: Seconds = Field(description="When it failed, or was lost. Unix seconds, UTC.")
    reference: Name = Field(
        description="What failed: your id of it, as its usage was reported; or the incident's id."
    )
    evidence: Annotated[
        str,
        Field(min_length=1, max_length=REQUEST_EVIDENCE_CHARS_MAX),
        AfterValidator(_storable),
        AfterValidator(_not_blank),
    ] = Field(description="What happened, and what shows it: the error, a log's line, a link.")
    our_fault: bool | None = Field(
        default=None, description="Whether the platform was the cause; null: not known."
    )
    documented: Annotated[int, Field(ge=0, le=USAGE_CREDITS_MAX)] | None = Field(
        default=None,
        description="Of lost credits, how many the incident's record shows; null: not known.",
    )


class CreditDecisionOut(_Model):
    """What was decided about credits; `credits` come back, `clauses` were looked at."""

    verdict: Verdict
    credits: int
    clauses: list[str]
    terms_version: str


class CreditClaimOut(_Model):
    """One claim as it stands."""

    claim_id: int
    state: ClaimState
    note: str | None = Field(description="What is not known, or why not all comes back.")
    decision: CreditDecisionOut | None


class PlanChangeIn(Taken):
    """A subscriber wants another plan."""

    key: RequestKey = Field(description="Yours, unique for ever: a repetition changes nothing.")
    subscription_id: Name = Field(description="Stripe's id of the subscription.")
    price_id: Name = Field(description="Stripe's id of the price that is wanted.")
    preview: bool = Field(
        default=False, description="true: say what it would do, and do nothing of it."
    )
    reason: RequestText = Field(
        default="asked for by the product", description="Why, for whoever looks at it later."
    )


class OutlookOut(_Model):
    """What a change charges and issues; credits are per month, null outside the catalogue."""

    due_now: AmountOut | None = Field(description="Charged when it takes effect at once.")
    due_then: AmountOut | None = Field(description="Charged at the end of the period.")
    credits_now: int = Field(description="Issued at once; earlier credits stay.")
    credits_before: int | None
    credits_after: int | None


class PlanChangeOut(_Model):
    """One change of plan as it stands."""

    change_id: int
    subscription_id: str
    from_price_id: str | None
    to_price_id: str
    preview: bool
    state: PlanChangeState
    note: str | None = Field(description="Why it is not carried out, and what to do.")
    effect: PlanEffect | None = Field(description="now, period_end, or stay; null: not decided.")
    clause: str | None
    effective_at: int | None = Field(description="When the new plan begins. Unix seconds, UTC.")
    outlook: OutlookOut | None


class PlanChangesOut(_Model):
    """The newest changes of one subscription, newest first."""

    changes: list[PlanChangeOut]


class WithdrawalIn(Taken):
    """A change is taken back."""

    reason: RequestText = Field(
        default="asked for by the product", description="Why, for whoever looks at it later."
    )


class FieldProblem(_Model):
    """One field that is wrong."""

    field: str = Field(description="Where: entries[3].credits.")
    problem: str


class ProblemDetail(_Model):
    """Why a call was refused."""

    code: str
    message: str
    fields: list[FieldProblem] | None = None


class Problem(_Model):
    """Every answer that is no success."""

    error: ProblemDetail
