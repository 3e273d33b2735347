"""Entries of the audit log as JSON and as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.rows import AnyRow
from ops.moments import short_moment
from ops.terminal import print_table


def audit_document(entry: AnyRow) -> dict[str, Any]:
    """One entry: who did what, when, through which door, and with which result."""
    return {
        "at_ms": entry.at_ms,
        "actor": entry.actor,
        "action": entry.action,
        "object": entry.object,
        "result": entry.result,
        "origin": entry.origin,
        "detail": entry.detail,
    }


def print_audit(entries: Sequence[Mapping[str, Any]], now_ms: int) -> None:
    """A table of entries, in the order given."""
    print_table(
        ("when", "who", "what", "detail"),
        [
            (
                short_moment(entry["at_ms"], now_ms),
                entry["actor"],
                entry["action"],
                entry["detail"] or "",
            )
            for entry in entries
        ],
        whole=("when",),
    )
