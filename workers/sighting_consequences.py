"""What follows from one of Stripe's objects reading differently, whether an event or an answer showed it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.projections import Projection, Sighting
from workers.context import WorkerContext
from workers.credit_issuing import issue_for
from workers.outcomes import record_refund, refund_seen
from workers.plan_watching import watch_plan_change
from workers.product_notices import product_listens
from workers.subscription_ending import close_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What a sighting came to: a note for people, None for the usual, and the questions to ask Stripe."""

    note: str | None
    look_ups: tuple[int, ...]


def follow_sighting(
    context: WorkerContext,
    connection: Connection,
    sighting: Sighting,
    projection: Projection,
    rendered: object,
    *,
    anyway: bool = False,
) -> Consequences:
    """Issue credits, close ends, wake changes of plan, record refunds; what it does twice is the same as once.

    `anyway`: credits are looked at although nothing changed (a replay asks again).
    """
    now_ms = context.clock.now_ms()
    asked = issue_for(context, connection, sighting, projection, anyway=anyway)
    close_end(connection, sighting, now_ms)
    watch_plan_change(connection, sighting, now_ms)
    note = None
    if sighting.table.name == "refunds":
        to_product = product_listens(context.settings)
        note = record_refund(connection, refund_seen(rendered), now_ms, to_product=to_product)
    return Consequences(note=note, look_ups=tuple(asked))
