"""The Flask application of the dashboard: its pages, what stands before them, and what it says when it cannot."""

from pathlib import Path
from typing import Final

import structlog
from flask import Flask, Response, render_template, send_from_directory
from jinja2 import StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ops.dashboard.account_pages import accounts
from ops.dashboard.audit_pages import audit
from ops.dashboard.brake_pages import brake
from ops.dashboard.case_pages import cases
from ops.dashboard.confirm_pages import confirm
from ops.dashboard.dispute_pages import disputes
from ops.dashboard.event_pages import events
from ops.dashboard.flashes import carry_flashes
from ops.dashboard.form_values import FormRefused
from ops.dashboard.house import House, by_merchant, merchant_name
from ops.dashboard.operator_pages import own, people
from ops.dashboard.overview_pages import overview
from ops.dashboard.page_access import open_to
from ops.dashboard.page_guard import guard
from ops.dashboard.plan_pages import plans
from ops.dashboard.queue_pages import queues
from ops.dashboard.refund_pages import refunds
from ops.dashboard.replay_pages import replays
from ops.dashboard.shown import show_values
from ops.dashboard.sign_in_pages import sign_in, welcome
from ops.dashboard.terms_pages import terms
from runtime.limits import RETRY_AFTER_SECONDS
from runtime.operator_limits import SIGN_IN_WINDOW_MS
from webhooks.wsgi_call import WsgiApplication

PAGES: Final = (
    *(overview, events, cases, refunds, plans, disputes, accounts, queues, terms, audit, brake),
    *(replays, people, own, sign_in, welcome, confirm),
)
_STATIC: Final = Path(__file__).parent / "static"

_log = structlog.get_logger("ops.dashboard")

_FORM_BYTES_MAX: Final = 64 * 1024
_FORM_PARTS_MAX: Final = 200
_STATIC_SECONDS: Final = 3600

#: What an error means for whoever meets it; the application's own sentence goes before it.
_TITLES: Final = {
    400: "That was not understood",
    401: "You are not signed in",
    403: "That is not for you",
    404: "There is nothing here",
    405: "Not this way",
    413: "That is too much at once",
    421: "The dashboard is at another address",
    429: "Too many attempts",
    503: "The database does not answer",
}
_SENTENCES: Final = {
    401: "Sign in and try again; nothing was done.",
    421: "",
    429: "Wait ten minutes and try again. Nobody is let in meanwhile from where you are.",
    503: "Events are still received and kept in order. Try again in a moment; `redress doctor` says what is wrong.",
}


def create_dashboard(house: House) -> WsgiApplication:
    """The application over `house`; it connects to nothing before a page is asked for."""
    app = Flask(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=_FORM_BYTES_MAX,
        MAX_FORM_MEMORY_SIZE=_FORM_BYTES_MAX,
        MAX_FORM_PARTS=_FORM_PARTS_MAX,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.debug = False  # whatever FLASK_DEBUG says
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions["redress"] = house
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["merchants"] = sorted(house.wirings)
    app.jinja_env.globals["merchant_name"] = merchant_name
    app.jinja_env.globals["settings"] = house.settings
    show_values(app)
    guard(app)
    carry_flashes(app)
    for pages in PAGES:
        app.register_blueprint(pages)
    _serve_files(app)
    _answer_errors(app)
    return by_merchant(app, house.wirings)


def _serve_files(app: Flask) -> None:
    """The stylesheet and the scripts, and whether this process lives."""

    @app.get("/static/<path:name>")
    @open_to(None)
    def static(name: str) -> Response:
        response = send_from_directory(_STATIC, name)
        response.headers["Cache-Control"] = f"public, max-age={_STATIC_SECONDS}"
        return response

    @app.get("/health/live")
    @open_to(None)
    def live() -> dict[str, str]:
        return {"status": "live"}


def _answer_errors(app: Flask) -> None:
    """Errors as pages, without anything that tells how it came to them."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[str, int, dict[str, str]]:
        status = error.code or 500
        own = error.description if error.description != type(error).description else None
        return _error_page(status, own, _extra(status, error))

    @app.errorhandler(SQLAlchemyError)
    def no_database(error: SQLAlchemyError) -> tuple[str, int, dict[str, str]]:
        _log.error("request.failed", error=type(error).__name__, status=503)
        return _error_page(503, None, _extra(503, None))

    @app.errorhandler(FormRefused)
    def refused(error: FormRefused) -> tuple[str, int, dict[str, str]]:
        return _error_page(400, str(error), {})


def _extra(status: int, error: HTTPException | None) -> dict[str, str]:
    """The headers that belong to a status."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return {"Allow": ", ".join(sorted(error.valid_methods))}
    seconds = {429: SIGN_IN_WINDOW_MS // 1000, 503: RETRY_AFTER_SECONDS}.get(status)
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _error_page(
    status: int, sentence: str | None, headers: dict[str, str]
) -> tuple[str, int, dict[str, str]]:
    page = render_template(
        "error.html",
        title=_TITLES.get(status, "That did not work"),
        sentence=sentence or _SENTENCES.get(status, ""),
        status=status,
    )
    return page, status, headers
