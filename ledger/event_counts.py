"""How many events came when, and how long decisions take: what charts are drawn from."""

from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from ledger.states import EventState
from ledger.tables import events


def received_between(connection: Connection, from_ms: int, until_ms: int) -> int:
    """The number of events that were received in a span (unix ms, its end exclusive)."""
    return connection.execute(_COUNT, {"from_ms": from_ms, "until_ms": until_ms}).scalar_one()


def decision_lags_ms(connection: Connection, count_max: int) -> list[int]:
    """From Stripe's timestamp (whole seconds) to the decision, of the newest decided events; the shortest first.

    Events that waited to be replayed are told by what came last.
    """
    rows = connection.execute(_LAGS, {"most": count_max})
    return sorted(max(0, row.settled_ms - row.created * 1000) for row in rows)


_RECEIVED: Final = events.c.received_ms
_COUNT: Final = (
    select(func.count())
    .select_from(events)
    .where(
        bindparam("from_ms", type_=BigInteger) <= _RECEIVED,
        bindparam("until_ms", type_=BigInteger) > _RECEIVED,
    )
)
_NEWEST: Final = (
    select(events.c.settled_ms, events.c.created, events.c.state)
    .order_by(events.c.id.desc())
    .limit(bindparam("most"))
    .subquery()
)
_LAGS: Final = select(_NEWEST.c.settled_ms, _NEWEST.c.created).where(
    _NEWEST.c.state == EventState.DECIDED.value, _NEWEST.c.settled_ms.is_not(None)
)
