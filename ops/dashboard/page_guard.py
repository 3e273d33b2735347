"""What stands before every page: the host, where a form comes from, who asks, what they may, and how fresh that is.

Deny by default: a view that does not say whom it is open to is open to nobody. The checks that need no session come
before the one that reads it.
"""

import hashlib
import hmac
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

from ledger.operator_sessions import OperatorSession, is_to_be_noted, note_seen, open_session
from ledger.operator_tables import Role
from ops.dashboard.house import house, now_ms, write_down
from ops.dashboard.page_access import Access, access_to
from ops.dashboard.visitor import admit_as, session, session_at_hand, visitor

#: The prefix makes browsers insist on Secure, on the path /, and on no other host having set it.
COOKIE: Final = "__Host-redress"
LIVE_HEADER: Final = "X-Redress-Live"
LIVE_PROBE: Final = "live"
_SAFE: Final = frozenset({"GET", "HEAD"})
_CSRF_FIELD: Final = "csrf"

PROTECTION: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self),"
    " camera=(), geolocation=(), microphone=(), payment=()",
    # Not no-referrer, under which browsers send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


def guard(app: Flask) -> None:
    """Stand before every page of `app`, and put the protective headers on whatever it answers."""
    app.before_request(_admit)
    app.after_request(_protect)
    app.jinja_env.globals["csrf_token"] = csrf_token
    app.jinja_env.globals["visiting"] = session_at_hand
    app.jinja_env.globals["is_fresh"] = is_fresh
    app.jinja_env.globals["may"] = may


def csrf_token() -> str:
    """What a form of this session must carry; empty for a stranger."""
    secret = request.cookies.get(COOKIE, "")
    return _token_of(secret) if secret else ""


def is_fresh() -> bool:
    """Whether the visitor has shown who they are so short a time ago that money may move."""
    found = session_at_hand()
    return found is not None and found.is_fresh(now_ms())


def may(role: str) -> bool:
    """Whether the visitor has this role or a higher one."""
    found = session_at_hand()
    return found is not None and found.operator.role.includes(Role(role))


def let_in(response: AnyResponse, secret: str) -> AnyResponse:
    """Hand the session's secret to the browser."""
    response.set_cookie(COOKIE, secret, secure=True, httponly=True, samesite="Lax", path="/")
    return response


def let_out(response: AnyResponse) -> AnyResponse:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax", path="/")
    return response


def safe_next(wanted: str) -> str:
    """Where to go on after signing in: a path of ours, whatever a link says."""
    parts = urlsplit(wanted)
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if ours and not parts.netloc and "\\" not in wanted else url_for("overview.show")


def _admit() -> AnyResponse | None:
    # Whoever looks whether the process lives asks by its address.
    if (
        request.endpoint != LIVE_PROBE
        and request.host != urlsplit(house().settings.redress_dashboard_url).netloc
    ):
        abort(421)
    if request.method not in _SAFE:
        _require_our_origin()
    if request.endpoint is None:
        return None  # there is no such page, or not by this method: Flask says which
    access = access_to(current_app.view_functions[request.endpoint])
    if access is None:
        abort(403)
    if access.role is not None and request.method not in _SAFE:
        _require_token()
    admit_as(_session())
    return _judge(access)


def _judge(access: Access) -> AnyResponse | None:
    if access.role is None:
        return None
    if session_at_hand() is None:
        return _to_sign_in()
    if not visitor().role.includes(access.role):
        _tell_refused()
        abort(403, f"This takes the role {access.role}; you are {visitor().role}.")
    _note_seen()
    if access.fresh and not is_fresh():
        return redirect(url_for("confirm.show", next=_page_before()), code=303)
    return None


def _session() -> OperatorSession | None:
    secret = request.cookies.get(COOKIE, "")
    if not secret:
        return None
    with house().people.read() as connection:
        return open_session(connection, secret, now_ms())


def _note_seen() -> None:
    # A page that only refreshes itself keeps nobody signed in.
    if LIVE_HEADER in request.headers or not is_to_be_noted(session(), now_ms()):
        return
    # Where nothing can be written any more, pages can still be read.
    with suppress(SQLAlchemyError), house().people.write() as connection:
        note_seen(connection, session(), now_ms())


def _tell_refused() -> None:
    with house().people.write() as connection:
        write_down(connection, "access.refused", request.endpoint or "", result="refused")


def _to_sign_in() -> AnyResponse:
    if request.method not in _SAFE or LIVE_HEADER in request.headers:
        abort(401)
    return redirect(url_for("sign_in.show", next=_path()), code=303)


def _page_before() -> str:
    """The page whose form was sent; the form says it itself."""
    return request.form.get("page") or url_for("overview.show")


def _path() -> str:
    query = request.query_string.decode("ascii", "replace")
    return f"{request.script_root}{request.path}" + (f"?{query}" if query else "")


def _require_our_origin() -> None:
    """Refuse a form that another site sent. Browsers say where it comes from; what says nothing is no browser."""
    ours = house().settings.redress_dashboard_url
    origin = request.headers.get("Origin")
    if origin is None and request.headers.get("Sec-Fetch-Site") == "same-origin":
        return
    if origin != ours:
        abort(403, "This came from another site, so nothing was done.")


def _require_token() -> None:
    given = request.form.get(_CSRF_FIELD) or request.headers.get("X-CSRF-Token", "")
    secret = request.cookies.get(COOKIE, "")
    if not secret:
        abort(401)
    if not hmac.compare_digest(given.encode(), _token_of(secret).encode()):
        abort(403, "The form is out of date, so nothing was done; load the page again.")


def _token_of(secret: str) -> str:
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def _protect(response: Response) -> Response:
    for name, value in PROTECTION.items():
        response.headers.setdefault(name, value)
    return response
