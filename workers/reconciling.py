"""Compares the ledger with Stripe, type by type, some pages at a time: daily by itself, or at once for an operator.

A step reads pages of Stripe's list from where the last one ended. Rows of the same stretch of time that the list did
not have are asked about one by one. What it found is written with the place to go on from.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sqlalchemy.exc import DBAPIError

from ledger.backfill_cursors import ledger_began
from ledger.backfill_tables import ReconciliationState
from ledger.reconciliations import (
    Difference,
    Reconciliation,
    let_go,
    save_step,
    take_reconciliation,
)
from runtime.operator_limits import (
    BACKFILL_LEASE_MS,
    BACKFILL_OBJECT_DELAY_SECONDS,
    RECONCILE_PAGES_AT_ONCE,
)
from runtime.probes import probe
from workers.book_comparison import COMPARED, REFUND, BookComparison
from workers.context import WorkerContext
from workers.gateway import Rendered
from workers.gateway_errors import GatewayError, Throttled
from workers.stripe_lists import StripeList

_log = logging.getLogger(__name__)

FIRST_STAGE: Final = next(iter(COMPARED))
_ENDED: Final = ""


@dataclass(slots=True, kw_only=True)
class _Step:
    """What one step has come to so far."""

    count: int = 0
    cursor: str
    reached: int
    found: list[Difference] = field(default_factory=list)


def until_now(context: WorkerContext) -> int:
    """The end of what can be compared now, unix seconds: what is newer may be on its way."""
    return context.clock.now_ms() // 1000 - BACKFILL_OBJECT_DELAY_SECONDS


def reconcile(context: WorkerContext, reconciliation_id: int) -> bool:
    """Do the next step of a comparison; whether there is more of it to do. What Stripe refuses ends it."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        taken = take_reconciliation(
            connection, reconciliation_id, now_ms, now_ms + BACKFILL_LEASE_MS
        )
    if taken is None:
        return False
    try:
        # Whoever took the last step may have died before it could say so.
        stage = _ENDED if taken.stage == _ENDED else _step(context, taken)
    except Throttled:
        return _end(context, taken, ReconciliationState.RUNNING, "Stripe asks to wait")
    except GatewayError as error:
        probe("reconcile.failed")
        return _end(context, taken, ReconciliationState.FAILED, f"Stripe: {error.code}")
    except DBAPIError as error:
        _log.warning("a comparison failed and goes on later: %s", type(error).__name__)
        return True
    if stage == _ENDED:
        return _end(context, taken, ReconciliationState.DONE, None)
    return _end(context, taken, ReconciliationState.RUNNING, None)


def _step(context: WorkerContext, taken: Reconciliation) -> str:
    """Compare some pages of a stage; the stage to go on with."""
    comparison = BookComparison(context, taken.stage)
    since = _since(context, taken)
    step = _Step(cursor=taken.cursor, reached=max(taken.reached, since))
    pages = islice(_pages(context, taken, since), RECONCILE_PAGES_AT_ONCE)
    read = 0
    for page in pages:
        read += 1
        _compare_page(context, comparison, step, page, by_time=_by_time(taken.stage))
    ended = read < RECONCILE_PAGES_AT_ONCE
    if ended:
        _compare_rest(context, comparison, step, taken, since)
    stage = _next_stage(taken.stage) if ended else taken.stage
    place = (stage, "", 0) if ended else (stage, step.cursor, step.reached)
    counted = taken.compared.get(taken.stage, 0) + step.count
    with context.store.write() as connection:
        save_step(
            connection,
            taken,
            compared={**taken.compared, taken.stage: counted},
            place=place,
            found=step.found,
        )
    return stage


def _compare_page(
    context: WorkerContext,
    comparison: BookComparison,
    step: _Step,
    page: Sequence[Rendered],
    *,
    by_time: bool,
) -> None:
    """Compare a page, and ask about the rows of its stretch of time that it does not have."""
    step.found += comparison.of_page(page)
    last = int(page[-1]["created"])
    if by_time:
        with context.store.read() as connection:
            listed = [str(one["id"]) for one in page]
            unlisted = comparison.unlisted(connection, step.reached, last, listed)
        _ask(comparison, step, unlisted)
    step.count += len(page)
    step.cursor, step.reached = str(page[-1]["id"]), last


def _compare_rest(
    context: WorkerContext,
    comparison: BookComparison,
    step: _Step,
    taken: Reconciliation,
    since: int,
) -> None:
    """Ask about the rows after the last page, and about refunds that only an intent knows."""
    with context.store.read() as connection:
        unlisted = comparison.unlisted(connection, step.reached, taken.until, ())
        if taken.stage == REFUND:
            intents = comparison.intents_without_refund(connection, since * 1000)
            unlisted += [one.refund_id for one in intents]
    _ask(comparison, step, unlisted)


def _ask(comparison: BookComparison, step: _Step, object_ids: Sequence[str]) -> None:
    """Look at single objects. One of the stretch before, which shares its last second, is no news."""
    told = {(one.object_id, one.field) for one in step.found}
    for object_id in object_ids:
        found = comparison.of_object(object_id)
        step.found += [one for one in found if (one.object_id, one.field) not in told]


def _pages(context: WorkerContext, taken: Reconciliation, since: int) -> Iterator[list[Rendered]]:
    compared = COMPARED[taken.stage]
    listed = StripeList(
        gateway=context.gateway,
        clock=context.clock,
        resource=compared.resource,
        query=dict(compared.query),
    )
    if not taken.cursor:
        return listed.since(since, taken.until)
    return listed.after(taken.cursor, taken.until)


def _since(context: WorkerContext, taken: Reconciliation) -> int:
    """The first second that is compared: what was asked for, or the type's usual span within the ledger's life."""
    if taken.since:
        return taken.since
    with context.store.read() as connection:
        began = ledger_began(connection, context.clock.now_ms())
    kept = COMPARED[taken.stage].kept_seconds
    return began if kept is None else max(began, taken.until - kept)


def _by_time(stage: str) -> bool:
    return COMPARED[stage].created is not None


def _next_stage(stage: str) -> str:
    stages = list(COMPARED)
    place = stages.index(stage) + 1
    return stages[place] if place < len(stages) else _ENDED


def _end(
    context: WorkerContext, taken: Reconciliation, state: ReconciliationState, note: str | None
) -> bool:
    with context.store.write() as connection:
        mine = let_go(connection, taken, state, context.clock.now_ms(), note)
    return mine and state is ReconciliationState.RUNNING
