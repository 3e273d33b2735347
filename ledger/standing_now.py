"""How everything stands at this moment, in a few quick queries: what a live view shows again every second."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ledger.backfill_cursors import every_cursor
from ledger.backfill_tables import BackfillStream
from ledger.brake import read_brake
from ledger.event_lives import newest_event
from ledger.states import CaseState, IntentState
from ledger.tables import cases, refund_intents
from ledger.work_counts import (
    EffectCounts,
    InboxCounts,
    NoticeCounts,
    count_effects,
    count_inbox,
    count_notices,
)

_DAY_MS = 86_400_000
_PAID = [IntentState.SUCCEEDED.value, IntentState.PENDING.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingNow:
    """Counts and sums. `refunded` is (count, minor units) by currency in the last 24 hours.

    `newest_row` is the newest event's: two readings tell how many came between. `lists_until` is up to when Stripe's
    lists were read (unix seconds), None before the first reading.
    """

    newest_row: int
    inbox: InboxCounts
    effects: EffectCounts
    notices: NoticeCounts
    cases: Mapping[str, int]
    refunded: Mapping[str, tuple[int, int]]
    stopped: str | None  # the brake's reason, while it is on
    lists_until: int | None


def standing_now(connection: Connection, now_ms: int) -> StandingNow:
    """How everything stands."""
    brake = read_brake(connection)
    counted = connection.execute(
        select(cases.c.state, func.count())
        .where(cases.c.state.in_((CaseState.REVIEW.value, CaseState.REFUNDING.value)))
        .group_by(cases.c.state)
    )
    paid = connection.execute(
        select(refund_intents.c.currency, func.count(), func.sum(refund_intents.c.amount_minor))
        .where(
            refund_intents.c.first_sent_ms >= now_ms - _DAY_MS, refund_intents.c.state.in_(_PAID)
        )
        .group_by(refund_intents.c.currency)
        .order_by(refund_intents.c.currency)
    )
    lists = [
        one.seen_until
        for one in every_cursor(connection)
        if one.stream is not BackfillStream.UNDELIVERED
    ]
    return StandingNow(
        newest_row=newest_event(connection),
        inbox=count_inbox(connection, now_ms),
        effects=count_effects(connection, now_ms),
        notices=count_notices(connection, now_ms),
        cases={row[0]: int(row[1]) for row in counted},
        refunded={row[0]: (int(row[1]), int(row[2])) for row in paid},
        stopped=brake.reason if brake.stopped else None,
        lists_until=min(lists, default=None),
    )
