"""The functions that RQ may call, by their stable names (`runtime.queues`): rows in Redis outlive a deploy.

A job's only argument is a row id. What it needs besides is the process's own context, set once before
the first job.
"""

from runtime.limits import DRAIN_LINGER_SECONDS
from workers import backfill as backfills
from workers import (
    claim_judging,
    drain,
    effects,
    notice_dispatch,
    plan_changing,
    plan_restoring,
    reconciling,
    request_judging,
    subscription_ending,
)
from workers import look_up as questions
from workers.context import WorkerContext

_context: WorkerContext | None = None


def use_context(context: WorkerContext) -> None:
    """Set what this process's jobs work with; forked work horses inherit it."""
    global _context  # noqa: PLW0603 - RQ calls plain functions, so the process has one context
    _context = context


def drain_events() -> None:
    """Work through what is new in the inbox, and what comes soon after."""
    drain.drain_events(_own_context(), DRAIN_LINGER_SECONDS)


def send_refund(intent_id: str) -> None:
    """Do the next step of one refund intent."""
    effects.send_refund(_own_context(), intent_id)


def look_up(row_id: int) -> None:
    """Ask Stripe one question."""
    questions.look_up(_own_context(), row_id)


def send_notice(row_id: int) -> None:
    """Send one e-mail, or one webhook to the product."""
    notice_dispatch.send_notice(_own_context(), row_id)


def judge_request(request_id: int) -> None:
    """Judge one refund request."""
    request_judging.judge_request(_own_context(), request_id)


def end_subscription(end_id: int) -> None:
    """Do the next step of one subscription's end."""
    subscription_ending.end_subscription(_own_context(), end_id)


def judge_claim(claim_id: int) -> None:
    """Judge credits that are asked back."""
    claim_judging.judge_claim(_own_context(), claim_id)


def change_plan(change_id: int) -> None:
    """Go on with one change of plan."""
    plan_changing.change_plan(_own_context(), change_id)


def restore_plan(seen_id: int) -> None:
    """Go on with one change of plan that was made elsewhere."""
    plan_restoring.restore_plan(_own_context(), seen_id)


def backfill(stream: str) -> None:
    """Read some pages of one of Stripe's lists."""
    backfills.backfill(_own_context(), stream)


def reconcile(reconciliation_id: int) -> None:
    """Do the next step of one comparison with Stripe."""
    reconciling.reconcile(_own_context(), reconciliation_id)


def _own_context() -> WorkerContext:
    if _context is None:
        raise RuntimeError("this process runs jobs without a context: start it by `redress worker`")
    return _context
