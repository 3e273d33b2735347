"""Who may use the dashboard (for admins), and everybody's own passkeys and codes."""

from typing import Final

from flask import Blueprint, abort, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ledger.operator_sessions import end_session, end_sessions_of, open_sessions
from ledger.operator_tables import ChallengePurpose, Role
from ledger.operators import (
    OperatorRefused,
    change_role,
    invite_operator,
    list_operators,
    operator_by_name,
    remove_operator,
)
from ledger.passkeys import codes_left, make_recovery_codes, passkeys_of, remove_passkey
from ledger.rows import AnyRow
from ops.dashboard.flashes import flash
from ops.dashboard.house import house, now_ms, write_down
from ops.dashboard.page_access import open_to
from ops.dashboard.signing_in import challenge_answer, keep_passkey, note_about
from ops.dashboard.visitor import session, visitor
from ops.operator_names import NAME, NAME_RULE

people: Final = Blueprint("people", __name__, url_prefix="/operators")
own: Final = Blueprint("own", __name__, url_prefix="/me")


@people.get("")
@open_to(Role.ADMIN)
def show() -> str:
    """Everybody, and who is signed in."""
    return _page()


@people.post("/invite")
@open_to(Role.ADMIN, fresh=True)
def invite() -> str | Response:
    """Make a one-time link; it is shown by this answer alone."""
    name, role = request.form.get("name", "").strip().lower(), _role()
    if not NAME.fullmatch(name):
        return _refused(NAME_RULE)
    try:
        with house().people.write() as connection:
            secret = invite_operator(connection, name, role, now_ms())
            write_down(connection, "operator.invited", f"operator:{name}", role.value)
    except OperatorRefused as refused:
        return _refused(f"{refused}.")
    link = f"{house().settings.redress_dashboard_url}/welcome/{secret}"
    return _page(link=link, invited=name)


@people.post("/<name>/role")
@open_to(Role.ADMIN, fresh=True)
def set_role(name: str) -> Response:
    """Give a person another role."""
    role = _role()
    try:
        with house().people.write() as connection:
            change_role(connection, name, role)
            write_down(connection, "operator.role_changed", f"operator:{name}", role.value)
    except OperatorRefused as refused:
        return _refused(f"{refused}.")
    flash(f"{name} is {role} from now on.")
    return redirect(url_for("people.show"), code=303)


@people.post("/<name>/remove")
@open_to(Role.ADMIN, fresh=True)
def remove(name: str) -> Response:
    """Let a person in no more."""
    try:
        with house().people.write() as connection:
            gone = remove_operator(connection, name, now_ms())
            end_sessions_of(connection, gone.operator_id, now_ms())
            write_down(connection, "operator.removed", f"operator:{name}")
    except OperatorRefused as refused:
        return _refused(f"{refused}.")
    flash(f"{name} is not let in any more.")
    return redirect(url_for("people.show"), code=303)


@people.post("/<name>/sign-out")
@open_to(Role.ADMIN)
def sign_out(name: str) -> Response:
    """End every session of a person."""
    with house().people.write() as connection:
        operator = operator_by_name(connection, name)
        if operator is None:
            abort(404)
        ended = end_sessions_of(connection, operator.operator_id, now_ms())
        write_down(connection, "operator.sessions_ended", f"operator:{name}", str(ended))
    flash(f"{name} is signed out.")
    return redirect(url_for("people.show"), code=303)


@own.get("")
@open_to(Role.VIEWER)
def mine() -> str:
    """One's own passkeys, codes and sessions."""
    with house().people.read() as connection:
        return render_template(
            "me.html",
            passkeys=passkeys_of(connection, visitor().operator_id),
            codes_left=codes_left(connection, visitor().operator_id),
            sessions=_own_sessions(connection),
            own_session=session().session_id,
        )


@own.post("/passkeys/challenge")
@open_to(Role.VIEWER)
def challenge() -> tuple[str, int, dict[str, str]]:
    """What a further passkey has to sign."""
    return challenge_answer(ChallengePurpose.ADD, visitor())


@own.post("/passkeys")
@open_to(Role.VIEWER, fresh=True)
def add() -> Response:
    """Keep a further passkey."""
    flash("The passkey is kept." if keep_passkey(visitor()) else "The passkey was not taken.")
    return redirect(url_for("own.mine"), code=303)


@own.post("/passkeys/<int:passkey_id>/remove")
@open_to(Role.VIEWER, fresh=True)
def drop(passkey_id: int) -> Response:
    """Take one of one's passkeys away, but never the last one."""
    with house().people.write() as connection:
        gone = remove_passkey(connection, visitor().operator_id, passkey_id, now_ms())
        if gone:
            note_about(connection, visitor(), "passkey.removed", str(passkey_id))
    flash("The passkey opens nothing any more." if gone else "The last passkey has to stay.")
    return redirect(url_for("own.mine"), code=303)


@own.post("/codes")
@open_to(Role.VIEWER, fresh=True)
def renew_codes() -> str:
    """New recovery codes in place of the old ones; shown by this answer alone."""
    with house().people.write() as connection:
        codes = make_recovery_codes(connection, visitor().operator_id, now_ms())
        note_about(connection, visitor(), "recovery_codes.made", None)
    return render_template("recovery_codes.html", codes=codes, operator=visitor(), first=False)


@own.post("/sessions/<int:session_id>/end")
@open_to(Role.VIEWER)
def end(session_id: int) -> Response:
    """End another session of one's own."""
    with house().people.write() as connection:
        if session_id not in {one.id for one in _own_sessions(connection)}:
            abort(404)
        end_session(connection, session_id, now_ms())
        note_about(connection, visitor(), "operator.sessions_ended", "1")
    return redirect(url_for("own.mine"), code=303)


def _own_sessions(connection: Connection) -> list[AnyRow]:
    found = open_sessions(connection, now_ms())
    return [one for one in found if one.operator_id == visitor().operator_id]


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        abort(400, "Choose a role.")


def _refused(sentence: str) -> Response:
    flash(sentence, wrong=True)
    return redirect(url_for("people.show"), code=303)


def _page(*, link: str = "", invited: str = "") -> str:
    with house().people.read() as connection:
        return render_template(
            "operators.html",
            operators=list_operators(connection),
            sessions=open_sessions(connection, now_ms()),
            roles=list(Role),
            link=link,
            invited=invited,
        )
