"""The ledger's record as rows for others: events, decisions, refunds, audit, a page at a time in their order.

Each page is read in a transaction of its own, so that an export of millions holds nothing up. Times are unix ms.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Integer, Select, Table, func, select, tuple_

from ledger.engine import Store
from ledger.rows import AnyRow
from ledger.tables import audit, cases, decisions, events, refund_intents
from runtime.limits import SWEEP_ROWS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One kind of rows: its query, when each was written, and what orders them without a tie."""

    query: Select[Any]
    at_ms: Column[int]
    order: tuple[Column[Any], ...]

    @property
    def columns(self) -> Mapping[str, type]:
        """The names of the columns in their order, and the Python type of each."""
        return {
            str(column.key): column.type.python_type
            for column in self.query.selected_columns
            if column.key is not None
        }


def export_rows(
    store: Store, export: Export, since_ms: int | None, until_ms: int | None
) -> Iterator[Mapping[str, Any]]:
    """Every row written in [since_ms, until_ms), oldest first."""
    after: Sequence[Any] | None = None
    while True:
        with store.read() as connection:
            query = _page(export, since_ms, until_ms, after)
            rows: Sequence[AnyRow] = connection.execute(query).all()
        for row in rows:
            values = row._asdict()
            yield {name: values[name] for name in export.columns}
        if len(rows) < SWEEP_ROWS_MAX:
            return
        last = rows[-1]._asdict()
        after = [last[f"order_{at}"] for at in range(len(export.order))]


def _page(
    export: Export, since_ms: int | None, until_ms: int | None, after: Sequence[Any] | None
) -> Select[Any]:
    order = [column.label(f"order_{at}") for at, column in enumerate(export.order)]
    query = export.query.add_columns(*order).order_by(*export.order).limit(SWEEP_ROWS_MAX)
    if since_ms is not None:
        query = query.where(export.at_ms >= since_ms)
    if until_ms is not None:
        query = query.where(export.at_ms < until_ms)
    return query if after is None else query.where(tuple_(*export.order) > tuple(after))


def _columns(table: Table, *without: str) -> list[ColumnElement[Any]]:
    return [column for column in table.columns if column.name not in without]


EXPORTS: Final[Mapping[str, Export]] = {
    "events": Export(
        query=select(
            *_columns(events, "payload"),
            func.length(events.c.payload, type_=Integer).label("payload_bytes"),
        ),
        at_ms=events.c.received_ms,
        order=(events.c.id,),
    ),
    "decisions": Export(
        query=select(
            *_columns(decisions),
            cases.c.kind.label("case_kind"),
            cases.c.charge_id,
            cases.c.customer_id,
        ).join(cases, cases.c.id == decisions.c.case_id),
        at_ms=decisions.c.made_ms,
        order=(decisions.c.id,),
    ),
    "refunds": Export(
        query=select(
            *_columns(refund_intents, "params", "fence", "lease_until_ms"),
            cases.c.kind.label("case_kind"),
            cases.c.state.label("case_state"),
        ).join(cases, cases.c.id == refund_intents.c.case_id),
        at_ms=refund_intents.c.created_ms,
        order=(refund_intents.c.created_ms, refund_intents.c.id),
    ),
    "audit": Export(query=select(*_columns(audit)), at_ms=audit.c.at_ms, order=(audit.c.id,)),
}
#: The same with the bodies as they were received, which hold personal data.
EVENTS_WITH_PAYLOAD: Final = Export(
    query=select(*_columns(events)), at_ms=events.c.received_ms, order=(events.c.id,)
)
