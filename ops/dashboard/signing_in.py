"""Letting people in, the same whichever page they come by: attempts are counted first, and all of it is audited."""

from typing import Final

from flask import abort, redirect, request
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from ledger.audit_log import record
from ledger.operator_sessions import end_session, note_fresh, start_session
from ledger.operator_tables import ChallengePurpose
from ledger.operators import Operator, operator_by_id, operator_by_name
from ledger.passkeys import use_recovery_code
from ledger.sign_in_attempts import begin_attempt, forgive_attempts
from ops.dashboard.house import ORIGIN, house, now_ms
from ops.dashboard.page_guard import let_in
from ops.dashboard.passkey_exchange import PasskeyExchange, PasskeyRefused, TooManyChallenges
from ops.dashboard.visitor import session_at_hand

_NOBODY: Final = 0
_CHARS_MAX: Final = 200


class SignInRefused(Exception):
    """Who asked did not show who they are; nothing says what was wrong."""


def exchange() -> PasskeyExchange:
    """The exchange with this house's browsers."""
    return PasskeyExchange(house().settings.redress_dashboard_url)


def challenge_answer(
    purpose: ChallengePurpose, operator: Operator | None
) -> tuple[str, int, dict[str, str]]:
    """Options for the browser as JSON; 429 when too many ask."""
    try:
        with house().people.write() as connection:
            options = exchange().ask(connection, purpose, operator, now_ms())
    except TooManyChallenges:
        abort(429)
    return options, 200, {"Content-Type": "application/json"}


def passkey_owner(purpose: ChallengePurpose, known: Operator | None = None) -> Operator:
    """Who answered by passkey; `known` is who it must be. Raises SignInRefused, and answers 429."""
    about = _count_attempt()
    try:
        with house().people.write() as connection:
            answer = request.form.get("credential", "")
            operator_id = exchange().whose(connection, purpose, known, answer, now_ms())
            forgive_attempts(connection, about)
            owner = operator_by_id(connection, operator_id)
    except PasskeyRefused:
        owner = None
    if owner is None:
        _tell_refused(purpose.value)
        raise SignInRefused
    return owner


def code_owner(purpose: ChallengePurpose, known: Operator | None = None) -> Operator:
    """Who typed one of their recovery codes, which is used up. Raises SignInRefused, and answers 429."""
    name = request.form.get("name", "").strip()[:_CHARS_MAX] if known is None else known.name
    code = request.form.get("code", "")[:_CHARS_MAX]
    about = _count_attempt(f"name {name}")
    with house().people.write() as connection:
        owner = operator_by_name(connection, name)
        # Looked up for nobody as well, so that names cannot be told from the time.
        operator_id = _NOBODY if owner is None else owner.operator_id
        opened = use_recovery_code(connection, operator_id, code, now_ms())
        if opened:
            forgive_attempts(connection, about)
            note_about(connection, owner, "recovery_code.used", "used up")
    if owner is None or not opened:
        _tell_refused(purpose.value)
        raise SignInRefused
    return owner


def welcome_in(owner: Operator, target: str) -> Response:
    """Start a session under a new secret, end the one that the browser had, and go on."""
    before = session_at_hand()
    with house().people.write() as connection:
        if before is not None:
            end_session(connection, before.session_id, now_ms())
        secret = start_session(connection, owner.operator_id, address(), now_ms())
        note_about(connection, owner, "operator.signed_in", address())
    return let_in(redirect(target, code=303), secret)


def confirm_again(owner: Operator, target: str) -> Response:
    """Note that the person of this session has just shown again who they are."""
    found = session_at_hand()
    if found is None:
        abort(401)
    with house().people.write() as connection:
        note_fresh(connection, found, now_ms())
        note_about(connection, owner, "operator.confirmed", address())
    return redirect(target, code=303)


def keep_passkey(operator: Operator) -> bool:
    """Keep the passkey that the form brings; False when it proves nothing or is known already."""
    try:
        with house().people.write() as connection:
            add_passkey_of(connection, operator, request.form.get("credential", ""))
    except PasskeyRefused:
        return False
    return True


def add_passkey_of(connection: Connection, operator: Operator, made: str) -> None:
    """Keep the passkey that a browser made. Raises PasskeyRefused; the transaction is then to be given up."""
    try:
        exchange().add(connection, operator, made, now_ms())
    except IntegrityError as known:
        raise PasskeyRefused from known
    note_about(connection, operator, "passkey.added", address())


def note_about(
    connection: Connection,
    operator: Operator | None,
    action: str,
    detail: str | None,
    *,
    result: str = "done",
) -> None:
    """Audit what somebody did about themselves; None is somebody whom nobody knows."""
    record(
        connection,
        at_ms=now_ms(),
        actor="stranger" if operator is None else operator.name,
        action=action,
        object_id="sign-in" if operator is None else f"operator:{operator.name}",
        result=result,
        origin=ORIGIN,
        detail=detail,
    )


def address() -> str:
    """Where the request comes from. Nothing that the sender can write is believed, X-Forwarded-For least of all."""
    return request.remote_addr or "unknown"


def _count_attempt(*names: str) -> list[str]:
    about = [f"address {address()}", *names]
    with house().people.write() as connection:
        if not begin_attempt(connection, about, now_ms()):
            abort(429)
    return about


def _tell_refused(purpose: str) -> None:
    with house().people.write() as connection:
        note_about(connection, None, f"{purpose}.refused", address(), result="refused")
