"""Who gives an order, on the command line or in the dashboard, and its entry in the audit log."""

from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.audit_log import record
from ops.operator_context import ORIGIN, current_actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who gives an order, and through which door."""

    name: str
    origin: str


class ActRefused(Exception):
    """What was ordered cannot be done; the text is a sentence that says why. Nothing was changed."""


def shell_actor() -> Actor:
    """The operating system's user, whom no variable changes."""
    return Actor(name=current_actor(), origin=ORIGIN)


def audit_act(
    connection: Connection,
    action: str,
    object_id: str,
    *,
    now_ms: int,
    detail: str | None = None,
    result: str = "done",
    by: Actor | None = None,
) -> int:
    """Append one entry in the transaction of the act, by whoever is on the command line unless told; returns its id."""
    actor = by or shell_actor()
    return record(
        connection,
        at_ms=now_ms,
        actor=actor.name,
        action=action,
        object_id=object_id,
        result=result,
        origin=actor.origin,
        detail=detail,
    )
