"""Usage that is told after a decision and happened before it: noted on the case, for a person to look at.

The decision stands: it was made by what was known then. Whether it would have come out otherwise is not
guessed here.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, bindparam, func, insert, select, union

from ledger.audit_log import record
from ledger.cases import DUPLICATE_CHARGE
from ledger.claim_tables import late_usage
from ledger.credit_tables import credit_entries
from ledger.rows import AnyRow
from ledger.stripe_tables import charges, invoice_payments
from ledger.tables import cases, decisions
from policy.decision import Verdict

#: Grants that one statement asks about; SQLite takes 32,766 parameters at most.
_ASKED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnUsage:
    """So many credits that a usage drew on a grant; `at` is unix seconds."""

    grant_id: int
    credits: int
    at: int


def note_late_usage(connection: Connection, drawn: Sequence[DrawnUsage], now_ms: int) -> None:
    """Note on each decided case how many of these credits were used before its decision, and audit it."""
    of_grant: defaultdict[int, list[DrawnUsage]] = defaultdict(list)
    for usage in drawn:
        of_grant[usage.grant_id].append(usage)
    late: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in _decided(connection, sorted(of_grant)):
        for usage in of_grant[row.grant_id]:
            if usage.at * 1_000 < row.made_ms:
                late[row.case_id, row.decision_id] += usage.credits
    for (case_id, decision_id), number in sorted(late.items()):
        values = {
            "case_id": case_id,
            "decision_id": decision_id,
            "credits": number,
            "told_ms": now_ms,
        }
        connection.execute(_NOTE, values)
        record(
            connection,
            at_ms=now_ms,
            actor="redress",
            action="credits.told_late",
            object_id=f"case:{case_id}",
            result=f"{number} credits",
            origin="usage",
            detail=f"used before decision {decision_id} and told after it",
        )


def late_credits(connection: Connection, case_id: int) -> int:
    """How many credits were used before a decision of this case and told after it."""
    return int(connection.execute(_OF_CASE, {"of_case": case_id}).scalar() or 0)


def _decided(connection: Connection, grant_ids: Sequence[int]) -> Iterable[AnyRow]:
    """The cases about what brought these grants whose last decision is no review, with that decision."""
    for start in range(0, len(grant_ids), _ASKED_AT_ONCE):
        asked = {"grants": list(grant_ids[start : start + _ASKED_AT_ONCE])}
        yield from connection.execute(_DECIDED, asked)


# Statements are built once: building one costs as much as running it.
_last = decisions.alias("last")
_LAST_OF_CASE = select(func.max(_last.c.id)).where(_last.c.case_id == cases.c.id).scalar_subquery()
_GRANTED = credit_entries.c.id.in_(bindparam("grants", expanding=True))


def _with_decision(query: Select[int, int]) -> Select[int, int, int, int]:
    decided = decisions.c.id == _LAST_OF_CASE
    return (
        query.add_columns(decisions.c.id.label("decision_id"), decisions.c.made_ms)
        .join(decisions, decided)
        .where(decisions.c.verdict != Verdict.REVIEW.value, _GRANTED)
    )


_CASE_OF_GRANT = select(credit_entries.c.id.label("grant_id"), cases.c.id.label("case_id"))
_DECIDED = union(
    # A pack's credits name its charge, a plan's its invoice. A second payment of an invoice brought nothing.
    _with_decision(_CASE_OF_GRANT.join(cases, cases.c.charge_id == credit_entries.c.source)),
    _with_decision(
        _CASE_OF_GRANT.join(
            invoice_payments, invoice_payments.c.invoice_id == credit_entries.c.source
        )
        .join(charges, charges.c.payment_intent_id == invoice_payments.c.payment_intent_id)
        .join(cases, cases.c.charge_id == charges.c.charge_id)
        .where(cases.c.kind != DUPLICATE_CHARGE)
    ),
)
_NOTE = insert(late_usage)
_OF_CASE = select(func.sum(late_usage.c.credits)).where(
    late_usage.c.case_id == bindparam("of_case")
)
