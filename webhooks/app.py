"""The Flask application of the machines' door. How an event is received: `webhooks/receive.py`."""

from collections.abc import Mapping
from functools import partial

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from runtime import limits
from webhooks import answers, health
from webhooks.answers import Answer
from webhooks.api_door import add_product_api
from webhooks.product_api import ProductApi
from webhooks.receive import Delivery, Receiver

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def create_app(
    receivers: Mapping[str, Receiver], readiness: health.Readiness, api: ProductApi | None = None
) -> Flask:
    """The application with its parts (`receivers` by path); it runs under any WSGI server, within the same limits.

    In our own web process deliveries do not come this way: `webhooks/front.py` takes them first.
    """
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it would redirect, which a webhook must never be

    for path, receiver in receivers.items():
        app.add_url_rule(
            path,
            endpoint=f"receive {path}",
            view_func=partial(_receive, receiver),
            methods=_METHODS,
            provide_automatic_options=False,
        )

    @app.get("/health/live")
    def live() -> Response:
        return _response(health.live())

    @app.get("/health/ready")
    def ready() -> Response:
        return _response(readiness.ready())

    if api is not None:
        add_product_api(app, api)
    _answer_alike(app)
    return app


def _receive(receiver: Receiver) -> Response:
    return _response(
        receiver.receive(
            Delivery(
                method=request.method,
                content_type=request.headers.get("Content-Type", ""),
                content_encoding=request.headers.get("Content-Encoding", ""),
                signature=request.headers.get("Stripe-Signature", ""),
                body=request.stream.read(limits.BODY_BYTES_MAX + 1),
            )
        )
    )


def _answer_alike(app: Flask) -> None:
    """Errors as JSON, and the protective headers on whatever `app` answers."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        code = error.name.lower().replace(" ", "_")
        allowed = error.valid_methods if isinstance(error, MethodNotAllowed) else None
        extra = {"allow": ", ".join(sorted(allowed))} if allowed else {}
        return _response(answers.refused(status, code, error.description or error.name, **extra))

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in answers.PROTECTION.items():
            response.headers.setdefault(name, value)
        return response


def _response(answer: Answer) -> Response:
    return Response(answer.body, status=answer.status, headers=answer.headers)
