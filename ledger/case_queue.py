"""The review queue as people page through it: what is due first on top, or, of ended cases, the newest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from ledger.operator_tables import case_work
from ledger.rows import AnyRow
from ledger.states import CaseState
from ledger.tables import cases


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases are meant: all that is given holds. `kind` is a kind or what it begins with."""

    state: CaseState | None = CaseState.REVIEW
    kind: str | None = None
    assignee: str | None = None  # "" is: nobody
    awake_at_ms: int | None = None  # without those that are put off beyond then
    customer_id: str | None = None

    @property
    def by_deadline(self) -> bool:
        """Whether the soonest deadline comes first: only who waits has one."""
        return self.state is CaseState.REVIEW

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions as SQL, to be joined by AND."""
        found: list[ColumnElement[bool]] = []
        if self.state is not None:
            found.append(cases.c.state == self.state.value)
        if self.kind is not None:
            found.append(cases.c.kind.startswith(self.kind, autoescape=True))
        if self.customer_id is not None:
            found.append(cases.c.customer_id == self.customer_id)
        if self.assignee == "":
            found.append(case_work.c.assignee.is_(None))
        elif self.assignee is not None:
            found.append(case_work.c.assignee == self.assignee)
        if self.awake_at_ms is not None:
            until = func.coalesce(case_work.c.snoozed_until_ms, 0)
            found.append(until <= self.awake_at_ms)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePlace:
    """The last case of a page: the next one goes on after it."""

    due_ms: int | None
    case_id: int


def queue_page(
    connection: Connection, wanted: CaseFilter, count_max: int, after: CasePlace | None = None
) -> Sequence[AnyRow]:
    """So many cases after a place, rows of `cases` with `assignee` and `snoozed_until_ms`."""
    query = _WITH_WORK.where(*wanted.conditions())
    if wanted.by_deadline:
        query = _by_deadline(query, after)
    else:
        query = query.order_by(cases.c.id.desc())
        if after is not None:
            query = query.where(cases.c.id < after.case_id)
    return connection.execute(query.limit(count_max)).all()


def kinds_there(connection: Connection) -> list[str]:
    """The kinds of the cases that wait, without the ids that follow some of them."""
    rows = connection.execute(
        select(cases.c.kind).where(cases.c.state == CaseState.REVIEW.value).distinct()
    ).scalars()
    return sorted({kind.partition(":")[0] for kind in rows})


def _by_deadline(
    query: Select[tuple[object, ...]], after: CasePlace | None
) -> Select[tuple[object, ...]]:
    due, row_id = cases.c.due_ms, cases.c.id
    if after is not None and after.due_ms is None:
        query = query.where(due.is_(None), row_id > after.case_id)
    elif after is not None:
        later = or_(due > after.due_ms, and_(due == after.due_ms, row_id > after.case_id))
        query = query.where(or_(due.is_(None), later))
    return query.order_by(due.is_(None), due, row_id)


_WITH_WORK: Final = select(cases, case_work.c.assignee, case_work.c.snoozed_until_ms).outerjoin(
    case_work, case_work.c.case_id == cases.c.id
)
