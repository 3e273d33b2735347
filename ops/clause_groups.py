"""The clauses as people look for them: by what they are about."""

from collections.abc import Mapping
from typing import Final

from policy.clauses import Clause

#: The heading of each group → its clauses, in the order in which they are told; together, all clauses.
CLAUSE_GROUPS: Final[Mapping[str, tuple[Clause, ...]]] = {
    "Requests: what qualifies": (
        Clause.WINDOW,
        Clause.USE_SUB,
        Clause.USE_PACK,
        Clause.TECH,
        Clause.OUTAGE,
        Clause.FLAG_ERROR,
        Clause.BILLING,
    ),
    "Requests: what excludes": (
        Clause.X_USE,
        Clause.X_DONE,
        Clause.X_EXPIRED,
        Clause.X_LATE,
        Clause.X_TASTE,
        Clause.X_TERMS,
        Clause.X_ABUSE,
    ),
    "Requests: how much": (
        Clause.ANNUAL,
        Clause.PART_OUTAGE,
        Clause.FEES,
        Clause.METHOD,
        Clause.CURRENCY,
        Clause.PART_CREDITS,
        Clause.PART_LOST,
    ),
    "Plan changes": (Clause.CHANGE_DOWN, Clause.CHANGE_UP, Clause.CHANGE_ANNUAL),
    "Suspicious payments": (Clause.FRAUD_REFUND, Clause.FRAUD_CANCEL, Clause.FRAUD_SUSPEND),
    "Notices and process": (
        Clause.INTAKE,
        Clause.REVIEW_3BD,
        Clause.REPLY_24H,
        Clause.NOTIFY,
        Clause.TIMING,
        Clause.APPEAL,
    ),
}
