"""The OpenAPI 3.1 document of the product API, made from the routes and the models that validate."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from webhooks.api_models import Problem
from webhooks.product_routes import ROUTES, Route

_SCHEMAS: Final = "#/components/schemas/"
#: What any call may be answered with, and why.
_ALWAYS: Final[Mapping[int, str]] = {
    401: "No token, or one that opens nothing.",
    503: "The ledger cannot be reached now; try again after the seconds in Retry-After.",
}
_WITH_BODY: Final[Mapping[int, str]] = {
    400: "The body is no JSON.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body is not declared as plain application/json in UTF-8.",
    422: "A field is missing or wrong; each is named.",
}
_OTHERS: Final[Mapping[int, str]] = {
    404: "There is no such thing.",
    409: "The key was used before for something else, or it is too late.",
}


def openapi_document() -> dict[str, Any]:
    """The document as a JSON object."""
    models: set[type[BaseModel]] = {
        Problem,
        *(model for route in ROUTES for model in route.answers.values()),
    }
    models |= {route.body for route in ROUTES if route.body is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=f"{_SCHEMAS}{{model}}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "redress product API",
            "version": "1",
            "description": "Credits, standing and refund requests, for the merchant's own product.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {
            str(status): _response(model.__name__, "Done." if status < 202 else "Taken in.")  # noqa: PLR2004 - HTTP's own
            for status, model in route.answers.items()
        },
    }
    refusals = {
        **_ALWAYS,
        **(_WITH_BODY if route.body is not None else {}),
        **{status: _OTHERS[status] for status in route.refusals},
    }
    for status, why in sorted(refusals.items()):
        described["responses"][str(status)] = _response(Problem.__name__, why)
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": _content(route.body.__name__)}
    if route.parameters:
        described["parameters"] = [
            {
                "name": one.name,
                "in": "path",
                "required": True,
                "description": one.description,
                "schema": dict(one.schema),
            }
            for one in route.parameters
        ]
    return described


def _response(model: str, description: str) -> dict[str, Any]:
    return {"description": description, "content": _content(model)}


def _content(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"{_SCHEMAS}{model}"}}}
