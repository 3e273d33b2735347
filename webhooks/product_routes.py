"""Every call of the product API: Flask and the OpenAPI document are both made from `ROUTES`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from webhooks import api_models as models
from webhooks import claims_api
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


def _customer(text: str) -> str:
    if not text.isprintable() or len(text) > _CUSTOMER_CHARS_MAX:
        raise ValueError(text)
    return text


_CUSTOMER_CHARS_MAX: Final = 200
_ID_SCHEMA: Final[Mapping[str, object]] = {"type": "integer", "minimum": 1, "maximum": ID_MAX}

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
        parameters=(
            Parameter(
                name="claim_id",
                description="The id that the claim was answered with.",
                schema=_ID_SCHEMA,
                convert=_whole,
            ),
        ),
        refusals=frozenset({404}),
    ),
    Route(
        method="GET",
        path="/api/customers/{customer_id}",
        name="showCustomer",
        summary="A customer's standing and credits",
        handler=ProductApi.show_customer,
        answers={200: models.CustomerOut},
        parameters=(
            Parameter(
                name="customer_id",
                description="Stripe's id of the customer.",
                schema={"type": "string", "minLength": 1, "maxLength": _CUSTOMER_CHARS_MAX},
                convert=_customer,
            ),
        ),
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
        parameters=(
            Parameter(
                name="request_id",
                description="The id that the request was answered with.",
                schema=_ID_SCHEMA,
                convert=_whole,
            ),
        ),
        refusals=frozenset({404}),
    ),
)
