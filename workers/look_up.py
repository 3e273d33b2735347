"""Asks Stripe about one object when its events cannot tell, and writes the answer into the ledger.

Read → ask, with no transaction open → write, unless an event has moved the object meanwhile; then the
question stays open and is asked again. The charges that the answer touches are judged with it.
"""

import logging
from collections.abc import Sequence

from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ledger.look_ups import (
    LookUp,
    end_look_up,
    give_up_exhausted,
    put_off_look_up,
    take_look_up,
)
from ledger.object_links import lock_links
from ledger.payment_facts import INVOICES_OF_PAYMENT_INTENT
from ledger.projections import Sighting, seen_event_id, settle
from ledger.states import LookUpState
from runtime.probes import probe
from workers.context import WorkerContext, ring_for
from workers.fraud_touching import suspects
from workers.gateway import Rendered
from workers.gateway_errors import GatewayError, Rejected
from workers.handlers import charges_of_payment_intent, touched_charges
from workers.judge import Judged
from workers.judging_rounds import judge_in_turn
from workers.rendered_fields import RenderedFields, UnreadableRendering
from workers.retries import Trouble, exhausted, next_try_ms
from workers.sighting_consequences import follow_sighting
from workers.stripe_objects import OBJECT_TYPES, Seen, read_object

_log = logging.getLogger(__name__)


def look_up(context: WorkerContext, row_id: int) -> None:
    """Ask one question, if it is due and nobody else asks it."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        retry_ms = next_try_ms(Trouble.UNREACHABLE, str(row_id), _ASKING_TRIES, now_ms)
        wanted = take_look_up(connection, row_id, now_ms, retry_ms)
        if wanted is None:
            # Or whoever asked for the last time died before it could note that.
            if give_up_exhausted(connection, row_id, now_ms):
                probe("look_up.given_up")
            return
    try:
        judged = _answer(context, wanted)
    except Rejected:
        _end(context, wanted, LookUpState.GIVEN_UP)  # Stripe does not know the object
    except (GatewayError, UnreadableRendering):
        _ask_later(context, wanted)
    except (DBAPIError, BaseTimeoutException):
        raise  # the question is due again by itself
    except Exception:  # noqa: BLE001 - a defect must not ring for ever
        _log.exception("a look-up failed", extra={"row_id": row_id})
        _ask_later(context, wanted)
    else:
        ring_for(context.wakeups, judged.intents, judged.look_ups, notices=judged.notices)


#: An asked question is due again after the third delay (15 s) if its worker dies while asking.
_ASKING_TRIES = 3


def _ask_later(context: WorkerContext, wanted: LookUp) -> None:
    if exhausted(wanted.attempts):
        probe("look_up.given_up")
        _end(context, wanted, LookUpState.GIVEN_UP)
        return
    probe("look_up.put_off")
    now_ms = context.clock.now_ms()
    later_ms = next_try_ms(Trouble.UNREACHABLE, str(wanted.row_id), wanted.attempts, now_ms)
    with context.store.write() as connection:
        put_off_look_up(connection, wanted.row_id, later_ms)


def _answer(context: WorkerContext, wanted: LookUp) -> Judged:
    if wanted.object_type == INVOICES_OF_PAYMENT_INTENT:
        return _answer_invoices(context, wanted)
    table = OBJECT_TYPES[wanted.object_type].table
    with context.store.read() as connection:
        asked_of = seen_event_id(connection, table, wanted.object_id)
    rendered = context.gateway.stripe_object(wanted.object_type, wanted.object_id)
    return _write(context, wanted, [(rendered, asked_of)], ())


def _answer_invoices(context: WorkerContext, wanted: LookUp) -> Judged:
    """Which invoices a PaymentIntent paid; none is an answer too, and touches its charges."""
    found = context.gateway.invoice_payments_of(wanted.object_id)
    objects: list[Rendered] = [
        *found,
        *(one["invoice"] for one in found if isinstance(one["invoice"], dict)),
    ]
    with context.store.read() as connection:
        known = [(rendered, _asked_of(connection, rendered)) for rendered in objects]
        touched = charges_of_payment_intent(connection, wanted.object_id)
    return _write(context, wanted, known, touched)


def _asked_of(connection: Connection, rendered: Rendered) -> str | None:
    fields = RenderedFields(rendered, "answer")
    kind = OBJECT_TYPES.get(fields.text("object"))
    return None if kind is None else seen_event_id(connection, kind.table, fields.text("id"))


def _write(
    context: WorkerContext,
    wanted: LookUp,
    answers: Sequence[tuple[Rendered, str | None]],
    touched: Sequence[str],
) -> Judged:
    charge_ids, suspected, asked = set(touched), set(touched), set[int]()
    with context.store.write() as connection:
        lock_links(connection, [rendered for rendered, _ in answers])
        for rendered, asked_of in answers:
            sighting = _sighting(context, wanted, rendered)
            projection = settle(connection, sighting, asked_of)
            if projection is None:
                probe("look_up.overtaken")
                return Judged()  # an event came first; the question is still open and due again
            charge_ids |= set(touched_charges(connection, sighting, projection))
            suspected |= set(suspects(connection, sighting, projection))
            followed = follow_sighting(context, connection, sighting, projection, rendered)
            asked |= set(followed.look_ups)
        probe("look_up.answered")
        end_look_up(connection, wanted.row_id, LookUpState.ANSWERED, context.clock.now_ms())
        judged = judge_in_turn(context, connection, charge_ids, suspected, None)
        judged.look_ups |= asked
        return judged


def _sighting(context: WorkerContext, wanted: LookUp, rendered: Rendered) -> Sighting:
    fields = RenderedFields(rendered, "answer")
    seen = Seen(
        account="",
        livemode=context.settings.livemode,
        # An object that no event has shown yet is placed at its birth, before any of its events.
        created=fields.whole_or_none("created") or 0,
        event_id=f"look-up:{wanted.row_id}",
        first=True,
    )
    return read_object(rendered, seen, context.terms.newest.duplicates)


def _end(context: WorkerContext, wanted: LookUp, state: LookUpState) -> None:
    with context.store.write() as connection:
        end_look_up(connection, wanted.row_id, state, context.clock.now_ms())
