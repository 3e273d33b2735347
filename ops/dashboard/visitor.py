"""Who asks: the session of the request under way, and its person."""

from typing import cast

from flask import abort, g

from ledger.operator_sessions import OperatorSession
from ledger.operators import Operator


def admit_as(session: OperatorSession | None) -> None:
    """Note for this request whose it is."""
    g.operator_session = session


def session_at_hand() -> OperatorSession | None:
    """The open session of who asks; None for a stranger."""
    return cast(OperatorSession | None, g.get("operator_session"))


def session() -> OperatorSession:
    """As `session_at_hand`, on pages that no stranger reaches."""
    found = session_at_hand()
    if found is None:
        abort(401)
    return found


def visitor() -> Operator:
    """The person."""
    return session().operator
