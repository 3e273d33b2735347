"""What each kind of difference between the ledger and Stripe means, and which command mends it."""

from collections.abc import Mapping
from typing import Any, Final

from ledger.backfill_tables import DifferenceKind
from ledger.rows import AnyRow
from workers.book_comparison import INTENT, REFUND

_MEND: Final = "redress reconcile mend --reason TEXT"
_HERE, _THERE = DifferenceKind.MISSING_HERE, DifferenceKind.MISSING_THERE
_AMOUNT, _STATE = DifferenceKind.AMOUNT, DifferenceKind.STATE

_OF_OBJECTS: Final[Mapping[DifferenceKind, tuple[str, str]]] = {
    _HERE: ("Stripe has it, and no event told of it", _MEND),
    _THERE: (
        "the ledger has it and Stripe does not: is STRIPE_API_KEY of this ledger's account and mode?",
        "redress doctor",
    ),
    _AMOUNT: ("Stripe says another amount: an event is missing, or the row was changed", _MEND),
    _STATE: ("Stripe says another state: an event is missing, or the row was changed", _MEND),
}
_OF_INTENTS: Final[Mapping[DifferenceKind, tuple[str, str]]] = {
    _HERE: (
        "a refund names an intent that this ledger does not have: another installation uses the same key",
        "redress brake on --reason TEXT",
    ),
    _THERE: (
        "the ledger counts a refund as made that Stripe does not have: the customer was not paid",
        "redress refunds list",
    ),
    _AMOUNT: ("a refund names the intent and moved other money", "redress brake on --reason TEXT"),
    _STATE: ("what became of the refund has not arrived here", _MEND),
}


def explained(kind: str, object_type: str) -> tuple[str, str]:
    """A sentence about a difference, and the command that mends it or stops worse."""
    table = _OF_INTENTS if object_type == INTENT else _OF_OBJECTS
    return table[DifferenceKind(kind)]


def question_about(row: AnyRow) -> tuple[str, str] | None:
    """The object (type and id) that Stripe is to be asked about, so that the difference goes; None if that cannot help."""
    if explained(row.kind, row.object_type)[1] != _MEND:
        return None
    if row.object_type == INTENT:
        return REFUND, row.there.split()[-1]
    return row.object_type, row.object_id


def difference_document(row: AnyRow) -> dict[str, Any]:
    """One difference as JSON, and as a row of CSV."""
    sentence, command = explained(row.kind, row.object_type)
    return {
        "kind": row.kind,
        "object_type": row.object_type,
        "object_id": row.object_id,
        "field": row.field,
        "here": row.here,
        "there": row.there,
        "meaning": sentence,
        "command": command,
    }


COLUMNS: Final = (
    *("kind", "object_type", "object_id", "field", "here", "there", "meaning", "command"),
)
