"""The pages at the door: sign in, out, and the one-time link of somebody who is new."""

from typing import Final

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ledger.operator_sessions import end_session, end_sessions_of
from ledger.operator_tables import ChallengePurpose, Role
from ledger.operators import Operator, invited, nobody_came_in, use_invitation
from ledger.passkeys import make_recovery_codes, remove_passkeys
from ops.dashboard.house import house, now_ms
from ops.dashboard.page_access import open_to
from ops.dashboard.page_guard import let_out, safe_next
from ops.dashboard.passkey_exchange import PasskeyRefused
from ops.dashboard.signing_in import (
    SignInRefused,
    add_passkey_of,
    challenge_answer,
    code_owner,
    note_about,
    passkey_owner,
    welcome_in,
)
from ops.dashboard.visitor import session, session_at_hand, visitor

sign_in: Final = Blueprint("sign_in", __name__)
welcome: Final = Blueprint("welcome", __name__, url_prefix="/welcome/<secret>")


@sign_in.get("/sign-in")
@open_to(None)
def show() -> str | Response:
    """Ask who somebody is."""
    if session_at_hand() is not None:
        return redirect(_next(), code=303)
    return _page()


@sign_in.post("/sign-in/challenge")
@open_to(None)
def challenge() -> tuple[str, int, dict[str, str]]:
    """What a passkey has to sign."""
    return challenge_answer(ChallengePurpose.SIGN_IN, None)


@sign_in.post("/sign-in/passkey")
@open_to(None)
def by_passkey() -> Response | tuple[str, int]:
    """Sign in by passkey."""
    try:
        return welcome_in(passkey_owner(ChallengePurpose.SIGN_IN), _next())
    except SignInRefused:
        return _page(refused=True), 401


@sign_in.post("/sign-in/code")
@open_to(None)
def by_code() -> Response | tuple[str, int]:
    """Sign in by a recovery code."""
    try:
        return welcome_in(code_owner(ChallengePurpose.SIGN_IN), _next())
    except SignInRefused:
        return _page(refused=True), 401


@sign_in.post("/sign-out")
@open_to(Role.VIEWER)
def leave() -> Response:
    """End the session."""
    with house().people.write() as connection:
        end_session(connection, session().session_id, now_ms())
        note_about(connection, visitor(), "operator.signed_out", None)
    return let_out(redirect(url_for("sign_in.show"), code=303))


@welcome.get("")
@open_to(None)
def greet(secret: str) -> str:
    """Let somebody new make their passkey."""
    return render_template("welcome.html", operator=_guest(secret), secret=secret, refused=False)


@welcome.post("/challenge")
@open_to(None)
def ask(secret: str) -> tuple[str, int, dict[str, str]]:
    """What a new passkey has to sign."""
    return challenge_answer(ChallengePurpose.ADD, _guest(secret))


@welcome.post("/passkey")
@open_to(None)
def settle(secret: str) -> Response | tuple[str, int]:
    """Keep the new passkey, use the link up, and sign in."""
    guest = _guest(secret)
    try:
        return _come_in(guest, secret, request.form.get("credential", ""))
    except PasskeyRefused:
        page = render_template("welcome.html", operator=guest, secret=secret, refused=True)
        return page, 400


@welcome.post("/codes")
@open_to(None)
def settle_without(secret: str) -> Response:
    """Use the link up without a passkey: by recovery codes alone, for a browser that has none."""
    return _come_in(_guest(secret), secret, None)


def _come_in(guest: Operator, secret: str, made: str | None) -> Response:
    """Begin anew with the passkey that was `made`: whatever opened before for this person, opens no more.

    All of it or nothing: a link that two people use at once lets one of them in, and leaves no key of the other's.
    """
    with house().people.write() as connection:
        if use_invitation(connection, secret, now_ms()) is None:
            abort(404)
        remove_passkeys(connection, guest.operator_id, now_ms())
        end_sessions_of(connection, guest.operator_id, now_ms())
        if made is not None:
            add_passkey_of(connection, guest, made)
        codes = make_recovery_codes(connection, guest.operator_id, now_ms())
        detail = "with recovery codes alone" if made is None else "with a passkey"
        note_about(connection, guest, "operator.came_in", detail)
    entered = welcome_in(guest, url_for("overview.show"))
    # The codes are shown by this answer and by nothing else.
    page = render_template("recovery_codes.html", codes=codes, operator=guest, first=True)
    entered.set_data(page)
    entered.status_code = 200
    entered.headers.pop("Location", None)
    return entered


def _guest(secret: str) -> Operator:
    with house().people.read() as connection:
        guest = invited(connection, secret, now_ms())
    if guest is None:
        abort(404, "This link is used up or over. Ask an admin for a new one.")
    return guest


def _next() -> str:
    return safe_next(request.values.get("next", ""))


def _page(*, refused: bool = False) -> str:
    with house().people.read() as connection:
        empty = nobody_came_in(connection)
    return render_template("sign_in.html", next=_next(), refused=refused, empty=empty)
