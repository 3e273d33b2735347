"""The clock: finds every row that is due and has nobody on it, and rings for it.

It works from the rows alone, so Redis may be emptied and any process killed at any moment: what was
promised is found again within one pulse after its lease runs out.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from ledger.backfill_cursors import begin_lists, due_streams, lists_begun
from ledger.credit_claims import due_claims
from ledger.credits import expire_credits
from ledger.decisions import seal_decisions
from ledger.inbox import release_expired, waiting_count
from ledger.look_ups import due_look_ups
from ledger.notices import due_notices
from ledger.payload_retention import erase_payloads, old_payloads
from ledger.plan_change_leases import due_changes
from ledger.reconciliations import Daily, begin_daily, daily_to_do
from ledger.refund_intents import due_intents
from ledger.refund_requests import due_requests
from ledger.seen_plan_leases import due_seen
from ledger.subscription_ends import due_ends
from runtime.limits import SWEEP_ROWS_MAX, SWEEP_SECONDS
from runtime.operator_limits import RECONCILE_EVERY_MS
from runtime.probes import probe
from runtime.queues import BACKFILL_JOB, RECONCILE_JOB
from workers.context import WorkerContext, ring_for
from workers.credit_issuing import issue_due
from workers.reconciling import FIRST_STAGE, until_now
from workers.shadow_terms import compare_stored

_DAY_MS = 86_400_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one pass found: events taken back and waiting, what else is due by kind, seals set, and bodies erased.

    `compared` is how many decisions shadow terms made beside, `lists` how many of Stripe's lists are to be read.
    """

    released: int
    waiting: int
    intents: int
    look_ups: int
    issues: int
    notices: int
    requests: int
    ends: int
    claims: int
    plans: int
    seen_plans: int
    sealed: int
    compared: int
    lists: int
    erased: int


def sweep(context: WorkerContext) -> Swept:
    """One pass over everything that may be stranded; at most SWEEP_ROWS_MAX rows of each kind."""
    now_ms = context.clock.now_ms()
    with context.store.write() as connection:
        released = release_expired(connection, now_ms, SWEEP_ROWS_MAX)
        sealed = seal_decisions(connection, SWEEP_ROWS_MAX)
        expire_credits(connection, now_ms // 1000, now_ms, SWEEP_ROWS_MAX)
    with context.store.read() as connection:
        waiting = waiting_count(connection, now_ms)
        intents = due_intents(connection, now_ms, SWEEP_ROWS_MAX)
        look_ups = due_look_ups(connection, now_ms, SWEEP_ROWS_MAX)
        notices = due_notices(connection, now_ms, SWEEP_ROWS_MAX)
        requests = due_requests(connection, now_ms, SWEEP_ROWS_MAX)
        ends = due_ends(connection, now_ms, SWEEP_ROWS_MAX)
        claims = due_claims(connection, now_ms, SWEEP_ROWS_MAX)
        plans = due_changes(connection, now_ms, SWEEP_ROWS_MAX)
        seen_plans = due_seen(connection, now_ms, SWEEP_ROWS_MAX)
    if released:
        probe("sweep.took_back")
    if intents:
        probe("sweep.rang_again")
    if waiting:
        context.wakeups.wake_events()
    ring_for(
        context.wakeups,
        intents,
        look_ups,
        notices=notices,
        requests=requests,
        ends=ends,
        claims=claims,
        plans=plans,
        seen_plans=seen_plans,
    )
    issues = issue_due(context)
    lists = _ring_for_lists(context, now_ms)
    erased = _erase_old_payloads(context, now_ms)
    compared = compare_stored(context.store, context.shadow, now_ms)
    return Swept(
        released=released,
        waiting=waiting,
        intents=len(intents),
        look_ups=len(look_ups),
        issues=issues,
        notices=len(notices),
        requests=len(requests),
        ends=len(ends),
        claims=len(claims),
        plans=len(plans),
        seen_plans=len(seen_plans),
        sealed=sealed,
        compared=compared,
        lists=lists,
        erased=erased,
    )


def _ring_for_lists(context: WorkerContext, now_ms: int) -> int:
    """Ring for the list of Stripe's that was not read for longest, and for the day's comparison; how many are due."""
    if not context.settings.redress_backfill_seconds:
        return 0
    with context.store.read() as connection:
        begun = lists_begun(connection)
        due = due_streams(connection, now_ms)
        daily = daily_to_do(connection, now_ms, RECONCILE_EVERY_MS)
    if not begun or daily is Daily.BEGIN:
        with context.store.write() as connection:
            begin_lists(connection, now_ms)
            begin_daily(connection, until=until_now(context), stage=FIRST_STAGE, now_ms=now_ms)
        return len(due)
    if due:
        context.wakeups.wake_effect(BACKFILL_JOB, due[0])
    if isinstance(daily, int):
        context.wakeups.wake_effect(RECONCILE_JOB, daily)
    return len(due) + isinstance(daily, int)


def _erase_old_payloads(context: WorkerContext, now_ms: int) -> int:
    """Erase bodies that are older than the settings keep them; returns how many."""
    days = context.settings.redress_payload_days
    if not days:
        return 0
    before_ms = now_ms - days * _DAY_MS
    with context.store.read() as connection:
        if not old_payloads(connection, before_ms, 1):
            return 0
    with context.store.write() as connection:
        rows = old_payloads(connection, before_ms, SWEEP_ROWS_MAX)
        if rows:
            erase_payloads(connection, rows)
    return len(rows)


def run_sweeper(context: WorkerContext, stopped: Callable[[float], bool]) -> None:
    """Sweep every few seconds until `stopped(seconds)`, which waits that long, says so."""
    while True:
        try:
            swept = sweep(context)
            if swept.released:
                _log.info("took back %s events of workers that died", swept.released)
        except DBAPIError as error:
            _log.warning("a sweep failed and is tried again: %s", type(error).__name__)
        if stopped(SWEEP_SECONDS):
            return
