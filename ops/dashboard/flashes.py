"""What the page after a redirect says first: in a cookie for one showing, since there is no session but ours."""

import base64
import binascii
import json
from typing import Any, Final

from flask import Flask, Response, g, request

_COOKIE: Final = "__Host-redress-said"
_SECONDS: Final = 60
_CHARS_MAX: Final = 600


def flash(sentence: str, *, wrong: bool = False) -> None:
    """Have the next page say it; `wrong` when it tells of something that was not done."""
    g.said = [sentence[:_CHARS_MAX], wrong]


def carry_flashes(app: Flask) -> None:
    """Give `app` the carrying, and templates the word `said()`."""
    app.jinja_env.globals["said"] = said
    app.after_request(_carry)


def said() -> tuple[str, bool] | None:
    """What the page before wanted to be said, once."""
    given = request.cookies.get(_COOKIE)
    if not given:
        return None
    g.was_said = True
    try:
        sentence, wrong = json.loads(base64.urlsafe_b64decode(given))
    except (ValueError, TypeError, binascii.Error):
        return None
    return str(sentence)[:_CHARS_MAX], bool(wrong)


def _carry(response: Response) -> Response:
    how: dict[str, Any] = {"secure": True, "httponly": True, "samesite": "Lax", "path": "/"}
    if "said" in g:
        value = base64.urlsafe_b64encode(json.dumps(g.said).encode()).decode()
        response.set_cookie(_COOKIE, value, max_age=_SECONDS, **how)
    elif "was_said" in g:
        response.delete_cookie(_COOKIE, **how)
    return response
