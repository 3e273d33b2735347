"""Showing again who one is, before money moves: by the passkey, or by a recovery code."""

from typing import Final

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from ledger.operator_tables import ChallengePurpose, Role
from ops.dashboard.page_access import open_to
from ops.dashboard.page_guard import safe_next
from ops.dashboard.signing_in import (
    SignInRefused,
    challenge_answer,
    code_owner,
    confirm_again,
    passkey_owner,
)
from ops.dashboard.visitor import visitor

confirm: Final = Blueprint("confirm", __name__, url_prefix="/confirm")


@confirm.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """Ask for it."""
    return _page()


@confirm.post("/challenge")
@open_to(Role.VIEWER)
def challenge() -> tuple[str, int, dict[str, str]]:
    """What the passkey has to sign."""
    return challenge_answer(ChallengePurpose.CONFIRM, visitor())


@confirm.post("/passkey")
@open_to(Role.VIEWER)
def by_passkey() -> Response | tuple[str, int]:
    """By passkey."""
    try:
        return confirm_again(passkey_owner(ChallengePurpose.CONFIRM, visitor()), _next())
    except SignInRefused:
        return _page(refused=True), 401


@confirm.post("/code")
@open_to(Role.VIEWER)
def by_code() -> Response | tuple[str, int]:
    """By a recovery code."""
    try:
        return confirm_again(code_owner(ChallengePurpose.CONFIRM, visitor()), _next())
    except SignInRefused:
        return _page(refused=True), 401


def _next() -> str:
    return safe_next(request.values.get("next", ""))


def _page(*, refused: bool = False) -> str:
    return render_template("confirm.html", next=_next(), refused=refused)
