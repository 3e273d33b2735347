"""Who works on which case, and which are put off: notes of the people's own, nothing that is decided by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.operator_tables import case_work


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWork:
    """Who has a case, and until when (unix ms) nobody needs to look."""

    assignee: str | None = None
    snoozed_until_ms: int | None = None


def work_of(connection: Connection, case_ids: Iterable[int]) -> Mapping[int, CaseWork]:
    """What is noted of these cases, by case."""
    rows = connection.execute(_OF, {"ids": list(case_ids)})
    return {
        row.case_id: CaseWork(assignee=row.assignee, snoozed_until_ms=row.snoozed_until_ms)
        for row in rows
    }


def note_work(connection: Connection, case_id: int, work: CaseWork, now_ms: int) -> None:
    """Write it in place of what was noted before."""
    values = {
        "assignee": work.assignee,
        "snoozed_until_ms": work.snoozed_until_ms,
        "changed_ms": now_ms,
    }
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    first = dialect.insert(case_work).values(case_id=case_id, **values)
    connection.execute(first.on_conflict_do_update(index_elements=["case_id"], set_=values))


_OF: Final = select(case_work).where(case_work.c.case_id.in_(bindparam("ids", expanding=True)))
