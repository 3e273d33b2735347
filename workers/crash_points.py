"""Names the boundaries between steps, so that a test can end the process exactly there.

In production `reach` does nothing. The names are the processor's steps in their order.
"""

from typing import Protocol


class CrashPoints(Protocol):
    """Told of each boundary that is reached."""

    def reach(self, name: str) -> None:
        """The step called `name` is complete; the next has not begun."""


class NoCrash:
    """What every real process uses."""

    def reach(self, name: str) -> None:
        """Do nothing."""


DRAIN_CLAIMED = "drain.claimed"
DRAIN_JUDGED = "drain.judged"
DRAIN_COMMITTED = "drain.committed"
DRAIN_WOKEN = "drain.woken"
EFFECT_LEASED = "effect.leased"
EFFECT_CHECKED = "effect.checked"
EFFECT_SUBMITTED = "effect.submitted"
EFFECT_CALLED = "effect.called"
EFFECT_RECORDED = "effect.recorded"
NOTICE_LEASED = "notice.leased"
NOTICE_LEAVING = "notice.leaving"
NOTICE_CARRIED = "notice.carried"
NOTICE_RECORDED = "notice.recorded"
END_TAKEN = "end.taken"
END_LOOKED = "end.looked"
END_LEAVING = "end.leaving"
END_CALLED = "end.called"
PLAN_LEASED = "plan.leased"
PLAN_LOOKED = "plan.looked"
PLAN_COMMITTED = "plan.committed"
PLAN_CALLED = "plan.called"
PLAN_RECORDED = "plan.recorded"
RESTORE_LEASED = "restore.leased"
RESTORE_LOOKED = "restore.looked"
RESTORE_COMMITTED = "restore.committed"
RESTORE_CALLED = "restore.called"
RESTORE_RECORDED = "restore.recorded"
REQUEST_LEASED = "request.leased"
REQUEST_GATHERED = "request.gathered"
REQUEST_JUDGED = "request.judged"

EVERY_POINT = (
    DRAIN_CLAIMED,
    DRAIN_JUDGED,
    DRAIN_COMMITTED,
    DRAIN_WOKEN,
    EFFECT_LEASED,
    EFFECT_CHECKED,
    EFFECT_SUBMITTED,
    EFFECT_CALLED,
    EFFECT_RECORDED,
)
"""The way from an event to its refund."""

NOTICE_POINTS = (NOTICE_LEASED, NOTICE_LEAVING, NOTICE_CARRIED, NOTICE_RECORDED)
"""The way of a notice."""

REQUEST_POINTS = (REQUEST_LEASED, REQUEST_GATHERED, REQUEST_JUDGED)
"""The way of a refund request."""

END_POINTS = (END_TAKEN, END_LOOKED, END_LEAVING, END_CALLED)
"""The way of a subscription's end."""

PLAN_POINTS = (PLAN_LEASED, PLAN_LOOKED, PLAN_COMMITTED, PLAN_CALLED, PLAN_RECORDED)
"""The way of each step of a plan change."""

RESTORE_POINTS = (
    RESTORE_LEASED,
    RESTORE_LOOKED,
    RESTORE_COMMITTED,
    RESTORE_CALLED,
    RESTORE_RECORDED,
)
"""The way of each call that puts a change of plan right."""
