"""Every call of the product API: Flask and the OpenAPI document are both made from `ROUTES`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from webhooks import api_models as models
from webhooks import claims_api, plan_changes_api
from webhooks.product_api import ID_MAX, ProductApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter in a path; `schema` is its JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, object]
    convert: Callable[[str], Any] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call: where, what it takes, what it answers by status, and the method that does it."""

    method: str
    path: str  # with {parameters}, as OpenAPI writes them
    name: str
    summary: str
    handler: Callable[..., tuple[int, BaseModel]]
    answers: Mapping[int, type[BaseModel]]
    body: type[models.Taken] | None = None
    parameters: tuple[Parameter, ...] = ()
    refusals: frozenset[int] = field(default_factory=frozenset)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(ID_MAX)):
        raise ValueError(text)
    return int(text)


def _an_id(text: str) -> str:
    if not text.isprintable() or len(text) > _STRIPE_ID_CHARS_MAX:
        raise ValueError(text)
    return text


_STRIPE_ID_CHARS_MAX: Final = 200
_ID_SCHEMA: Final[Mapping[str, object]] = {"type": "integer", "minimum": 1, "maximum": ID_MAX}


def _id_of(name: str, noun: str) -> tuple[Parameter, ...]:
    """The one parameter of a call about one row of ours."""
    return (
        Parameter(
            name=name,
            description=f"The id that the {noun} was answered with.",
            schema=_ID_SCHEMA,
            convert=_whole,
        ),
    )


def _stripe_id(name: str, noun: str) -> tuple[Parameter, ...]:
    """The one parameter of a call about one of Stripe's objects."""
    return (
        Parameter(
            name=name,
            description=f"Stripe's id of the {noun}.",
            schema={"type": "string", "minLength": 1, "maxLength": _STRIPE_ID_CHARS_MAX},
            convert=_an_id,
        ),
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/credits/usage",
        name="reportUsage",
        summary="Report credits that were used, up to 10,000 at once",
        handler=ProductApi.report_usage,
        body=models.UsageReportIn,
        answers={200: models.UsageReportOut},
    ),
    Route(
        method="POST",
        path="/api/credits/claims",
        name="claimCredits",
        summary="Ask credits back that a failure took or the platform lost",
        handler=claims_api.claim_credits,
        body=models.CreditClaimIn,
        answers={202: models.CreditClaimOut},
        refusals=frozenset({409}),
    ),
    Route(
        method="GET",
        path="/api/credits/claims/{claim_id}",
        name="showCreditClaim",
        summary="One claim of credits and its decision",
        handler=claims_api.show_claim,
        answers={200: models.CreditClaimOut},
        parameters=_id_of("claim_id", "claim"),
        refusals=frozenset({404}),
    ),
    Route(
        method="GET",
        path="/api/customers/{customer_id}",
        name="showCustomer",
        summary="A customer's standing and credits",
        handler=ProductApi.show_customer,
        answers={200: models.CustomerOut},
        parameters=_stripe_id("customer_id", "customer"),
        refusals=frozenset({404}),
    ),
    Route(
        method="POST",
        path="/api/refund-requests",
        name="askForRefund",
        summary="Ask for a refund on behalf of a customer",
        handler=ProductApi.ask_for_refund,
        body=models.RefundRequestIn,
        answers={202: models.RefundRequestOut},
        refusals=frozenset({409}),
    ),
    Route(
        method="GET",
        path="/api/refund-requests/{request_id}",
        name="showRefundRequest",
        summary="One refund request and its decision",
        handler=ProductApi.show_request,
        answers={200: models.RefundRequestOut},
        parameters=_id_of("request_id", "request"),
        refusals=frozenset({404}),
    ),
    Route(
        method="POST",
        path="/api/plan-changes",
        name="askForPlan",
        summary="Ask for another plan of a subscription, or for what it would do",
        handler=plan_changes_api.ask_for_plan,
        body=models.PlanChangeIn,
        answers={202: models.PlanChangeOut},
        refusals=frozenset({409}),
    ),
    Route(
        method="GET",
        path="/api/plan-changes/{change_id}",
        name="showPlanChange",
        summary="One change of plan",
        handler=plan_changes_api.show_plan_change,
        answers={200: models.PlanChangeOut},
        parameters=_id_of("change_id", "change"),
        refusals=frozenset({404}),
    ),
    Route(
        method="POST",
        path="/api/plan-changes/{change_id}/withdraw",
        name="withdrawPlanChange",
        summary="Take a change back that has not taken effect",
        handler=plan_changes_api.withdraw_plan_change,
        body=models.WithdrawalIn,
        answers={202: models.PlanChangeOut},
        parameters=_id_of("change_id", "change"),
        refusals=frozenset({404, 409}),
    ),
    Route(
        method="GET",
        path="/api/subscriptions/{subscription_id}/plan-changes",
        name="listPlanChanges",
        summary="The newest changes of a subscription's plan",
        handler=plan_changes_api.list_plan_changes,
        answers={200: models.PlanChangesOut},
        parameters=_stripe_id("subscription_id", "subscription"),
        refusals=frozenset({404}),
    ),
)
