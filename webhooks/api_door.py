"""The product API on Flask: who calls, what is said, and every answer as JSON in one form."""

from collections.abc import Callable
from typing import Any, Final

import orjson
import structlog
from flask import Flask, Response, request
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.api_tokens import TOKEN_PREFIX, token_name
from runtime import call_limits
from webhooks import answers
from webhooks.answers import Answer, json_answer
from webhooks.api_document import openapi_document
from webhooks.api_models import Taken
from webhooks.json_parts import has_more_parts
from webhooks.product_api import ProductApi, Refused
from webhooks.product_routes import ROUTES, Route
from webhooks.receive import refuse_form

DOCUMENT_PATH: Final = "/api/openapi.json"
_BEARER = "bearer "
_UNAUTHORIZED: Final = answers.refused(
    401,
    "unauthorized",
    "Send a token as `Authorization: Bearer …`; `redress tokens create` makes one.",
    www_authenticate='Bearer realm="redress"',
)
_NOT_JSON_TYPE: Final = answers.refused(
    415,
    "unsupported_media_type",
    "Send the body as application/json in UTF-8, without Content-Encoding.",
)
_TOO_MANY_PARTS: Final = answers.refused(
    422, "invalid", "The call has more entries and fields than any that is right; split the batch."
)
_NOT_NOW: Final = answers.try_later("unavailable", "The ledger cannot be reached now; try again.")

_log = structlog.get_logger("webhooks.api_door")


def add_product_api(app: Flask, api: ProductApi) -> None:
    """Add every route of the API, and its document, to the application."""
    document = json_answer(200, openapi_document())

    @app.get(DOCUMENT_PATH)
    def openapi() -> Response:
        return _response(document)

    for route in ROUTES:
        app.add_url_rule(
            route.path.replace("{", "<").replace("}", ">"),
            endpoint=route.name,
            view_func=_view(api, route),
            methods=[route.method],
            provide_automatic_options=False,
        )


def _view(api: ProductApi, route: Route) -> Callable[..., Response]:
    def view(**given: str) -> Response:
        try:
            return _response(_answer(api, route, given))
        except (DBAPIError, PoolTimeout, OSError) as error:
            _log.error("store.away", error=type(error).__name__, route=route.name)
            return _response(_NOT_NOW)

    return view


def _answer(api: ProductApi, route: Route, given: dict[str, str]) -> Answer:
    if not _may_call(api):
        return _UNAUTHORIZED
    try:
        arguments = {one.name: one.convert(given[one.name]) for one in route.parameters}
    except ValueError:
        return answers.refused(404, "not_found", "There is no such thing.")
    told: list[Taken] = []
    if route.body is not None:
        read = _read_body(route.body)
        if isinstance(read, Answer):
            return read
        told.append(read)
    try:
        status, found = route.handler(api, *told, **arguments)
    except Refused as refused:
        return _problem(
            refused.status,
            refused.code,
            refused.message,
            [] if refused.problem is None else [refused.problem],
        )
    return json_answer(status, found.model_dump(mode="json"))


def _read_body(model: type[Taken]) -> Taken | Answer:
    """The body as its model, or the answer that says what is wrong with it."""
    headers = request.headers
    if refuse_form(headers.get("Content-Type", ""), headers.get("Content-Encoding", "")):
        return _NOT_JSON_TYPE
    body = request.stream.read(model.body_bytes_max + 1)
    if len(body) > model.body_bytes_max:
        return answers.call_too_large(model.body_bytes_max)
    if len(body) > model.parts_max and has_more_parts(body, model.parts_max):
        return _TOO_MANY_PARTS
    try:
        return model.model_validate_json(body)
    except ValidationError as wrong:
        return _refused(wrong)


def _may_call(api: ProductApi) -> bool:
    sent = request.headers.get("Authorization", "")
    token = sent[len(_BEARER) :].strip()
    if not sent.lower().startswith(_BEARER) or not token.startswith(TOKEN_PREFIX):
        return False
    with api.store.read() as connection:
        return token_name(connection, token) is not None


def _refused(wrong: ValidationError) -> Answer:
    found = wrong.errors(include_input=False, include_url=False, include_context=False)
    if any(one["type"] == "json_invalid" for one in found):
        return _problem(400, "not_json", "The body is no JSON.", [])
    problems = [
        (_path(one["loc"]), one["msg"].removeprefix("Value error, "))
        for one in found[: call_limits.API_PROBLEMS_MAX]
    ]
    return _problem(422, "invalid", f"The call has {len(found)} wrong fields.", problems)


def _path(location: tuple[int | str, ...]) -> str:
    """`entries[3].credits`; a name of the sender's own may be megabytes long, so it is cut."""
    most = call_limits.USAGE_TEXT_CHARS_MAX
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:most]}" for part in location)
    return text.removeprefix(".") or "the body"


def _problem(status: int, code: str, message: str, problems: list[tuple[str, str]]) -> Answer:
    error: dict[str, Any] = {"code": code, "message": message}
    if problems:
        error["fields"] = [{"field": name, "problem": said} for name, said in problems]
    return Answer(
        status=status,
        body=orjson.dumps({"error": error}),
        headers=[("content-type", "application/json"), *answers.PROTECTION.items()],
    )


def _response(answer: Answer) -> Response:
    return Response(answer.body, status=answer.status, headers=answer.headers)
